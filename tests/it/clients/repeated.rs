//! YAML that is valid, and that an edit would change more of than our entry.

use mcpo_deploy::clients::EditError;

use super::{put, remove, stdio};

/// An edit of what others repeat by an alias changes theirs, though not a byte of it.
#[test]
fn what_is_repeated_elsewhere_by_an_alias_is_not_edited() {
    let ours = "type: stdio\n    cmd: mcpo-deploy\n    args: [run, -p]";
    for (id, text) in [
        ("goose", format!("extensions:\n  mcp-orchestrator: &base\n    {ours}\n  b:\n    <<: *base\n    name: b\n")),
        ("goose", format!("extensions: &all\n  mcp-orchestrator:\n    {ours}\nb: *all\n")),
        ("goose", "extensions: &all\n  a: {type: builtin}\nb: *all\n".to_owned()),
        ("goose", "extensions: &all {a: {type: builtin}}\nb: *all\n".to_owned()),
        (
            "goose",
            "extensions:\n  mcp-orchestrator:\n    cmd: mcpo-deploy\n    args: &args [run, -p]\n  b:\n    args: *args\n"
                .to_owned(),
        ),
        (
            "continue",
            "mcpServers:\n- &base\n  name: mcp-orchestrator\n  command: mcpo-deploy\n  args: [run, -p]\n- <<: *base\n  name: b\n"
                .to_owned(),
        ),
    ] {
        for result in [put(&text, id, stdio()), remove(&text, id)] {
            // Nothing is there to be removed from two of them.
            let untouched = result.as_ref().is_ok_and(|new| *new == text);
            assert!(untouched || matches!(result, Err(EditError::Unusual { .. })), "{text}\n{result:?}");
        }
        assert!(put(&text, id, stdio()).is_err(), "{text}");
    }
    // A name that is repeated can stay, and cannot go.
    let text = format!("extensions:\n  &key mcp-orchestrator:\n    {ours}\nb: *key\n");
    assert!(put(&text, "goose", stdio()).is_ok_and(|new| new.ends_with("\nb: *key\n")));
    assert!(matches!(remove(&text, "goose"), Err(EditError::Unusual { .. })));
    // One that nobody repeats is only a name.
    let text = "extensions: &all\n  a: {type: builtin}\n";
    assert!(put(text, "goose", stdio()).is_ok());
    let text = "x: &x 1\nextensions:\n  a: {timeout: *x}\n";
    assert!(put(text, "goose", stdio()).is_ok());
}

#[test]
fn a_document_that_ends_by_its_own_word_is_refused_and_no_bug() {
    for text in [
        "---\n...\n",
        "{}:",
        "{&*}",
        "&&{}",
        "...\n",
        "# a\n---\n# b\n...\n# c\n",
        "--- !x\n",
        "--- &x\n",
        "%YAML 1.2\n---\n...\n",
    ] {
        for id in ["goose", "continue"] {
            if let Err(error) = put(text, id, stdio()) {
                assert!(!matches!(error, EditError::Bug { .. }), "{id} {text:?}: {error}");
            }
        }
    }
    assert!(put("--- {} # c\n", "goose", stdio()).is_ok_and(|new| new.ends_with(" # c\n")));
    let error = put("---\n...\n", "goose", stdio()).expect_err("refused");
    assert!(matches!(error, EditError::Unusual { .. }), "{error}");
}
