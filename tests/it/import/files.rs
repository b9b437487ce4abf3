//! Whole files.

use std::fmt::Write as _;

use super::{problems, read, read_from, told};

#[test]
fn the_guides_files_become_the_deployments_that_they_mean() {
    let texts = [
        ("guide_bridge", include_str!("files/guide-bridge.yml")),
        ("guide_full_stack", include_str!("files/guide-full-stack.yml")),
        ("guide_run", include_str!("files/guide-run.txt")),
    ];
    for (name, text) in texts {
        let imported = read(text).expect(name);
        assert_eq!(problems(&imported), [""; 0], "{name}");
        insta::assert_snapshot!(name, told(&imported));
    }
}

#[test]
fn files_of_all_kinds_are_read_as_compose_reads_them() {
    let texts = [
        ("hardened", include_str!("files/hardened.yml")),
        ("long", include_str!("files/long.yml")),
        ("nasty", include_str!("files/nasty.yml")),
    ];
    for (name, text) in texts {
        let imported = read(text).expect(name);
        assert_eq!(problems(&imported), [""; 0], "{name}");
        insta::assert_snapshot!(name, told(&imported));
    }
}

#[test]
fn of_many_services_the_server_and_its_application_are_taken_and_no_secret_is() {
    let imported =
        read_from(include_str!("files/python-server.yml"), "/demo/compose", "/demo").expect("a file");
    assert_eq!(problems(&imported), [""; 0]);
    let told = told(&imported);
    for secret in ["THISISASECRET", "hunter2", "abc"] {
        assert!(!told.contains(secret), "{told}");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_file_that_is_already_as_hardened_has_no_gap() {
    let text = include_str!("files/hardened.yml");
    assert_eq!(read(text).expect("a file").gaps, []);
}

#[test]
fn what_is_neither_or_broken_is_refused_with_its_line() {
    let long = format!("services:\n{}", "  a: [".repeat(40));
    for (text, message) in [
        ("", "theirs:1: this is neither a compose file (there is no `services:`) nor a `docker run` line"),
        (
            "hello world",
            "theirs:1: this is neither a compose file (there is no `services:`) nor a `docker run` line",
        ),
        (
            "it's\n",
            "theirs:1: this is neither a compose file (there is no `services:`) nor a `docker run` line",
        ),
        ("services: [a]\n", "theirs:1: `services` must be a map of services"),
        ("services:\n", "theirs:1: `services` must be a map of services"),
        ("services: {}\n", "theirs:1: there are no services in it"),
        (
            "services:\n  db: {image: postgres}\n  web: {image: nginx}\n",
            "theirs:2: none of the services looks like an MCP server or a bridge: db, web",
        ),
        ("docker run -i --rm\n", "theirs:1: the `docker run` line names no image"),
        ("\ndocker run 'a\n", "theirs:2: the quote that opens here is never closed"),
    ] {
        assert_eq!(read(text).expect_err(text).to_string(), message, "{text}");
    }
    for text in ["services:\n  a: *nobody\n", &long] {
        assert!(read(text).expect_err(text).to_string().starts_with("theirs:2: "), "{text}");
    }
}

#[test]
fn aliases_of_aliases_cost_little_and_are_bounded() {
    let mut text = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..40 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} {{<<: [{below}]}}");
    }
    text.push_str("services:\n  mcp: {image: x, environment: {<<: *a39}}\n");
    assert!(read(&text).is_ok());
}
