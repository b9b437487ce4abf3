//! Texts at the edge of what can be edited, and beyond.

use mcpo_deploy::clients::{Bearer, Change, EditError, Launch, change, read};
use mcpo_deploy::diagnostic::{Diagnostic, Exit};
use mcpo_deploy::model::Secret;

use super::{NAME, demo, put, put_change, remove, row, short, stdio, text_of, url};

/// Before and after putting the shortest entry.
fn assert_put(id: &str, before: &str, after: &str) {
    assert_eq!(put(before, id, short(&[])).as_deref(), Ok(after), "{before}");
}

#[test]
fn an_entry_takes_over_the_layout_of_its_neighbours() {
    let entry = r#""mcp-orchestrator": {"#;
    assert_put(
        "cursor",
        "{\n\t\"mcpServers\": {\n\t\t\"a\": {}\n\t}\n}",
        &format!(
            "{{\n\t\"mcpServers\": {{\n\t\t\"a\": {{}},\n\t\t{entry}\n\t\t\t\"command\": \"mcpo-deploy\",\n\t\t\t\"args\": [\"run\"]\n\t\t}}\n\t}}\n}}"
        ),
    );
    assert_put(
        "cursor",
        r#"{"mcpServers":{"a":{}}}"#,
        r#"{"mcpServers":{"a":{}, "mcp-orchestrator": { "command": "mcpo-deploy", "args": ["run"] }}}"#,
    );
    assert_put(
        "goose",
        "extensions: {a: {type: builtin}} # all\n",
        "extensions: {a: {type: builtin}, mcp-orchestrator: { name: \"mcp-orchestrator\", type: \"stdio\", \
         cmd: \"mcpo-deploy\", args: [\"run\"], enabled: true, timeout: 300 }} # all\n",
    );
    assert_put(
        "codex",
        "mcp_servers = { a = { command = \"x\" } }\n[tui]\n",
        "mcp_servers = { a = { command = \"x\" }, mcp-orchestrator = { command = \"mcpo-deploy\", args = [\"run\"] } }\n[tui]\n",
    );
}

#[test]
fn a_container_of_nothing_is_filled_whatever_it_is_written_as() {
    let json = ["{}", "[]", "null", "{ }", "{\n  }"];
    for nothing in json {
        let text = format!("{{\n  \"mcpServers\": {nothing},\n  \"a\": 1\n}}\n");
        assert_put(
            "cursor",
            &text,
            "{\n  \"mcpServers\": {\n    \"mcp-orchestrator\": {\n      \"command\": \"mcpo-deploy\",\n      \
             \"args\": [\"run\"]\n    }\n  },\n  \"a\": 1\n}\n",
        );
    }
    for nothing in ["", " []", " {}", " null", " ~"] {
        for (id, key) in [("continue", "mcpServers"), ("goose", "extensions")] {
            let new = put(&format!("{key}:{nothing} # none yet\nb: 1\n"), id, short(&[])).expect("an edit");
            assert!(new.starts_with(&format!("{key}: # none yet\n  ")), "{new}");
            assert!(new.ends_with("\nb: 1\n"), "{new}");
        }
    }
    assert_put(
        "codex",
        "mcp_servers = {}\n",
        "mcp_servers = { mcp-orchestrator = { command = \"mcpo-deploy\", args = [\"run\"] } }\n",
    );
    assert_put(
        "codex",
        "[mcp_servers]\n",
        "[mcp_servers]\n\n[mcp_servers.mcp-orchestrator]\ncommand = \"mcpo-deploy\"\nargs = [\"run\"]\n",
    );
}

#[test]
fn comments_alone_stay_above_what_is_put_below_them() {
    for (id, text) in [
        ("zed", "// mine\n"),
        ("zed", "/* mine */"),
        ("continue", "# mine\n"),
        ("continue", "---\n# mine"),
        ("codex", "# mine\n"),
        ("codex", "# mine"),
    ] {
        let new = put(text, id, short(&[])).expect("an edit");
        assert!(new.starts_with(text), "{new}");
    }
}

#[test]
fn a_broken_file_is_left_alone_and_the_place_is_told() {
    for (id, text, told) in [
        ("cursor", "{\n  \"a\": 1\n  \"b\": 2\n}", "it is not JSON at 2:9: Expected comma"),
        ("cursor", "{'a': 1}", "it is not JSON at 1:2: "),
        ("cursor", "{\"a\": 1} {}", "it is not JSON at 1:10: "),
        ("cursor", "{", "it is not JSON at 1:1: "),
        ("codex", "a = 1\na = 2\n", "it is not TOML at 2:1: duplicate key"),
        ("codex", "[mcp_servers.x\n", "it is not TOML at 1:"),
        ("goose", "a: [1\nb: 2\n", "it is not YAML at "),
        ("goose", "a: 1\n---\nb: 2\n", "it is not YAML at "),
        ("goose", "a: 1\n\tb: 2\n", "it is not YAML at "),
    ] {
        let error = put(text, id, stdio()).expect_err(text);
        assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        assert_eq!((error.exit(), error.hint().is_some()), (Exit::BadInput, true));
    }
    let error = change(b"{\"a\": \"\xff\"}", row("cursor"), &put_change(stdio(), true)).err();
    assert_eq!(error, Some(EditError::NotText));
}

#[test]
fn no_error_quotes_the_file() {
    for (id, text) in [
        ("cursor", "{\"k\": sk-secret}"),
        ("cursor", "{\"k\": \"sk-secret\n\"}"),
        ("codex", "k = sk-secret\n"),
        ("codex", "sk-secret\n"),
        ("goose", "k: @sk-secret\n"),
        ("goose", "k: \"sk-secret\nx: 1"),
    ] {
        let error = put(text, id, stdio()).expect_err(text);
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("sk-secret"), "{error}");
    }
}

#[test]
fn what_is_there_twice_or_of_another_kind_is_an_error_with_its_place() {
    for (id, text, told) in [
        ("cursor", r#"{"mcpServers": {}, "mcpServers": {}}"#, "mcpServers is there twice, at 1:20 again"),
        (
            "cursor",
            "{\"mcpServers\": {\n\"mcp-orchestrator\": {},\n\"mcp-orchestrator\": {}}}",
            "mcpServers.mcp-orchestrator is there twice, at 3:1 again",
        ),
        (
            "cursor",
            r#"{"mcpServers": {"mcp-orchestrator": {"command": "a", "command": "b"}}}"#,
            "mcpServers.mcp-orchestrator.command is there twice, at 1:54 again",
        ),
        (
            "continue",
            "mcpServers:\n- name: mcp-orchestrator\n- name: mcp-orchestrator\n",
            "mcpServers[mcp-orchestrator] is there twice, at 3:3 again",
        ),
        ("cursor", r#"{"mcpServers": [1]}"#, "mcpServers is not a map, at 1:16"),
        ("cursor", "[1]", "the file is not a map, at 1:1"),
        ("continue", "mcpServers:\n  a: 1\n", "mcpServers is not a list, at 2:3"),
        ("goose", "extensions: *x\n", "it is not YAML at 1:13: "),
        ("codex", "[[mcp_servers]]\na = 1\n", "mcp_servers is not a map, at 1:3"),
        ("opencode", r#"{"mcp": 3}"#, "mcp is not a map, at 1:9"),
        ("goose", "? extensions\n: a:\n    type: x\n", "there is no"),
    ] {
        match put(text, id, stdio()) {
            Err(error) => assert_eq!(error.to_string().get(..told.len()), Some(told), "{error}"),
            Ok(new) => assert!(told == "there is no" && new.contains("a:\n    type: x\n"), "{new}"),
        }
    }
}

#[test]
fn an_entry_of_that_name_that_is_not_ours_is_replaced_only_by_force() {
    let guide = r#"{"mcpServers": {"mcp-orchestrator": {"command": "docker", "args": ["run", "--rm", "-i", "mcp-orchestrator:latest"], "cwd": "/"}}}"#;
    let error = put(guide, "claude-desktop", stdio()).expect_err("not ours");
    assert_eq!(
        error.to_string(),
        "there is another entry called mcp-orchestrator, at 1:37; it was left alone"
    );
    assert_eq!(error.exit(), Exit::Failed);
    assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
    let forced = text_of(change(guide.as_bytes(), row("claude-desktop"), &put_change(short(&[]), true)));
    assert_eq!(
        forced.expect("an edit").replace(['\n', ' '], ""),
        r#"{"mcpServers":{"mcp-orchestrator":{"command":"mcpo-deploy","args":["run"]}}}"#
    );
    let gone = Change::Remove { name: NAME.to_owned(), ours: None, this: demo(), force: false };
    assert!(change(guide.as_bytes(), row("claude-desktop"), &gone).is_err());
    let odd = r#"{"mcpServers": {"mcp-orchestrator": {"port": 1}}}"#;
    assert!(matches!(put(odd, "cursor", stdio()), Err(EditError::NotOurs { .. })));
    assert!(matches!(read(odd.as_bytes(), row("cursor"), NAME), Err(EditError::NotUnderstood { .. })));
}

#[test]
fn what_is_valid_and_has_no_place_of_its_own_is_refused_and_not_guessed_at() {
    for (id, text, told) in [
        (
            "codex",
            "mcp_servers = { mcp-orchestrator.command = 'x', b = { command = 'y' } }\n",
            "mcp_servers.mcp-orchestrator is written with a dotted key between brackets, which is not edited, at 1:34",
        ),
        (
            "continue",
            "mcpServers:\n- # c\n  name: b\n",
            "mcpServers[1] is written with something between a dash and its item, which is not edited, at 3:3",
        ),
        (
            "goose",
            "? extensions\n: []\n",
            "extensions is written with an explicit key (?), which is not edited, at 1:3",
        ),
    ] {
        let error = change(text.as_bytes(), row(id), &put_change(stdio(), true)).err().expect(text);
        assert!(matches!(error, EditError::Unusual { .. }), "{error}");
        assert_eq!((error.to_string().as_str(), error.exit()), (told, Exit::BadInput));
        assert!(error.hint().is_some_and(|hint| hint.contains("by hand")));
    }
}

/// Every form in which TOML and YAML can have an entry: force replaces it, and nothing beside it.
#[test]
fn force_replaces_an_entry_in_whatever_form_it_is_written() {
    for (id, text) in [
        (
            "codex",
            "[mcp_servers.mcp-orchestrator]\ncommand='x'\n[mcp_servers.mcp-orchestrator.env]\nA='1'\n[tui]\nn=1\n",
        ),
        (
            "codex",
            "[mcp_servers.mcp-orchestrator.env]\nA='1'\n\n[mcp_servers.mcp-orchestrator]\ncommand='x' # c",
        ),
        ("codex", "mcp_servers.mcp-orchestrator.command='x'\nz=1\n[tui]\n"),
        ("codex", "[mcp_servers]\nmcp-orchestrator.command='x'\nother.command='y'\n"),
        ("codex", "[mcp_servers]\nmcp-orchestrator = { command = 'x' } # c\na = { command = 'y' }\n"),
        (
            "codex",
            "[mcp_servers]\nmcp-orchestrator.env.A='1'\nz.command='y'\n[mcp_servers.mcp-orchestrator.tools]\nq=1\n",
        ),
        ("goose", "extensions:\n  mcp-orchestrator:\n    type: builtin # c\n  # d\n  b: {type: x}\n"),
        ("goose", "extensions:\n  mcp-orchestrator: {type: builtin} # c\n  b: {type: x}"),
        ("goose", "extensions:\n  mcp-orchestrator: x # c\nb: 1\n"),
        ("goose", "extensions:\n  mcp-orchestrator: |\n    x\n\n    y\nb: 1\n"),
        ("goose", "extensions:\n  mcp-orchestrator: \"x\" # c"),
        ("goose", "extensions:\n  b: &b\n    type: x\n  mcp-orchestrator: *b\nz: 1\n"),
        ("goose", "{\"extensions\": {\"mcp-orchestrator\": {\"type\": \"x\"}}, \"b\": 1}\n"),
        ("continue", "mcpServers:\n- {name: mcp-orchestrator, command: x} # c\nb: 1\n"),
        ("continue", "mcpServers:\n  - command: x\n    name: mcp-orchestrator\n  - name: b\n"),
        ("continue", "mcpServers:\n  -\n    name: mcp-orchestrator\n    command: x\n"),
        ("continue", "mcpServers: [{name: mcp-orchestrator, command: x}, {name: b}]\n"),
        ("cursor", "{\"mcpServers\": {\"mcp-orchestrator\": 3 /* c */, \"b\": {}}}"),
    ] {
        let new = text_of(change(text.as_bytes(), row(id), &put_change(stdio(), true)));
        let new = new.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read(new.as_bytes(), row(id), NAME), Ok(Some(stdio())), "{new}");
        assert_eq!(put(&new, id, stdio()).as_ref(), Ok(&new), "{text}");
        let back = remove(&new, id).unwrap_or_else(|error| panic!("{error}\n{new}"));
        assert_eq!(read(back.as_bytes(), row(id), NAME), Ok(None), "{back}");
        let direct = remove(text, id).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read(direct.as_bytes(), row(id), NAME), Ok(None), "{direct}");
        for comment in ["# d", "/* c */"].into_iter().filter(|comment| text.contains(comment)) {
            assert!(new.contains(comment) && back.contains(comment) && direct.contains(comment), "{new}");
        }
    }
}

#[test]
fn an_address_is_removed_without_force_only_when_it_is_the_one_that_we_would_write() {
    let text = put("", "cursor", url(row("cursor"))).expect("an edit");
    let gone = |ours| Change::Remove { name: NAME.to_owned(), ours, this: demo(), force: false };
    assert!(change(text.as_bytes(), row("cursor"), &gone(None)).is_err());
    let other = Launch::Url { url: "http://127.0.0.1:1/mcp".to_owned(), bearer: None };
    assert!(change(text.as_bytes(), row("cursor"), &gone(Some(other))).is_err());
    assert!(change(text.as_bytes(), row("cursor"), &gone(Some(url(row("cursor"))))).is_ok());
}

#[test]
fn what_a_person_added_to_our_entry_survives_an_update() {
    for (id, before, kept) in [
        (
            "kiro",
            "{\n  \"mcpServers\": {\n    \"mcp-orchestrator\": {\n      \"timeout\": 5, // slow\n      \
             \"command\": \"mcpo-deploy\",\n      \"args\": [\"run\", \"-p\", \"demo\"],\n      \"disabled\": true, // for now\n    }\n  }\n}\n",
            vec!["\"timeout\": 5, // slow\n", "\"args\": [\"run\"],\n", "\"disabled\": true, // for now\n"],
        ),
        (
            "goose",
            "extensions:\n  mcp-orchestrator:\n    enabled: false   # for now\n    cmd: mcpo-deploy # ours\n    args:\n    - run\n    - -p\n    type: stdio\n    name: mcp-orchestrator\n",
            vec!["    enabled: false   # for now\n", "    cmd: mcpo-deploy # ours\n", "    type: stdio\n"],
        ),
        (
            "codex",
            "[mcp_servers.mcp-orchestrator]\nstartup_timeout_sec = 20 # slow\ncommand = 'mcpo-deploy' # ours\nargs = ['run', '-p']\n\n[mcp_servers.mcp-orchestrator.tools]\na = 1\n",
            vec![
                "startup_timeout_sec = 20 # slow\n",
                "command = 'mcpo-deploy' # ours\n",
                "\n[mcp_servers.mcp-orchestrator.tools]\na = 1\n",
            ],
        ),
        (
            "codex",
            "mcp_servers.mcp-orchestrator.command = 'mcpo-deploy'\nmcp_servers.mcp-orchestrator.args = ['run', '-p']\nmcp_servers.mcp-orchestrator.enabled = false # now\nx = 1\n",
            vec!["enabled = false # now\n", "command = 'mcpo-deploy'\n", "x = 1\n"],
        ),
    ] {
        let new = put(before, id, short(&[("A", "1")])).expect(id);
        assert_eq!(read(new.as_bytes(), row(id), NAME), Ok(Some(short(&[("A", "1")]))), "{new}");
        for kept in kept {
            assert!(new.contains(kept), "{kept:?} in\n{new}");
        }
        assert_eq!(put(&new, id, short(&[("A", "1")])).as_ref(), Ok(&new));
    }
}

#[test]
fn another_header_than_ours_survives_an_update() {
    let before = r#"{"mcpServers": {"mcp-orchestrator": {"url": "http://127.0.0.1:8765/mcp", "headers": {"X-Team": "a", "authorization": "Bearer old"}}}}"#;
    let new = put(before, "cursor", url(row("cursor"))).expect("an edit");
    assert!(new.contains(r#""X-Team": "a""#) && !new.contains("old"), "{new}");
    let plain = Launch::Url { url: "http://127.0.0.1:8765/mcp".to_owned(), bearer: None };
    let new = put(&new, "cursor", plain).expect("an edit");
    assert!(new.contains(r#""X-Team": "a""#) && !new.to_lowercase().contains("authorization"), "{new}");
}

#[test]
fn an_input_is_there_as_long_as_something_refers_to_it() {
    let vscode = row("vscode");
    let one = put("", "vscode", url(vscode)).expect("an edit");
    assert_eq!(one.matches("promptString").count(), 1);
    let other = Change::Put {
        entry: mcpo_deploy::clients::Entry { name: "second".to_owned(), launch: url(vscode) },
        this: demo(),
        force: false,
    };
    let two = text_of(change(one.as_bytes(), vscode, &other)).expect("an edit");
    assert_eq!((two.matches("promptString").count(), two.matches("${input:MCPO_TOKEN}").count()), (1, 2));
    let left = remove(&two, "vscode").expect("an edit");
    assert_eq!((left.matches("promptString").count(), left.matches("${input:MCPO_TOKEN}").count()), (1, 1));
    let stdio = text_of(change(one.as_bytes(), vscode, &put_change(stdio(), true))).expect("an edit");
    assert_eq!(stdio.matches("promptString").count(), 0);
}

#[test]
fn a_form_that_a_client_has_not_is_refused_with_what_to_do_instead() {
    let error = put("", "claude-desktop", url(row("claude-desktop"))).expect_err("no URL");
    assert_eq!(error.to_string(), "Claude Desktop takes no URL from its file");
    assert!(error.hint().is_some_and(|hint| hint.contains("stdio")));
    let variable = Some(Bearer::Variable("T".to_owned()));
    let launch = Launch::Url { url: "http://127.0.0.1:1/mcp".to_owned(), bearer: variable };
    let error = put("", "lm-studio", launch).expect_err("no variable");
    assert_eq!(error.to_string(), "LM Studio does not replace variables in a header");
    assert!(error.hint().is_some());
}

#[test]
fn the_guides_context_provider_is_written_where_a_model_has_such() {
    let guide = r#"{
  "models": [{
    "title": "Claude with External Models",
    "provider": "anthropic",
    "contextProviders": [{
      "name": "mcp-orchestrator",
      "params": {
        "command": "docker run --rm -i --env-file /path/to/.env mcp-orchestrator:latest python -m src.mcp_server"
      }
    }]
  }]
}
"#;
    assert!(matches!(put(guide, "continue-json", stdio()), Err(EditError::NotOurs { .. })));
    let new = text_of(change(guide.as_bytes(), row("continue-json"), &put_change(stdio(), true)));
    insta::assert_snapshot!(new.expect("an edit"));
}

#[test]
fn lines_end_as_the_file_ends_them_and_its_last_one_as_it_did() {
    for (id, text) in [
        ("cursor", "{\r\n  \"mcpServers\": {\r\n    \"a\": {}\r\n  }\r\n}"),
        ("goose", "extensions:\r\n  a:\r\n    type: builtin\r\nb: 1"),
        ("goose", "b: 1\r\nextensions:\r\n  a:\r\n    type: builtin"),
        ("continue", "mcpServers:\r\n- name: a"),
        ("codex", "a = 1\r\n[mcp_servers.x]\r\ncommand = 'y'"),
    ] {
        let new = put(text, id, stdio()).expect(id);
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
        assert!(!new.ends_with('\n'), "{new:?}");
        assert_eq!(remove(&new, id).as_deref(), Ok(text));
    }
}

#[test]
fn characters_of_more_than_one_byte_move_nothing() {
    for (id, text) in [
        (
            "goose",
            "größe: \"日本語 😀\" # ünï\nextensions:\n  \"é\":\n    type: builtin # ß\n\"x😀\": ['ü']\n",
        ),
        ("cursor", "{ /* 😀 */ \"ü\": \"日本\",\n \"mcpServers\": {\"ß\": {}} }"),
        ("codex", "# ü😀\n[mcp_servers.\"ß\"]\ncommand = '日本' # é\n"),
    ] {
        let new = put(text, id, stdio()).expect(id);
        assert_eq!(remove(&new, id).as_deref(), Ok(text));
    }
}

#[test]
fn a_value_of_any_text_is_read_back_as_it_was_put() {
    let odd = [
        "",
        " ",
        "a: b",
        "# c",
        "yes",
        "1",
        "null",
        "\"'\\",
        "\t\n\r\u{7f}\u{85}\u{2028}\u{feff}",
        "😀",
        "%x",
        "--",
        "- a",
        "${A}",
        "{{x}}",
    ];
    let launch = Launch::Stdio {
        command: "mcpo-deploy".to_owned(),
        args: odd.iter().map(|text| (*text).to_owned()).chain(["run".to_owned()]).collect(),
        env: [("A B".to_owned(), Secret::new("x: y")), ("yes".to_owned(), Secret::new(""))].into(),
    };
    for (client, file, text) in super::theirs() {
        let new = put(&text, client.id(), launch.clone()).expect(&file);
        assert_eq!(read(new.as_bytes(), client, NAME), Ok(Some(launch.clone())), "{file}");
    }
}
