//! What is refused before anything is touched.

use serde_json::json;
use std::net::TcpListener;

use super::engine::{Engine, image};
use super::place::Place;

/// A container of somebody else's.
fn theirs(name: &str, port: Option<u16>) -> serde_json::Value {
    let ports: Vec<_> = port
        .map(|port| json!({"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}))
        .into_iter()
        .collect();
    json!({
        "Id": "1", "Names": [format!("/{name}")], "Ports": ports,
        "Labels": {"com.docker.compose.project": "shop"},
    })
}

#[tokio::test]
async fn swap_that_cannot_be_limited_stops_everything_unless_accepted_by_name() {
    let place = Place::new();
    let engine = Engine::start(place.root()).with_info(&json!({"SwapLimit": false}));
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    let programs = place.programs.display().to_string();
    let args = ["up", "--dry-run", "--accept-unenforced", "swap", "--programs", &programs];
    let ran = place.run_with(&engine, &args).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("swap_accepted", place.filtered(&ran.stdout));
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    for verb in ["up", "down", "build"] {
        for format in ["human", "json"] {
            let args = [verb, "--dry-run", "--format", format, "--programs", &programs];
            let ran = place.run_with(&engine, &args).await;
            assert_eq!(ran.code, 0, "{ran:?}");
            insta::assert_snapshot!(format!("dry_run_{verb}_{format}"), place.filtered(&ran.stdout));
        }
    }
    assert_eq!(engine.changes(), [""; 0]);
    assert!(std::fs::read_dir(&place.folder).expect("a folder").next().is_none());
}

#[tokio::test]
async fn what_only_looks_creates_nothing_to_find_out_who_an_image_runs_as() {
    let place = Place::new();
    let mut theirs = image(&json!({}));
    theirs["Config"]["User"] = "app".into();
    let engine = Engine::start(place.root()).with("GET /images/mcp-orchestrator:latest/json", 200, theirs);
    let programs = place.programs.display().to_string();
    for args in [&["up", "--dry-run"][..], &["build", "--dry-run"], &["status"], &["down", "--dry-run"]] {
        let ran = place.run_with(&engine, &[args, &["--programs", &programs]].concat()).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let said = ran
            .stderr
            .contains("note: the image mcp-orchestrator:latest runs as \"app\", whose number is not known");
        assert_eq!(said, args[0] != "down", "{ran:?}");
        let ran = place
            .run_with(&engine, &[args, &["--set", "hardening.user=1:1", "--programs", &programs]].concat())
            .await;
        assert!(ran.code == 0 && !ran.stderr.contains("is not known"), "{ran:?}");
    }
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_is_told_with_the_project() {
    let place = Place::new();
    let named = json!([theirs("demo-mcp-bridge-1", None)]);
    let engine = Engine::start(place.root()).with("GET /containers/json", 200, named);
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_port_that_another_container_holds_is_told_with_its_project_and_a_free_one() {
    let place = Place::new();
    let named = json!([theirs("shop-web-1", Some(place.ports[0]))]);
    let engine = Engine::start(place.root()).with("GET /containers/json", 200, named);
    let told = place.fail_with(&engine, &["up"]).await;
    let free = regex::Regex::new(r"websocket_port=\d+").expect("a pattern");
    insta::assert_snapshot!(free.replace_all(&told, "websocket_port=[FREE]"));
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_port_that_a_process_holds_is_told_with_its_name_and_a_free_one() {
    let place = Place::new();
    let held = TcpListener::bind(("127.0.0.1", place.ports[1])).expect("the port");
    let engine = Engine::start(place.root());
    let told = place.fail_with(&engine, &["up"]).await;
    assert!(told.contains(&format!("(pid {})", std::process::id())), "{told}");
    let holder = regex::Regex::new(r"by \S+ \(pid \d+\)").expect("a pattern");
    let free = regex::Regex::new(r"rest_port=\d+").expect("a pattern");
    let told = holder.replace_all(&told, "by [PROCESS] (pid [PID])");
    insta::assert_snapshot!(free.replace_all(&told, "rest_port=[FREE]"));
    assert_eq!(engine.changes(), [""; 0]);
    drop(held);
}

#[tokio::test]
async fn ports_for_the_whole_network_are_refused_unless_accepted_by_name() {
    let place = Place::new().env("MCPO_BRIDGE_ADDRESS", "0.0.0.0");
    let engine = Engine::start(place.root());
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    let programs = place.programs.display().to_string();
    let ran = place.run_with(&engine, &["up", "--dry-run", "--insecure", "--programs", &programs]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_full_stack_without_an_application_is_bad_input() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    insta::assert_snapshot!(place.fail_with(&engine, &["up", "full-stack"]).await);
}

#[tokio::test]
async fn a_server_image_that_is_not_ours_is_used_as_it_is_and_said_and_a_bridge_image_refused() {
    let place = Place::new();
    let engine = Engine::start(place.root())
        .with("GET /images/mcp-orchestrator:latest/json", 200, image(&json!({"their": "own"})))
        .with("GET /images/mcp-bridge:latest/json", 200, image(&json!({})));
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn programs_that_are_missing_or_would_not_run_in_an_image_are_named_with_what_to_do() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    std::fs::write(place.programs.join("mcp-bridge"), "#!/bin/sh\n").expect("a program");
    insta::assert_snapshot!("program_unfit", place.fail_with(&engine, &["build"]).await);
    std::fs::remove_file(place.programs.join("mcp-orchestrator")).expect("removed");
    insta::assert_snapshot!("program_missing", place.fail_with(&engine, &["build"]).await);
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_with_the_input_is_told_before_an_engine_is_looked_for() {
    let place = Place::new().file("mcpo.yaml", "hardening:\n  memory: many\nbridge: {rest_prt: 1}\n");
    let told = place.fail_on("unix:///nowhere", &["up"]).await;
    insta::assert_snapshot!(told);
    let place = Place::new();
    insta::assert_snapshot!(
        "unknown_key",
        place.fail_on("", &["config", "--set", "hardening.memry=1g"]).await
    );
    insta::assert_snapshot!("no_such_file", place.fail_on("", &["config", "--file", "other.yaml"]).await);
    for (args, word) in [
        (&["up", "--fast"][..], "--fast"),
        (&["lift"], "lift"),
        (&["up", "sideways"], "sideways"),
        (&["status", "-v", "-q"], "--quiet"),
        (&["status", "--format", "xml"], "xml"),
        (&[], "Usage"),
    ] {
        let ran = place.run(args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{args:?}");
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_told_to_a_person_and_to_a_program() {
    let place = Place::new();
    for (name, args) in [("usage_unknown", &["up", "--nope"][..]), ("usage_verb", &["upp"])] {
        insta::assert_snapshot!(name, place.fail_on("", args).await);
    }
    let missing = place.run(&["man", "--format", "json"]).await.json();
    let message = missing["error"]["message"].as_str().expect("a message");
    assert!(message.ends_with("not provided:\n  <FOLDER>"), "{message}");
    let spelt = place.run(&["--format=json", "up", "--nope"]).await;
    assert_eq!((spelt.code, &spelt.json()["error"]["exit"]), (64, &json!(64)));
    // Of a format that there is none of, a person is told.
    let unknown = place.run(&["up", "--format", "xml"]).await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (64, ""));
}
