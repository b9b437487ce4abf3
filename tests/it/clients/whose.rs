//! What in a file is another deployment's.

use std::collections::BTreeMap;

use mcpo_deploy::clients::{Change, EditError, Entry, Launch, change};

use super::{NAME, demo, put, put_change, row, stdio, text_of};

fn launch(line: &str) -> Launch {
    let mut words = line.split(' ').map(str::to_owned);
    Launch::Stdio { command: words.next().unwrap_or_default(), args: words.collect(), env: BTreeMap::new() }
}

/// A file with an entry of that launch, whoever wrote it.
fn with(line: &str) -> String {
    text_of(change(b"", row("cursor"), &put_change(launch(line), true))).expect("an edit")
}

#[test]
fn an_entry_that_names_another_deployment_is_not_ours_to_replace_or_remove() {
    let gone = Change::Remove { name: NAME.to_owned(), ours: None, this: demo(), force: false };
    for (line, told) in [
        ("docker run -i --label io.mcpo-deploy.project=shop img", "project \"shop\""),
        ("docker run -i --label=io.mcpo-deploy.project=shop img", "project \"shop\""),
        ("mcpo-deploy --project shop run", "project \"shop\""),
        ("mcpo-deploy run -pshop", "project \"shop\""),
        ("/bin/mcpo-deploy -p shop --file /home/ada/demo/mcpo.yaml run", "project \"shop\""),
        ("mcpo-deploy --file /home/ada/shop/mcpo.yaml run", "/home/ada/shop/mcpo.yaml"),
        ("mcpo-deploy --file=/home/ada/shop/mcpo.yaml --project demo run", "/home/ada/shop/mcpo.yaml"),
    ] {
        let text = with(line);
        for (change_of_ours, force) in [
            (put_change(stdio(), false), put_change(stdio(), true)),
            (gone.clone(), Change::Remove { name: NAME.to_owned(), ours: None, this: demo(), force: true }),
        ] {
            let error = change(text.as_bytes(), row("cursor"), &change_of_ours).err().expect(line);
            assert!(matches!(error, EditError::NotOurs { .. }), "{error}");
            assert!(error.to_string().contains(told), "{error}");
            assert!(change(text.as_bytes(), row("cursor"), &force).is_ok(), "{line}");
        }
    }
    for line in [
        "docker run -i --label io.mcpo-deploy.project=demo img",
        "mcpo-deploy run",
        "mcpo-deploy --project demo run",
        "mcpo-deploy -f /home/ada/demo/mcpo.yaml -p demo run",
        "mcpo-deploy --file mcpo.yaml run",
    ] {
        let text = with(line);
        assert!(put(&text, "cursor", stdio()).is_ok(), "{line}");
        assert!(change(text.as_bytes(), row("cursor"), &gone).is_ok(), "{line}");
    }
}

#[test]
fn of_entries_with_another_name_nothing_is_asked() {
    let entry = Entry { name: "second".to_owned(), launch: stdio() };
    let text = with("mcpo-deploy --project shop run");
    let put = Change::Put { entry, this: demo(), force: false };
    assert!(change(text.as_bytes(), row("cursor"), &put).is_ok());
}
