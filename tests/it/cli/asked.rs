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
async fn an_interruption_ends_it_with_its_own_code_and_says_what_it_leaves() {
    for (verb, words) in [
        (
            &["up"][..],
            "what was created so far is still there: `mcpo-deploy up` continues, `mcpo-deploy down` removes it",
        ),
        (&["down"], "what was not removed yet is still there: `mcpo-deploy down` continues"),
        (&["build"], "images that are done are kept: `mcpo-deploy build` continues"),
        (&["verify"], "what runs was left as it is: `mcpo-deploy verify` begins anew"),
        (&["up", "--dry-run"], "nothing was changed"),
        (&["status"], "nothing was changed"),
        (&["logs"], ""),
    ] {
        let place = Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\n");
        let engine = Engine::start(place.root()).silent("GET /info");
        let programs = place.programs.display().to_string();
        let mut running =
            place.spawn_on(&engine.host, &[verb, &["--quiet", "--programs", &programs]].concat());
        engine.asked_in_vain().await;
        running.terminate();
        let ran = running.ended().await;
        let told = if words.is_empty() { String::new() } else { format!("warning: interrupted; {words}\n") };
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (130, "", &*told), "{verb:?}");
        assert_eq!(engine.changes(), [""; 0]);
    }
}
