//! What is asked of the engine, down to the last field, and what is left when somebody interrupts.

use serde_json::Value;

use super::engine::Engine;
use super::place::Place;

/// The bodies of a call's requests, as values.
fn asked(engine: &Engine, call: &str) -> Vec<Value> {
    let parsed = engine.bodies(call).into_iter().map(|body| serde_json::from_str(&body).expect("JSON"));
    parsed.collect()
}

/// Without what is `null`, which means nothing to an engine.
fn said(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, said(value))).collect()
        }
        other => other,
    }
}

#[tokio::test]
async fn a_container_is_asked_for_with_the_whole_of_its_hardening() {
    let place = Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\n");
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    place.run_with(&engine, &["up", "--programs", &programs]).await;
    let bridge = said(asked(&engine, "POST /containers/create").remove(0));
    let told = place.filtered(&format!("{bridge:#}"));
    let hash = regex::Regex::new("[0-9a-f]{64}").expect("a pattern");
    insta::assert_snapshot!(hash.replace_all(&told, "[HASH]"));
}

#[tokio::test]
async fn networks_and_volumes_carry_labels_and_no_config_hash() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    place.run_with(&engine, &["up", "--programs", &programs]).await;
    for (call, key) in [
        ("POST /networks/create", "com.docker.compose.network"),
        ("POST /volumes/create", "com.docker.compose.volume"),
    ] {
        let asked = asked(&engine, call);
        let labels = asked[0]["Labels"].as_object().expect("labels");
        let mut keys: Vec<&str> = labels.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut expected = ["com.docker.compose.project", "io.mcpo-deploy.project", key];
        expected.sort_unstable();
        assert_eq!(keys, expected, "{call}");
    }
}

#[tokio::test]
async fn an_interruption_ends_it_with_its_own_code_and_says_what_continues() {
    for verb in ["up", "status"] {
        let place = Place::new();
        let engine = Engine::start(place.root()).silent("GET /info");
        let programs = place.programs.display().to_string();
        let mut running = place.spawn_on(&engine.host, &[verb, "--quiet", "--programs", &programs]);
        engine.asked_in_vain().await;
        running.terminate();
        let ran = running.ended().await;
        assert_eq!((ran.code, ran.stdout.as_str()), (130, ""), "{ran:?}");
        assert!(ran.stderr.contains("warning: interrupted; "), "{ran:?}");
        assert_eq!(engine.changes(), [""; 0]);
    }
}
