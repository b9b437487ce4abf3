//! What fails while it is carried out.

use serde_json::json;

use super::engine::{Engine, lines, log};
use super::place::Place;

#[tokio::test]
async fn a_container_that_would_run_without_a_protection_is_removed_and_told() {
    let place = Place::new();
    let warning = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
    let engine = Engine::start(place.root()).with(
        "POST /containers/create",
        201,
        json!({"Id": "c", "Warnings": [warning]}),
    );
    let told = place.fail_with(&engine, &["up", "--quiet"]).await;
    insta::assert_snapshot!(told);
    let changes = engine.changes();
    assert!(changes.contains(&"DELETE /containers/demo-mcp-bridge-1".to_owned()), "{changes:?}");
    assert!(!changes.iter().any(|call| call.ends_with("/start")), "{changes:?}");
}

#[tokio::test]
async fn a_build_that_fails_shows_its_last_lines_and_is_the_last_thing_that_is_done() {
    let place = Place::new();
    let steps: Vec<_> = (1..=20).map(|step| json!({"stream": format!("Step {step}/20 : RUN x\n")})).collect();
    let failure = json!({
        "errorDetail": {"code": 1, "message": "The command '/bin/sh -c x' returned a non-zero code: 1"},
        "error": "The command '/bin/sh -c x' returned a non-zero code: 1",
    });
    let output = lines(&[&steps[..], &[failure]].concat());
    let engine = Engine::start(place.root()).with("POST /build", 200, output);
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    // Once for a person, once for a program.
    assert_eq!(engine.changes(), ["POST /build", "POST /build"]);
}

#[tokio::test]
async fn a_full_disk_is_told_with_how_to_free_room() {
    let full = "write /var/lib/docker/tmp: no space left on device";
    let place = Place::new();
    let engine = Engine::start(place.root()).with("POST /build", 500, json!({"message": full}));
    insta::assert_snapshot!("disk_full_build", place.fail_with(&engine, &["build"]).await);
    let place = Place::new();
    let engine = Engine::start(place.root()).with("POST /containers/create", 500, json!({"message": full}));
    insta::assert_snapshot!("disk_full_create", place.fail_with(&engine, &["up", "--quiet"]).await);
    // A program of the build's says it in its own words, and the builder only that it failed.
    let place = Place::new();
    let output = lines(&[
        json!({"stream": "cp: error writing '/x': No space left on device\n"}),
        json!({"errorDetail": {"message": "The command '/bin/sh -c cp' returned a non-zero code: 1"}}),
    ]);
    let engine = Engine::start(place.root()).with("POST /build", 200, output);
    insta::assert_snapshot!("disk_full_in_build", place.fail_with(&engine, &["build"]).await);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_with_the_registrys_words() {
    let place = Place::new().env("MCPO_ORCHESTRATOR_IMAGE", "acme/server:1.2");
    let denied =
        "pull access denied for acme/server, repository does not exist or may require 'docker login'";
    let engine = Engine::start(place.root()).with("POST /images/create", 404, json!({"message": denied}));
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
}

#[tokio::test]
async fn whatever_the_engine_refuses_is_told_in_its_own_words_with_what_was_tried() {
    for (name, call, args) in [
        ("refused_list", "GET /containers/json", &["status"][..]),
        ("refused_info", "GET /info", &["up"]),
        ("refused_network", "POST /networks/create", &["up", "--quiet"]),
        ("refused_start", "POST /containers/demo-mcp-bridge-1/start", &["up", "--quiet"]),
    ] {
        let place = Place::new();
        let engine = Engine::start(place.root()).with(
            call,
            500,
            json!({"message": "all predefined address pools are in use"}),
        );
        insta::assert_snapshot!(name, place.fail_with(&engine, args).await);
    }
}

#[tokio::test]
async fn a_verification_of_what_is_not_up_creates_nothing() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    insta::assert_snapshot!("not_up", place.fail_with(&engine, &["verify", "--quiet"]).await);
    assert_eq!(engine.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_panic() {
    for call in ["GET /info", "GET /containers/json", "GET /networks", "GET /volumes"] {
        let place = Place::new();
        let engine = Engine::start(place.root()).with(call, 200, "[{\"Id\": 1");
        let ran = place.run_with(&engine, &["down"]).await;
        assert_eq!(ran.code, 1, "{call}: {ran:?}");
        assert!(ran.stderr.starts_with("error: cannot ") && !ran.stderr.contains("panicked"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_service_that_ends_at_once_is_told_with_its_state_and_last_lines() {
    let place = Place::new();
    let ended = json!({
        "Id": "c", "Name": "/demo-mcp-bridge-1",
        "State": {"Status": "exited", "Running": false, "ExitCode": 127}, "RestartCount": 0,
        "Config": {"Labels": {}}, "HostConfig": {},
    });
    let log = log("exec /server: no such file or directory\n");
    let engine = Engine::start(place.root()).with("GET /containers/demo-mcp-bridge-1/json", 200, ended).with(
        "GET /containers/demo-mcp-bridge-1/logs",
        200,
        log,
    );
    insta::assert_snapshot!(place.fail_with(&engine, &["up", "--quiet"]).await);
}

#[tokio::test]
async fn logs_of_nothing_and_of_an_unknown_service_are_told_apart() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    insta::assert_snapshot!("logs_of_nothing", place.fail_with(&engine, &["logs"]).await);
    let labels = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": "mcp-bridge"});
    let engine = engine
        .with(
            "GET /containers/json",
            200,
            json!([{"Id": "b", "Names": ["/demo-mcp-bridge-1"], "Labels": labels}]),
        )
        .with(
            "GET /containers/b/json",
            200,
            json!({"Id": "b", "Name": "/demo-mcp-bridge-1", "Config": {"Labels": labels}}),
        );
    insta::assert_snapshot!("logs_of_unknown", place.fail_with(&engine, &["logs", "web"]).await);
}

#[tokio::test]
async fn a_rerun_of_a_build_that_is_done_builds_nothing() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    let first = place.run_with(&engine, &["build", "--programs", &programs]).await;
    assert_eq!((first.code, engine.changes().len()), (0, 2), "{first:?}");
    let second = place.run_with(&engine, &["build", "--programs", &programs]).await;
    assert_eq!((second.code, engine.changes().len()), (0, 2), "{second:?}");
    assert!(second.stdout.starts_with("nothing to do"), "{second:?}");
}
