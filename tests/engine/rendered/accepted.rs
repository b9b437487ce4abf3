//! Every Compose that a file is for takes it without a word.

use std::fs;

use super::super::rig::Rig;
use super::generations::{Compose, file_name};
use super::same::everything_changed;
use super::values::{nasty, nasty_words};
use serde_json::json;

const PROFILES: [&str; 3] = ["bridge", "full-stack", "build-only"];

/// Renders everything for a generation and has each file read, with the services that wait for their
/// profile to be named.
#[track_caller]
fn assert_accepted(rig: &Rig, composes: &[Compose]) {
    for &compose in composes {
        let folder = rig.folder().join(format!("{compose:?}"));
        // Compose 1.29 looks for what it is to build.
        fs::create_dir_all(rig.folder().join("app")).expect("a folder");
        compose.render(rig, "all", &folder);
        for profile in PROFILES {
            let args = ["--profile", "build-only", "config", "-q"];
            let read = compose.run(rig, &folder.join(file_name(profile)), &args);
            assert!(read.code == Some(0) && read.all().is_empty(), "{compose:?}, {profile}: {read:?}");
        }
    }
}

#[test]
fn the_files_of_a_deployment_with_nothing_said_are_accepted() {
    let rig = Rig::new("accepted-defaults");
    assert_accepted(&rig, &[Compose::V5, Compose::V2]);
    rig.write(".env", "OPENAI_API_KEY=sk-1\n");
    assert_accepted(&rig, &Compose::ALL);
}

#[test]
fn the_files_of_a_deployment_with_everything_changed_are_accepted() {
    let mut rig = Rig::new("accepted-changed");
    everything_changed(&mut rig);
    assert_accepted(&rig, &Compose::ALL);
}

#[test]
fn files_with_texts_that_mean_something_elsewhere_are_accepted() {
    let rig = Rig::new("accepted-nasty");
    let words = nasty_words();
    let server = json!({"command": words, "environment": nasty()});
    let app = json!({"image": "app:1", "command": words, "environment": nasty()});
    rig.write("mcpo.yaml", &json!({"orchestrator": server, "app": app}).to_string());
    rig.write(".env", "A=1\n");
    assert_accepted(&rig, &Compose::ALL);
}

#[test]
fn an_env_file_with_quotes_is_accepted_by_whom_it_is_for() {
    let rig = Rig::new("accepted-env-file");
    rig.write(".env", "A=\"quoted\"\nB=$NOWHERE ${ALSO:?no}\nC=a # b\nD='\n");
    assert_accepted(&rig, &[Compose::V5]);
}

#[test]
fn the_files_of_what_compose_builds_are_accepted() {
    let rig = Rig::new("accepted-builds");
    rig.write("server/Dockerfile", "FROM scratch\n");
    rig.write("app/in/Dockerfile", "FROM scratch\n");
    rig.write(".env", "A=1\n");
    let network = "hardening: {network: none, memory: unlimited, cpus: unlimited, pids: unlimited, no_new_privileges: false, seccomp: unconfined, read_only: false}";
    rig.write(
        "mcpo.yaml",
        &format!("orchestrator:\n  build: {{context: server}}\napp:\n  build: {{context: app, dockerfile: in/Dockerfile}}\n{network}\nbridge: {{address: '::1'}}\n"),
    );
    assert_accepted(&rig, &Compose::ALL);
}

#[test]
fn a_compose_before_2_30_takes_the_file_as_it_is_and_stops_at_an_env_file() {
    let rig = Rig::new("accepted-older");
    let folder = rig.folder().join("compose");
    let file = Compose::V5.render(&rig, "bridge", &folder);
    let read = Compose::V2.run(&rig, &file, &["config", "-q"]);
    assert!(read.code == Some(0) && read.all().is_empty(), "{read:?}");
    rig.write(".env", "A=1\n");
    let refused = Compose::V2.run(&rig, &file, &["config", "-q"]);
    assert!(refused.code == Some(15) && refused.err.contains("format \"raw\""), "{refused:?}");
}

#[test]
fn compose_1_29_refuses_the_file_that_is_not_for_it() {
    let rig = Rig::new("accepted-refused");
    rig.run(&["render", "bridge", "-o", "compose"]).ok();
    let file = rig.folder().join("compose").join(file_name("bridge"));
    assert!(fs::exists(&file).expect("a folder"));
    let read = Compose::V1_29.run(&rig, &file, &["config", "-q"]);
    assert!(read.code == Some(1) && read.err.contains("'name'"), "{read:?}");
}
