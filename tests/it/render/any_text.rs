//! Any text in a description comes out as that same text and nothing else.

use std::collections::BTreeMap;

use mcpo_deploy::config::{LogPlace, Stack};
use mcpo_deploy::model::Secret;
use mcpo_deploy::plan::{Container, Desired, MountSource, Profile};
use proptest::prelude::*;
use serde_yaml::Value;

use super::{With, image, of, stack, text};

/// Texts that have broken templates before, and any other.
fn any_text() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just("a\n    privileged: true\n    x: ".to_owned()),
        Just("\"\n    privileged: true\n#".to_owned()),
        Just("' || true #".to_owned()),
        Just("{{ service.user }}{% if %}".to_owned()),
        Just("${HOME} $HOME $$HOME $".to_owned()),
        Just("!!python/object:os.system".to_owned()),
        Just("&anchor *alias <<".to_owned()),
        Just("yes".to_owned()),
        Just("0x1f".to_owned()),
        Just("1e3".to_owned()),
        Just("12:30:45".to_owned()),
        Just("2001-01-01".to_owned()),
        Just("- a\n- b".to_owned()),
        Just(" leading and trailing ".to_owned()),
        Just("\u{2028}\u{feff}\u{7f}\u{85}\u{202e}\u{fffe}".to_owned()),
        Just("x".repeat(10_240)),
        Just("\u{1f600}\u{10ffff}".to_owned()),
    ];
    prop_oneof![nasty, any::<String>(), "[ -~]{0,30}"].prop_map(|text| text.replace('\0', ""))
}

prop_compose! {
    fn any_stack()(
        values in prop::collection::vec(any_text(), 4),
        command in prop::collection::vec(any_text().prop_filter("a word", |word| !word.is_empty()), 0..4),
        folder in "[^\0/]{1,30}".prop_filter("a name", |name| name != "." && name != ".."),
        dockerfile in "[a-zA-Z ${}'\"#:-]{1,20}",
        name in "[a-z][a-z0-9]{0,20}",
    ) -> Stack {
        let mut stack = stack(&[("app.image", "shop/web"), ("app.build.context", "/"), ("app.build.dockerfile", "etc/passwd")]);
        let variables = |values: &[String]| -> BTreeMap<String, Secret> {
            values.iter().enumerate().map(|(index, value)| (format!("V{index}"), Secret::new(value.clone()))).collect()
        };
        stack.orchestrator.environment = variables(&values[..2]);
        stack.orchestrator.command.clone_from(&command);
        stack.orchestrator.env_file.as_mut().expect("an env file").path = stack.folder.join(&folder);
        stack.logs.place = LogPlace::Folder(stack.folder.join(&folder));
        stack.bridge.image = image(&name);
        let app = stack.app.as_mut().expect("an app");
        app.environment = variables(&values[2..]);
        app.command = command;
        app.source = mcpo_deploy::config::Source::Context { context: format!("/srv/demo/{folder}").into(), dockerfile };
        stack
    }
}

/// What Compose makes of a scalar.
fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text")).replace("$$", "$")
}

fn list(service: &Value, key: &str) -> Vec<String> {
    service
        .get(key)
        .map(|items| items.as_sequence().expect(key).iter().map(plain).collect())
        .unwrap_or_default()
}

/// A service that was read back says what its container does, key by key, and has no other key.
fn assert_same(service: &Value, container: &Container) {
    const KEYS: [&str; 28] = [
        "image",
        "build",
        "pull_policy",
        "profiles",
        "depends_on",
        "command",
        "env_file",
        "environment",
        "user",
        "read_only",
        "tmpfs",
        "cap_drop",
        "cap_add",
        "security_opt",
        "mem_limit",
        "memswap_limit",
        "cpus",
        "pids_limit",
        "init",
        "stdin_open",
        "restart",
        "stop_grace_period",
        "logging",
        "networks",
        "network_mode",
        "ports",
        "volumes",
        "labels",
    ];
    for key in service.as_mapping().expect("a service").keys() {
        assert!(KEYS.contains(&key.as_str().expect("a key")), "{key:?}");
    }
    assert_eq!(plain(&service["image"]), container.image.to_string());
    assert_eq!(list(service, "command"), container.command);
    assert_eq!(plain(&service["user"]), container.user.to_string());
    assert_eq!(service["read_only"], Value::Bool(container.read_only));
    assert_eq!(list(service, "cap_drop"), ["ALL"]);
    let environment = container.environment.iter().map(|(key, value)| format!("{key}={}", value.expose()));
    assert_eq!(list(service, "environment"), environment.collect::<Vec<_>>());
    let mounts: Vec<(String, String)> = service
        .get("volumes")
        .map(|mounts| {
            mounts
                .as_sequence()
                .expect("mounts")
                .iter()
                .map(|mount| (plain(&mount["source"]), plain(&mount["target"])))
                .collect()
        })
        .unwrap_or_default();
    let expected: Vec<(String, String)> = container
        .mounts
        .iter()
        .map(|mount| match &mount.source {
            MountSource::Folder(path) => {
                (format!("../{}", path.file_name().expect("a name").to_string_lossy()), mount.target.clone())
            }
            MountSource::Volume(name) => panic!("a volume {name}"),
        })
        .collect();
    assert_eq!(mounts, expected);
}

fn assert_all_same(desired: &Desired, profile: Profile, text: &str) {
    let document: Value = serde_yaml::from_str(text).expect("YAML");
    assert_eq!(plain(&document["name"]), desired.project.to_string());
    let keys: Vec<&str> = document.as_mapping().expect("a map").keys().filter_map(Value::as_str).collect();
    assert!(keys.iter().all(|key| ["name", "services", "networks", "volumes"].contains(key)), "{keys:?}");
    let services = document["services"].as_mapping().expect("services");
    let stdio = (profile != Profile::Bridge).then_some(&desired.stdio);
    let containers: Vec<&Container> = desired.containers.iter().chain(stdio).collect();
    assert_eq!(services.len(), containers.len());
    for container in containers {
        let service = &services[container.service.name()];
        assert_same(service, container);
        if let Some(build) = desired.builds.get(&container.service) {
            assert_eq!(plain(&service["build"]["dockerfile"]), build.dockerfile);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_description_says_is_read_back_as_it_was(stack in any_stack()) {
        for profile in [Profile::Bridge, Profile::FullStack, Profile::BuildOnly] {
            let text = text(&stack, profile, &With::default());
            assert_all_same(&of(&stack, profile), profile, &text);
        }
    }
}
