//! What every container is confined to, and where that is weaker than it could be.

use std::collections::BTreeSet;

use mcpo_deploy::config::{DECIDED, Stack};
use mcpo_deploy::model::{Cpus, Secret, User, label};
use mcpo_deploy::plan::{
    Container, Images, MountSource, Profile, Redactor, Restart, Service, config_hash, desired, deviations,
};

use super::rig::{desired_on, machine, observed, stack};

const FULL: &[(&str, &str)] = &[("app.image", "shop/web"), ("app.ports", "{8080: 80}")];

/// Every container of a description, the one for verifications last.
fn containers(stack: &Stack) -> Vec<Container> {
    let profile = if stack.app.is_some() { Profile::FullStack } else { Profile::Bridge };
    let desired = desired_on(stack, profile, &observed(stack)).expect("a desired state");
    desired.containers.into_iter().chain([desired.stdio]).collect()
}

#[test]
fn every_container_is_hardened_alike() {
    for container in containers(&stack(FULL)) {
        let name = &container.name;
        assert!(container.read_only && container.no_new_privileges, "{name}");
        assert_eq!(container.cap_add, BTreeSet::new(), "{name}");
        assert_eq!(container.seccomp, None, "{name}");
        assert_eq!(container.user, User::NONROOT, "{name}");
        assert!(container.memory.is_some() && container.cpus.is_some() && container.pids.is_some(), "{name}");
        assert!(container.tmpfs.values().all(|options| options.contains("noexec,nosuid,nodev")), "{name}");
        assert!(container.ports.iter().all(|port| port.address.is_loopback()), "{name}");
        assert_eq!(container.network, "demo_mcp", "{name}");
        assert!(!container.labels.contains_key(label::COMPOSE_CONFIG_HASH), "the engine adds it: {name}");
    }
}

#[test]
fn a_whole_description_has_one_desired_state() {
    let settings = [
        ("orchestrator.environment.OPENAI_API_KEY", "sk-SECRET"),
        ("app.image", "shop/web"),
        ("app.command", "[serve, --all]"),
        ("app.environment.TOKEN", "SECRET"),
        ("app.ports", "{8080: 80}"),
    ];
    let shown = format!("{:#?}", containers(&stack(&settings)));
    assert!(!shown.contains("SECRET"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn cpus_are_lowered_to_what_the_engine_has_and_it_is_said() {
    let stack = stack(&[("hardening.cpus", "16")]);
    let desired = desired(&stack, Profile::Bridge, &machine(), Images::default()).expect("a desired state");
    assert_eq!(desired.containers[0].cpus, Some(Cpus::whole(4)));
    assert_eq!(desired.notes, ["cpus lowered from 16 to 4: the engine has no more"]);
}

#[test]
fn the_user_is_the_one_asked_for_else_the_images_own_else_nobody_in_particular() {
    let of = |settings: &[(&str, &str)], image_user: &str| {
        let stack = stack(settings);
        let mut engine = observed(&stack);
        for facts in engine.images.values_mut() {
            facts.user = image_user.to_owned();
        }
        desired_on(&stack, Profile::Bridge, &engine).expect("a desired state").containers[0].user
    };
    assert_eq!(of(&[("hardening.user", "7:8")], "1000:1000"), User { uid: 7, gid: 8 });
    assert_eq!(of(&[], "1000:1000"), User { uid: 1000, gid: 1000 });
    for root_or_unknown in ["", "0", "0:0", "root", "somebody"] {
        assert_eq!(of(&[], root_or_unknown), User::NONROOT, "{root_or_unknown}");
    }
}

#[test]
fn each_user_has_a_log_volume_of_its_own_since_the_first_writer_owns_it() {
    let volume = |settings: &[(&str, &str)]| match &containers(&stack(settings))[0].mounts[0].source {
        MountSource::Volume(name) => name.clone(),
        other @ MountSource::Folder(_) => panic!("{other:?}"),
    };
    assert_eq!(volume(&[]), "demo_mcp-logs");
    assert_eq!(volume(&[("hardening.user", "1000:1000")]), "demo_mcp-logs-1000");
}

#[test]
fn the_server_for_one_client_ends_with_it_and_the_services_come_back() {
    for container in containers(&stack(FULL)) {
        let for_one = container.service == Service::Orchestrator;
        assert_eq!(container.restart == Restart::Never, for_one, "{}", container.name);
        assert_eq!(container.interactive, for_one, "{}", container.name);
        assert_eq!(container.ports.is_empty(), for_one, "{}", container.name);
        let role = if for_one { label::ROLE_PROBE } else { label::ROLE_SERVICE };
        assert_eq!(container.labels[label::ROLE], role);
        assert_eq!(container.labels[label::COMPOSE_ONEOFF], if for_one { "True" } else { "False" });
    }
}

#[test]
fn without_a_network_only_the_bridge_keeps_one() {
    let settings: Vec<_> = FULL.iter().copied().chain([("hardening.network", "none")]).collect();
    let found: Vec<_> = containers(&stack(&settings))
        .into_iter()
        .map(|container| (container.service, container.network))
        .collect();
    let named = |service, network: &str| (service, network.to_owned());
    assert_eq!(
        found,
        [
            named(Service::Bridge, "demo_mcp"),
            named(Service::App, "none"),
            named(Service::Orchestrator, "none")
        ]
    );
}

#[test]
fn variables_that_are_set_by_name_beat_the_env_files() {
    let mut stack = stack(&[("orchestrator.environment.A", "named"), ("app.image", "x")]);
    let file = stack.orchestrator.env_file.as_mut().expect("an env file");
    file.variables =
        [("A", "file"), ("B", "file")].map(|(key, value)| (key.to_owned(), value.to_owned().into())).into();
    let containers = containers(&stack);
    for container in [&containers[0], &containers[2]] {
        let value = |key: &str| container.environment[key].expose();
        assert_eq!((value("A"), value("B")), ("named", "file"), "{}", container.name);
    }
    // The application gets none of the server's keys, only where to find it.
    let app: Vec<_> =
        containers[1].environment.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    assert_eq!(app, [("MCP_ORCHESTRATOR_URL", "ws://mcp-bridge:8765")]);
}

#[test]
fn a_hash_follows_every_field_and_nothing_else() {
    let base = containers(&stack(FULL));
    assert_eq!(
        base.iter().map(config_hash).collect::<Vec<_>>(),
        containers(&stack(FULL)).iter().map(config_hash).collect::<Vec<_>>()
    );
    for setting in [
        ("hardening.memory", "3g"),
        ("hardening.read_only", "false"),
        ("orchestrator.environment.A", "1"),
        ("logs.max_files", "9"),
        ("bridge.max_connections", "7"),
    ] {
        let settings: Vec<_> = FULL.iter().copied().chain([setting]).collect();
        assert_ne!(config_hash(&containers(&stack(&settings))[0]), config_hash(&base[0]), "{setting:?}");
    }
}

#[test]
fn what_is_weaker_than_the_strictest_reading_is_listed_by_name() {
    let by_default: Vec<_> =
        deviations(&stack(&[])).into_iter().map(|found| (found.id, found.asked)).collect();
    assert_eq!(by_default, [("cis-5.15", false)]);
    let weak = stack(&[
        ("hardening.read_only", "false"),
        ("hardening.user", "0:0"),
        ("hardening.tmpfs", "{/tmp: \"exec,suid,dev,size=1m\", /run: \"exec,noexec\", /x: \"nodev,dev\"}"),
        ("hardening.cap_add", "CHOWN"),
        ("hardening.no_new_privileges", "false"),
        ("hardening.seccomp", "unconfined"),
        ("hardening.memory", "unlimited"),
        ("hardening.cpus", "unlimited"),
        ("hardening.pids", "unlimited"),
        ("hardening.network", "lan"),
        ("hardening.accept_unenforced", "swap,pids"),
        ("bridge.address", "0.0.0.0"),
        ("bridge.insecure", "true"),
    ]);
    let told: Vec<String> = deviations(&weak)
        .into_iter()
        .map(|found| format!("{} ({}): {}", found.id, found.asked, found.what))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn that_the_bridge_keeps_a_network_where_none_was_asked_for_is_said_with_its_reason() {
    let stack = stack(&[("hardening.network", "none")]);
    let found = deviations(&stack);
    let named = found.iter().find(|deviation| deviation.id == "bridge-network").expect("a deviation");
    assert!(named.what.contains("publishes no port of a container without one"), "{named:?}");
    let desired = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state");
    assert_eq!(desired.notes, [named.what.as_str()]);
    let images = desired_on(&stack, Profile::BuildOnly, &observed(&stack)).expect("a desired state");
    assert_eq!(images.notes, [""; 0]);
}

#[test]
fn what_a_server_says_is_shown_without_the_values_that_it_was_given() {
    let mut stack = stack(&[]);
    for (key, value) in [("OPENAI_API_KEY", "sk-123456"), ("LONGER", "sk-123456-789"), ("LEVEL", "info")] {
        stack.orchestrator.environment.insert(key.to_owned(), Secret::new(value));
    }
    let stdio = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state").stdio;
    let said = "info: /app/logs: bad key sk-123456-789 or sk-123456";
    assert_eq!(stdio.redacted(said), "info: /app/logs: bad key [secret] or [secret]");
}

#[test]
fn a_value_is_hidden_whatever_its_name_and_without_the_quotes_that_an_env_file_keeps() {
    let mut stack = stack(&[]);
    for (key, value) in [
        ("MCP_SERVER_TOKEN", "tok-123456"),
        ("MCPO_LIKE", "like-123456"),
        ("QUOTED", "\"quo-123456\""),
        ("SINGLE", " 'sin-123456' "),
        ("ODD", r#"odd"\123456"#),
        ("LINES", "-----BEGIN\nkey-123456\n"),
    ] {
        stack.orchestrator.environment.insert(key.to_owned(), Secret::new(value));
    }
    let desired = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state");
    for container in desired.containers.iter().chain([&desired.stdio]) {
        let redactor = Redactor::of(container);
        for said in [
            "tok-123456",
            "like-123456",
            "quo-123456",
            "'quo-123456'",
            "sin-123456",
            r#"odd"\123456"#,
            r#"{"key":"odd\"\\123456"}"#,
            "key-123456",
        ] {
            let shown = redactor.redacted(said);
            assert!(shown.contains("[secret]") && !shown.contains("123456"), "{said}: {shown}");
        }
        // What we set ourselves is a setting.
        assert_eq!(redactor.redacted("/app/logs: full"), "/app/logs: full");
    }
}

/// The application of a description with these settings besides, which starts containers itself.
fn spawning(settings: &[(&str, &str)]) -> Container {
    let settings: Vec<_> = FULL.iter().chain(&[("app.spawns", "true")]).chain(settings).copied().collect();
    let mut stack = stack(&settings);
    if let Some(file) = &mut stack.orchestrator.env_file {
        file.variables = [("OPENAI_API_KEY", "sk-SECRET"), ("MODEL", "large")]
            .map(|(key, value)| (key.to_owned(), Secret::new(value)))
            .into();
    }
    containers(&stack).into_iter().find(|container| container.service == Service::App).expect("an app")
}

#[test]
fn an_application_that_starts_the_server_has_its_whole_line_and_what_the_line_passes_on() {
    let app = spawning(&[("orchestrator.environment", "{API_TOKEN: t0k3n, LANG: C}")]);
    let line = app.environment["MCP_ORCHESTRATOR_COMMAND"].expose();
    assert!(!line.contains("SECRET") && !line.contains("t0k3n"), "{line}");
    insta::assert_snapshot!(line.replace(" --", "\n  --"));
    let given = |key: &str| app.environment.get(key).map(Secret::expose);
    assert_eq!(given("OPENAI_API_KEY"), Some("sk-SECRET"));
    assert_eq!(given("API_TOKEN"), Some("t0k3n"));
    assert_eq!((given("LANG"), given("MCPO_LOG_DIR")), (None, None), "these are in the line");
    assert!(app.origins.from_file.contains("OPENAI_API_KEY") && app.origins.env_file.is_some());
    assert!(app.mounts.is_empty(), "the engine's socket is nobody's");
}

#[test]
fn no_file_of_the_host_s_is_in_the_line_since_it_is_not_in_the_application() {
    let app = spawning(&[("logs.folder", "/srv/demo/logs")]);
    let line = app.environment["MCP_ORCHESTRATOR_COMMAND"].expose();
    assert!(!line.contains("/srv/demo") && !line.contains(".env"), "{line}");
}

#[test]
fn the_line_is_the_same_whatever_the_env_file_says() {
    let line = |app: &Container| app.environment["MCP_ORCHESTRATOR_COMMAND"].expose().to_owned();
    let without = containers(&stack(&[FULL[0], ("app.spawns", "true")]));
    let without = without.iter().find(|container| container.service == Service::App).expect("an app");
    assert!(!without.environment.contains_key("MODEL"));
    assert_eq!(line(&spawning(&[])), line(without));
}

#[test]
fn a_line_of_the_application_s_own_stays() {
    let app = spawning(&[("app.environment", "{MCP_ORCHESTRATOR_COMMAND: mine, MODEL: small}")]);
    assert_eq!(app.environment["MCP_ORCHESTRATOR_COMMAND"].expose(), "mine");
    assert_eq!(app.environment["MODEL"].expose(), "small");
    assert!(!app.origins.from_file.contains("MODEL") && !app.spawns());
}

#[test]
fn what_an_application_needs_to_start_containers_and_what_its_line_leaves_out_is_said() {
    let mut stack = stack(&[("app.image", "shop/web"), ("app.spawns", "true")]);
    let file = stack.orchestrator.env_file.as_mut().expect("an env file");
    file.variables =
        ["MODEL", "OPENAI_API_KEY", "REGION"].map(|key| (key.to_owned(), Secret::new("x"))).into();
    let desired = desired_on(&stack, Profile::FullStack, &observed(&stack)).expect("a desired state");
    insta::assert_snapshot!(desired.notes.join("\n"));
}

#[test]
fn what_settings_decide_is_the_same_whatever_variables_of_that_name_say() {
    let plain =
        stack(&[("orchestrator.command", "[serve]"), ("bridge.allowed_origins", "[https://a.example]")]);
    let variables = DECIDED.map(|(name, _)| (name.to_owned(), Secret::new("contrary")));
    let mut by_name = plain.clone();
    by_name.orchestrator.environment = variables.clone().into();
    let mut contrary = plain.clone();
    contrary.orchestrator.env_file.as_mut().expect("an env file").variables = variables.into();
    for (plain, by_name) in containers(&plain).into_iter().zip(containers(&by_name)) {
        for (name, _) in DECIDED.iter().filter(|(name, _)| plain.origins.settings.contains(*name)) {
            assert_eq!(plain.environment[*name], by_name.environment[*name], "{name}");
        }
    }
    for (plain, contrary) in containers(&plain).into_iter().zip(containers(&contrary)) {
        for (name, _) in DECIDED.iter().filter(|(name, _)| plain.origins.settings.contains(*name)) {
            assert_eq!(plain.environment[*name], contrary.environment[*name], "{name}");
            assert!(contrary.origins.settings.contains(*name), "{name}");
            assert!(!contrary.origins.from_file.contains(*name), "it is written besides the file: {name}");
        }
    }
}

#[test]
fn a_secret_is_known_by_its_value_too_and_one_in_a_command_is_told() {
    let settings = [
        (
            "orchestrator.environment",
            "{DATABASE: \"postgres://u:hunter2@db/x\", MODE: \"sk-proj-abcdef\", LEVEL: info}",
        ),
        ("orchestrator.command", "[serve, \"--token=ghp_abcdefgh\"]"),
    ];
    let stack = stack(&settings);
    let desired = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state");
    for container in desired.containers.iter().chain([&desired.stdio]) {
        let asked: Vec<&str> =
            ["DATABASE", "MODE", "LEVEL"].into_iter().filter(|name| container.asks_for(name)).collect();
        assert_eq!(asked, ["DATABASE", "MODE"]);
    }
    insta::assert_snapshot!(desired.notes.join("\n"));
}
