//! The files as people see them.

use mcpo_deploy::plan::{Profile, Service};
use mcpo_deploy::render::{Generation, Seal, seal_of};

use super::{With, rendered, stack, text};

pub(super) const APP: [(&str, &str); 3] =
    [("app.image", "shop/web:1.2"), ("app.ports", "{8080: 80}"), ("app.environment", "{LANG: C}")];

/// Every setting that a file can show, each another than by default.
pub(super) const EVERYTHING: [(&str, &str); 25] = [
    ("project", "shop"),
    ("orchestrator.command", "[serve, --verbose]"),
    ("orchestrator.env_file", "none"),
    ("orchestrator.environment", "{LANG: C, API_TOKEN: t0k3n, PASSED: }"),
    ("hardening.read_only", "false"),
    ("hardening.tmpfs", "{/tmp: \"size=1m\", /run/app: \"exec,size=2m\"}"),
    ("hardening.user", "1000:1001"),
    ("hardening.cap_add", "[NET_BIND_SERVICE]"),
    ("hardening.no_new_privileges", "false"),
    ("hardening.seccomp", "unconfined"),
    ("hardening.memory", "512m"),
    ("hardening.cpus", "0.5"),
    ("hardening.pids", "64"),
    ("hardening.network", "shared"),
    ("logs.volume", "records"),
    ("logs.mount", "/var/log/app"),
    ("logs.max_size", "1m"),
    ("logs.max_files", "5"),
    ("bridge.websocket_port", "9001"),
    ("bridge.rest_port", "9002"),
    ("bridge.address", "127.0.0.2"),
    ("bridge.max_connections", "8"),
    ("bridge.max_children", "4"),
    ("bridge.allowed_origins", "[https://app.example]"),
    ("app.image", "shop/web"),
];

#[test]
fn the_defaults() {
    let bare = stack(&[]);
    insta::assert_snapshot!("bridge", text(&bare, Profile::Bridge, &With::default()));
    insta::assert_snapshot!("build_only", text(&bare, Profile::BuildOnly, &With::default()));
    insta::assert_snapshot!("full_stack", text(&stack(&APP), Profile::FullStack, &With::default()));
}

#[test]
fn everything_changed() {
    let file = rendered(&stack(&EVERYTHING), Profile::FullStack, &With::default()).expect("a file");
    insta::assert_snapshot!("everything", file.text);
    let asked = "API_TOKEN is asked for where the file is used: set it in the environment or in the .env beside the file";
    assert_eq!(file.notes, [asked]);
}

#[test]
fn what_is_built_from_a_checkout_is_built_from_there() {
    let with = With { checkout: Some("/srv/demo"), ..With::default() };
    let file = text(&stack(&[]), Profile::BuildOnly, &with);
    assert!(file.contains("    build:\n      context: ..\n      dockerfile: Dockerfile.bridge\n"), "{file}");
    assert!(file.contains("    build:\n      context: ..\n      dockerfile: Dockerfile\n"), "{file}");
    assert!(!file.contains("pull_policy"), "{file}");
}

#[test]
fn a_bridge_that_a_checkout_builds_is_in_front_of_the_server_that_is_described() {
    let build = |settings: &[(&str, &str)], own: &[Service]| {
        let with =
            With { checkout: Some("/srv/demo"), own: own.iter().copied().collect(), ..With::default() };
        let file = rendered(&stack(settings), Profile::BuildOnly, &with).expect("a file");
        let lines = file.text.lines().skip_while(|line| !line.ends_with("build:")).skip(1);
        let build: Vec<&str> = lines.take_while(|line| line.starts_with("      ")).collect();
        format!("{}\n{}", build.join("\n"), file.notes.join("\n"))
    };
    let foreign = [
        ("orchestrator.image", "example/server:2"),
        ("orchestrator.command", "[serve, \"a $b\"]"),
        ("hardening.user", "7:8"),
        ("logs.mount", "/var/log/app"),
    ];
    insta::assert_snapshot!("built_in_front", build(&foreign, &[Service::Bridge]));
    insta::assert_snapshot!("built_in_front_with_its_own_command", build(&foreign[..1], &[Service::Bridge]));
    assert!(!build(&[], &[Service::Bridge, Service::Orchestrator]).contains("args"));
}

#[test]
fn a_pinned_image_is_written_instead_of_its_name_and_one_without_a_digest_is_marked() {
    let digest = format!("shop/bridge@sha256:{}", "0".repeat(64));
    let id = format!("sha256:{}", "1".repeat(64));
    let pins = [(Service::Bridge, digest.clone()), (Service::Orchestrator, id.clone())];
    let file = rendered(&stack(&[]), Profile::BuildOnly, &With { pins: pins.into(), ..With::default() });
    let file = file.expect("a file");
    assert!(file.text.contains(&format!("    image: {digest}\n")), "{}", file.text);
    let marked = format!("    image: {id}  # this machine's image by its id");
    assert!(file.text.contains(&marked), "{}", file.text);
    assert_eq!(file.notes, ["mcp-orchestrator is pinned to an image id, which this machine alone knows"]);
}

#[test]
fn a_file_for_an_older_compose_leaves_out_what_that_does_not_know_and_says_so() {
    let with = With { generation: Generation::V1_29, ..With::default() };
    let file = rendered(&stack(&[]), Profile::Bridge, &with).expect("a file");
    insta::assert_snapshot!("for_1_29", format!("{}\n---\n{}", file.text, file.notes.join("\n")));
}

#[test]
fn what_is_read_before_2_30_has_no_raw_env_file_and_says_what_that_means() {
    let with = With { generation: Generation::V2_24, ..With::default() };
    let (current, older) = (text(&stack(&[]), Profile::Bridge, &With::default()), &with);
    let older = rendered(&stack(&[]), Profile::Bridge, older).expect("a file");
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let missing: Vec<String> =
        lines(&current).into_iter().filter(|line| !lines(&older.text).contains(line)).collect();
    insta::assert_snapshot!("for_2_24", format!("{}\n---\n{}", missing.join("\n"), older.notes.join("\n")));
}

#[test]
fn a_file_beside_the_env_file_says_that_compose_reads_that_for_itself() {
    let file = rendered(&stack(&[]), Profile::Bridge, &With { folder: "/srv/demo", ..With::default() });
    insta::assert_snapshot!("beside_the_env_file", file.expect("a file").notes.join("\n"));
}

#[test]
fn paths_are_relative_to_the_folder_that_the_file_lands_in() {
    let settings = [("logs.folder", "./records"), ("orchestrator.env_file", "none")];
    for (folder, written) in [
        ("/srv/demo", "source: ./records\n"),
        ("/srv/demo/compose", "source: ../records\n"),
        ("/srv/demo/a/b", "source: ../../records\n"),
        ("/tmp/elsewhere", "source: ../../srv/demo/records\n"),
    ] {
        let file = text(&stack(&settings), Profile::Bridge, &With { folder, ..With::default() });
        assert!(file.contains(written), "{folder}: {file}");
    }
}

#[test]
fn a_path_that_is_given_relative_stays_so_above_the_description_too_and_an_absolute_one_stays_absolute() {
    let settings = [("logs.folder", "../records"), ("orchestrator.env_file", "none")];
    let file = text(&stack(&settings), Profile::Bridge, &With::default());
    assert!(file.contains("source: ../../records\n"), "{file}");
    let settings = [("logs.folder", "/srv/records"), ("orchestrator.env_file", "none")];
    let file = text(&stack(&settings), Profile::Bridge, &With::default());
    assert!(file.contains("source: /srv/records\n"), "{file}");
}

#[test]
fn the_same_description_gives_the_same_bytes_and_a_seal_that_holds() {
    let once = text(&stack(&EVERYTHING), Profile::FullStack, &With::default());
    assert_eq!(once, text(&stack(&EVERYTHING), Profile::FullStack, &With::default()));
    assert_eq!(seal_of(&once), Seal::Ours);
    assert_eq!(seal_of(&once.replace('\n', "\r\n")), Seal::Ours, "as Git checks it out elsewhere");
    assert_eq!(seal_of(&once.replace("pids_limit: 64", "pids_limit: 65")), Seal::Edited);
}

#[test]
fn no_value_of_an_env_file_of_this_machine_or_of_a_secret_s_name_is_written() {
    let mut secret = stack(&[
        (
            "orchestrator.environment",
            "{API_TOKEN: t0k3n-SECRET, DB_PASSWORD: SECRET, PASSED: , KEYBOARD: qwerty}",
        ),
        ("app.image", "shop/web"),
        ("app.environment", "{PRIVATE_KEY: SECRET}"),
    ]);
    let file = secret.orchestrator.env_file.as_mut().expect("an env file");
    file.variables.insert("FROM_FILE".to_owned(), "of-file-SECRET".to_owned().into());
    let text = text(&secret, Profile::FullStack, &With::default());
    assert!(
        !text.contains("SECRET") && !text.contains("FROM_FILE") && !text.contains("of this machine"),
        "{text}"
    );
    assert!(text.contains("      - PASSED\n"), "{text}");
    assert!(text.contains("      - KEYBOARD=qwerty\n"), "{text}");
    for key in ["API_TOKEN", "DB_PASSWORD", "PRIVATE_KEY"] {
        assert!(
            text.contains(&format!("\"{key}=${{{key}:?its value is not written into files}}\"")),
            "{text}"
        );
    }
}
