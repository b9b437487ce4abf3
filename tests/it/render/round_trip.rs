//! What was rendered, imported and rendered again is what it was.

use std::path::{Path, PathBuf};

use mcpo_deploy::config::resolve_text;
use mcpo_deploy::env::Env;
use mcpo_deploy::import::{Import, Origin, import};
use mcpo_deploy::plan::Profile;

use super::files::{APP, EVERYTHING};
use super::{With, stack, text};

const FOLDER: &str = "/srv/demo";

fn env() -> Env {
    Env::from_pairs([("PASSED", "of this machine"), ("API_TOKEN", "t0k3n")], PathBuf::from(FOLDER))
}

fn imported(rendered: &str) -> Import {
    let env = env();
    let origin = Origin {
        file: "docker-compose.yml",
        from: Path::new("/srv/demo/compose"),
        to: Path::new(FOLDER),
        env: &env,
    };
    import(rendered, &origin).expect("a file of ours")
}

/// A file's text by way of a `mcpo.yaml`, and that `mcpo.yaml`.
fn round_trip(rendered: &str, profile: Profile) -> (String, String) {
    let imported = imported(rendered);
    let closed: Vec<_> = imported.gaps.iter().filter(|gap| gap.closed).collect();
    assert!(closed.is_empty(), "gaps in a file of ours: {closed:?}");
    let stack = resolve_text(&imported.text, &Path::new(FOLDER).join("mcpo.yaml"), &env())
        .unwrap_or_else(|error| panic!("{error}\n{}", imported.text))
        .stack;
    (text(&stack, profile, &With::default()), imported.text)
}

#[track_caller]
fn assert_fixed(settings: &[(&str, &str)], profiles: &[Profile]) {
    for &profile in profiles {
        let once = text(&stack(settings), profile, &With::default());
        let (twice, between) = round_trip(&once, profile);
        assert_eq!(once, twice, "{profile:?}, by way of\n{between}");
    }
}

#[test]
fn the_defaults_are_a_fixed_point() {
    assert_fixed(&[], &[Profile::Bridge, Profile::BuildOnly]);
}

#[test]
fn an_application_is_a_fixed_point_whether_it_starts_containers_or_not() {
    assert_fixed(&APP, &[Profile::FullStack]);
    let spawns: Vec<_> = APP.into_iter().chain([("app.spawns", "true")]).collect();
    assert_fixed(&spawns, &[Profile::FullStack]);
}

#[test]
fn every_setting_is_a_fixed_point() {
    // The value of a secret is in no file, so that nothing can be read back from there.
    let settings: Vec<_> = EVERYTHING
        .into_iter()
        .filter(|(key, _)| *key != "orchestrator.environment")
        .chain([("orchestrator.environment", "{LANG: C, PASSED: , NOT_HERE: }")])
        .collect();
    assert_fixed(&settings, &[Profile::FullStack]);
}

#[test]
fn a_secret_that_was_written_into_the_description_is_taken_from_the_environment_after_an_import() {
    let written = [("orchestrator.environment", "{API_TOKEN: t0k3n}")];
    let (_, described) =
        round_trip(&text(&stack(&written), Profile::Bridge, &With::default()), Profile::Bridge);
    assert!(described.contains("\n    API_TOKEN:\n"), "{described}");
    assert_fixed(&[("orchestrator.environment", "{API_TOKEN: }")], &[Profile::Bridge]);
}

#[test]
fn a_server_of_somebody_else_s_is_a_fixed_point() {
    let settings = [
        ("orchestrator.image", "example/server:2"),
        ("orchestrator.command", "[python, -m, server, \"a b\"]"),
        ("orchestrator.environment", "{LANG: C, EMPTY: \"\", DOLLAR: \"$HOME ${X}\", LINES: \"a\\nb: c\"}"),
        ("hardening.memory", "unlimited"),
        ("hardening.network", "none"),
        ("logs.max_age", "unlimited"),
        ("bridge.call_timeout", "90s"),
        ("bridge.allowed_hosts", "[bridge.example]"),
    ];
    assert_fixed(&settings, &[Profile::BuildOnly]);
    let settings: Vec<_> = settings.into_iter().chain(APP).collect();
    assert_fixed(&settings, &[Profile::FullStack]);
}

#[test]
fn a_bridge_alone_is_a_fixed_point_whose_server_is_ours_or_is_asked_for() {
    let command = ("orchestrator.command", "[serve, --all]");
    assert_fixed(&[command], &[Profile::Bridge]);
    let foreign = [("orchestrator.image", "example/server:2"), command];
    let imported = imported(&text(&stack(&foreign), Profile::Bridge, &With::default()));
    assert!(!imported.text.contains("command"), "{}", imported.text);
    let notes: Vec<_> = imported.not_taken_over.iter().map(|note| note.why.as_str()).collect();
    insta::assert_snapshot!(notes.join("\n"));
}
