//! Anything at all.

use std::fmt::Write as _;

use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::{problems, read, told};

const SECRET: &str = "sk-proj-Zq8T5vYw1uR7xK3n";

/// A value that somebody could have written, with or without a secret in it.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,30}".boxed(),
        any::<String>().boxed(),
        "[a-z0-9:/.,=$\\{\\}-]{0,24}".boxed(),
        proptest::sample::select(vec![
            "true",
            "-1",
            "0",
            "1.5g",
            "8765:8765",
            "127.0.0.1:1:2",
            "./x:/app/logs",
            "/var/run/docker.sock:/s",
            "root",
            "1000:1000",
            "${A}",
            "${A:-b}",
            "$$",
            "unconfined",
            "ALL",
            "host",
            "none",
            "/tmp",
            "seccomp=./p.json",
            "a=b",
            SECRET,
            "5000:5000",
            "8765",
            "python -m src.mcp_server",
            "/app/logs",
            "65535-1:2",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    ]
}

const KEYS: [&str; 34] = [
    "image",
    "build",
    "command",
    "entrypoint",
    "env_file",
    "environment",
    "user",
    "read_only",
    "tmpfs",
    "cap_add",
    "cap_drop",
    "security_opt",
    "privileged",
    "mem_limit",
    "memswap_limit",
    "cpus",
    "pids_limit",
    "deploy",
    "ports",
    "volumes",
    "networks",
    "network_mode",
    "restart",
    "logging",
    "pid",
    "ipc",
    "devices",
    "stdin_open",
    "profiles",
    "depends_on",
    "labels",
    "healthcheck",
    "x-y",
    "nonsense",
];

const OPTIONS: [&str; 28] = [
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--mount",
    "-p",
    "-m",
    "--cpus",
    "--pids-limit",
    "-u",
    "--read-only",
    "--tmpfs",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--privileged",
    "--network",
    "--pid",
    "--restart",
    "--log-opt",
    "--device",
    "-it",
    "--name",
    "--frobnicate",
    "--",
    "-w",
    "--memory-swap",
    "-l",
];

fn assert_sound(text: &str) {
    let Ok(imported) = read(text) else { return };
    assert_eq!(problems(&imported), [""; 0], "{text}\n---\n{}", imported.text);
    assert!(!told(&imported).contains(SECRET), "{text}\n---\n{}", told(&imported));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_a_compose_file_says_the_result_resolves_and_holds_no_secret(
        services in proptest::collection::vec(
            proptest::collection::vec((0..KEYS.len(), proptest::collection::vec(value(), 1..4), any::<bool>()), 0..10), 1..4),
        name in value(),
    ) {
        let mut text = format!("name: {}\nservices:\n", serde_json::json!(name));
        for (at, keys) in services.iter().enumerate() {
            let name = ["mcp-server", "mcp-bridge", "app", "db"][at];
            let _ = writeln!(text, "  {name}:\n    x-z: 1");
            for (key, values, list) in keys {
                let value = if *list { serde_json::json!(values) } else { serde_json::json!(values[0]) };
                let _ = writeln!(text, "    {}: {value}", KEYS[*key]);
            }
        }
        assert_sound(&text);
    }

    #[test]
    fn a_variable_that_is_a_secret_is_told_by_its_name_alone(name in "[A-Z]{1,8}_(KEY|TOKEN|PASSWORD)", value in "[!-~]{6,40}") {
        let unlike = |text: &str| !text.contains(&value);
        let yaml = serde_json::json!({"services": {"mcp": {"image": "zz", "environment": {&*name: value.replace('$', "$$")}}}});
        let told = told(&read(&yaml.to_string()).expect("a file"));
        // A value that is a word of ours proves nothing.
        let base = super::told(&read(&yaml.to_string().replace(&serde_json::json!(value.replace('$', "$$")).to_string(), "\"\"")).expect("a file"));
        assert!(unlike(&told) || !unlike(&base), "{told}");
        assert!(told.contains(&name));
    }

    #[test]
    fn whatever_a_line_says_the_result_resolves_and_holds_no_secret(
        options in proptest::collection::vec((0..OPTIONS.len(), value(), any::<bool>()), 0..10), image in value(),
    ) {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut text = "docker run".to_owned();
        for (option, value, joined) in &options {
            let between = if *joined { '=' } else { ' ' };
            let _ = write!(text, " {}{between}{}", OPTIONS[*option], quoted(value));
        }
        // An image that is a secret by itself is no value of a variable.
        let image = if image.contains(SECRET) { "mcp/x".to_owned() } else { image };
        let _ = write!(text, " {} mcp/x {}", quoted(&image), quoted("serve"));
        assert_sound(&text);
    }

    #[test]
    fn nothing_makes_it_panic(text in "(services:|docker run|[ a-z:#&*!\\[\\]{},\"'|>%@?<$()`\\\\\n-]){0,60}", any in any::<String>()) {
        for text in [text.clone(), any.clone(), format!("services:\n{text}"), format!("docker run {any}")] {
            let _ = read(&text);
        }
    }
}
