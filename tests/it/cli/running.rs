//! What `run` asks of the engine, which takes its time to describe its machine.

use std::path::Path;

use serde_json::{Value, json};

use super::engine::{Engine, image};
use super::place::Place;

/// An engine on which all is there that a client's container stands on, and whose machine is as `more` says.
fn engine(place: &Place, more: &Value) -> Engine {
    let owned = json!({"io.mcpo-deploy.project": "demo"});
    let volume = json!({
        "Name": "demo_mcp-logs", "Driver": "local", "Mountpoint": "", "Labels": owned, "Scope": "local", "Options": {},
    });
    let engine = Engine::start(place.root())
        .with("GET /images/mcp-orchestrator:latest/json", 200, image(&json!({})))
        .with("GET /networks", 200, json!([{"Name": "demo_mcp", "Id": "n", "Labels": owned}]))
        .with("GET /volumes", 200, json!({"Volumes": [volume], "Warnings": null}));
    let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" };
    let mut info = json!({"CgroupVersion": version});
    info.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    engine.with_info(&info)
}

fn place() -> Place {
    Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\n")
}

/// How many processors each container was to have that was asked for.
fn processors(engine: &Engine) -> Vec<f64> {
    let asked = engine.bodies("POST /containers/create").into_iter();
    let body = asked.map(|body| serde_json::from_str::<Value>(&body).expect("JSON"));
    body.map(|body| body["HostConfig"]["NanoCpus"].as_f64().expect("a limit") / 1e9).collect()
}

#[tokio::test]
async fn a_container_is_created_once_where_the_machine_is_an_ordinary_one() {
    let place = place();
    let engine = engine(&place, &json!({}));
    // The stand-in has no streams.
    assert_eq!(place.run_with(&engine, &["run"]).await.code, 125);
    assert_eq!(processors(&engine), [2.0]);
    assert_eq!(engine.changes()[0], "POST /containers/create");
}

#[tokio::test]
async fn a_container_is_created_anew_where_the_machine_turns_out_to_be_another() {
    let place = place();
    let engine = engine(&place, &json!({"NCPU": 1}));
    assert_eq!(place.run_with(&engine, &["run"]).await.code, 125);
    assert_eq!(processors(&engine), [2.0, 1.0]);
    let first = ["POST /containers/create", "DELETE /containers/demo-mcp-orchestrator-run-1"];
    assert_eq!(engine.changes()[..2], first);
}

#[tokio::test]
async fn what_the_machine_cannot_enforce_is_refused_before_anything_starts_and_leaves_nothing() {
    let place = place();
    let engine = engine(&place, &json!({"SwapLimit": false}));
    let ran = place.run_with(&engine, &["run"]).await;
    insta::assert_snapshot!(place.filtered(&format!("{}{}\nexit {}", ran.stdout, ran.stderr, ran.code)));
    let all = ["POST /containers/create", "DELETE /containers/demo-mcp-orchestrator-run-1"];
    assert_eq!(engine.changes(), all);
}

#[tokio::test]
async fn nothing_is_made_for_a_container_that_a_machine_refuses() {
    let place = place();
    let engine = engine(&place, &json!({"SwapLimit": false})).with("GET /networks", 200, "[]");
    assert_eq!(place.run_with(&engine, &["run"]).await.code, 125);
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn an_engine_that_does_not_describe_its_machine_is_told_and_nothing_is_left() {
    let place = place();
    let engine = engine(&place, &json!({})).with("GET /info", 500, json!({"message": "no runc in the path"}));
    let ran = place.run_with(&engine, &["run"]).await;
    insta::assert_snapshot!(place.filtered(&format!("{}{}\nexit {}", ran.stdout, ran.stderr, ran.code)));
    let all = ["POST /containers/create", "DELETE /containers/demo-mcp-orchestrator-run-1"];
    assert_eq!(engine.changes(), all);
}
