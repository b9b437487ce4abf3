//! What VS Code asks its user for: our inputs, and the user's own.

use mcpo_deploy::clients::change;

use super::{put, put_change, remove, row, stdio, text_of, url};

#[test]
fn an_input_of_the_user_s_own_stays_whatever_becomes_of_our_entry() {
    let own = r#"{"id": "MCPO_TOKEN", "type": "pickString", "options": ["a"], "description": "mine"}"#;
    let text = format!("{{\n  \"inputs\": [{own}],\n  \"servers\": {{}}\n}}\n");
    let with = put(&text, "vscode", url(row("vscode"))).expect("an edit");
    assert_eq!((with.contains(own), with.matches("\"id\"").count()), (true, 1), "{with}");
    let without = remove(&with, "vscode").expect("an edit");
    assert!(without.contains(own), "{without}");
    // By another's entry that is replaced, too.
    let theirs = text.replace("{}", r#"{"mcp-orchestrator": {"type": "http", "url": "http://a/", "headers": {"Authorization": "Bearer ${input:MCPO_TOKEN}"}}}"#);
    let forced = text_of(change(theirs.as_bytes(), row("vscode"), &put_change(stdio(), true)));
    assert!(forced.as_ref().is_ok_and(|text| text.contains(own)), "{forced:?}");
}

#[test]
fn an_input_that_is_ours_goes_with_the_last_entry_that_refers_to_it() {
    let with = put("", "vscode", url(row("vscode"))).expect("an edit");
    assert!(with.contains("promptString"), "{with}");
    let without = remove(&with, "vscode").expect("an edit");
    assert!(!without.contains("promptString"), "{without}");
}
