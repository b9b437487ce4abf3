//! What goes to which stream, for whom, and what never does.

use serde_json::{Value, json};

use super::engine::{Engine, image, log};
use super::place::Place;

const SECRETS: [&str; 3] = ["sk-SECRET-of-env-file", "sk-SECRET-of-yaml", "sk-SECRET-of-environment"];

fn with_secrets() -> Place {
    let yaml = format!(
        "orchestrator:\n  environment: {{TOKEN: {}, INHERITED: }}\napp: {{image: shop/web, environment: {{TOKEN: {}}}}}\n",
        SECRETS[1], SECRETS[1]
    );
    Place::new()
        .file("mcpo.yaml", &yaml)
        .file(".env", &format!("OPENAI_API_KEY={}\nOPENROUTER_API_KEY=x\n", SECRETS[0]))
        .env("INHERITED", SECRETS[2])
}

/// Every verb, and how it ends on an engine on which nothing stays up.
const VERBS: [(&[&str], i32); 14] = [
    (&["config"], 0),
    (&["status"], 0),
    (&["up", "--dry-run"], 0),
    (&["up", "full-stack", "--dry-run"], 0),
    (&["up"], 1),
    (&["down", "--dry-run"], 0),
    (&["down"], 0),
    (&["logs"], 64),
    (&["verify"], 1),
    (&["build", "--dry-run"], 0),
    (&["build"], 1),
    (&["render"], 0),
    (&["render", "-o", "compose"], 0),
    (&["init"], 0),
];

fn engine(place: &Place) -> Engine {
    let engine = Engine::start(place.root());
    // The application's image is there; pulls would fail.
    engine.with("GET /images/shop/web:latest/json", 200, image(&json!({})))
}

#[tokio::test]
async fn secrets_reach_the_engine_and_no_output() {
    let place = with_secrets();
    let engine = engine(&place);
    let programs = place.programs.display().to_string();
    for (verb, _) in VERBS {
        for more in [&[][..], &["-v"], &["--format", "json"], &["--set", "hardening.memory=many"]] {
            let args: Vec<&str> = verb.iter().chain(more).copied().chain(["--programs", &programs]).collect();
            let ran = place.run_with(&engine, &args).await;
            assert!(!ran.all().contains("SECRET"), "{args:?}: {ran:?}");
        }
    }
    let created = engine.bodies("POST /containers/create").concat();
    for secret in SECRETS {
        assert!(created.contains(secret), "{secret} did not reach the engine");
    }
    for build in engine.bodies("POST /build") {
        assert!(!build.contains("SECRET"), "a secret went into an image");
    }
}

#[tokio::test]
async fn a_secret_in_a_value_that_is_wrong_is_not_repeated() {
    let place = Place::new()
        .file("mcpo.yaml", "orchestrator:\n  environment: {KEY: [sk-SECRET]}\n")
        .file(".env", "export KEY=sk-SECRET\n");
    let ran = place.run(&["up"]).await;
    assert_eq!(ran.code, 64);
    assert!(!ran.all().contains("SECRET"), "{ran:?}");
    let ran = place.run(&["config", "--set", "orchestrator.environment=sk-SECRET"]).await;
    assert!(!ran.all().contains("SECRET"), "{ran:?}");
}

#[tokio::test]
async fn what_is_no_name_of_a_variable_is_counted_and_not_shown() {
    let place = Place::new().file(
        ".env",
        "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\nsk+SECRET/one=\nSECRETtwo==\nsk-SECRET-three=1\n",
    );
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    for format in ["human", "json", "yaml"] {
        let ran =
            place.run_with(&engine, &["up", "--dry-run", "--format", format, "--programs", &programs]).await;
        assert!(ran.code == 0 && !ran.all().contains("SECRET"), "{ran:?}");
        assert!(ran.stdout.contains("OPENAI_API_KEY"), "{ran:?}");
        match format {
            "human" => assert!(ran.stdout.contains(", and 3 that are no names\n"), "{ran:?}"),
            "json" => assert!(ran.stdout.contains("\"variables_without_a_name\": 3"), "{ran:?}"),
            _ => {}
        }
    }
    for args in [&["config", "--set", "sk-SECRET"][..], &["up", "--set=sk-SECRET"]] {
        let ran = place.run(args).await;
        assert!(ran.code == 64 && ran.stderr.contains("--set takes KEY=VALUE"), "{ran:?}");
        assert!(!ran.all().contains("SECRET"), "{ran:?}");
    }
}

#[tokio::test]
async fn what_a_service_wrote_is_shown_without_the_values_that_it_was_given() {
    let place = Place::new()
        .file("mcpo.yaml", "app: {image: shop/web, environment: {TOKEN: tok-SECRET}}\n")
        .file(".env", "MCP_TOKEN=\"mcp-SECRET\"\nOPENAI_API_KEY=x\nOPENROUTER_API_KEY=x\n")
        // What stands in the way of `up` does not open the logs.
        .env("MCPO_BRIDGE_ADDRESS", "0.0.0.0");
    let mut engine = Engine::start(place.root());
    let mut listed = Vec::new();
    for (service, said) in [
        ("mcp-bridge", "refused mcp-SECRET, old-SECRET in /app/logs\n"),
        ("app", "refused tok-SECRET\n"),
        ("gone", "refused old-SECRET\n"),
    ] {
        let labels = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": service});
        let inspected = json!({
            "Id": service, "Name": format!("/{service}"), "Image": "sha256:0",
            "Config": {"Labels": labels, "Env": ["MCP_TOKEN=old-SECRET", "OF_IMAGE=refused", "MCPO_LOG_DIR=/app/logs"]},
        });
        listed.push(json!({"Id": service, "Names": [format!("/{service}")], "Labels": labels}));
        engine = engine.with(&format!("GET /containers/{service}/json"), 200, inspected).with(
            &format!("GET /containers/{service}/logs"),
            200,
            log(said),
        );
    }
    let mut of_image = image(&json!({}));
    of_image["Config"]["Env"] = json!(["OF_IMAGE=refused"]);
    let engine = engine.with("GET /containers/json", 200, Value::from(listed)).with(
        "GET /images/sha256:0/json",
        200,
        of_image,
    );
    let ran = place.run_with(&engine, &["logs"]).await;
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let shown = [
        "app | refused [secret]",
        "gone | refused [secret]",
        "mcp-bridge | refused [secret], [secret] in /app/logs",
    ];
    assert_eq!(lines, shown, "{ran:?}");
    let ran = place.run_with(&engine, &["logs", "app", "--format", "json"]).await;
    assert_eq!(ran.json()["line"], "refused [secret]", "{ran:?}");
}

#[tokio::test]
async fn logs_are_one_document_for_each_line() {
    let place = Place::new();
    let labels = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": "mcp-bridge"});
    let engine = Engine::start(place.root())
        .with("GET /containers/json", 200, json!([{"Id": "b", "Names": ["/b"], "Labels": labels}]))
        .with("GET /containers/b/json", 200, json!({"Id": "b", "Name": "/b", "Config": {"Labels": labels}}))
        .with("GET /containers/b/logs", 200, format!("{}{}", log("a: b\n"), log("- c\n")));
    let json = place.run_with(&engine, &["logs", "--format", "json"]).await;
    let said: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    let line = |text: &str| json!({"service": "mcp-bridge", "stream": "stderr", "line": text});
    assert_eq!(said, [line("a: b"), line("- c")]);
    let yaml = place.run_with(&engine, &["logs", "--format", "yaml"]).await;
    let document = |line: &str| format!("---\nline: {line}\nservice: mcp-bridge\nstream: stderr\n");
    assert_eq!(yaml.stdout, [document("'a: b'"), document("'- c'")].concat());
}

#[tokio::test]
async fn every_verb_prints_one_json_document_and_ends_as_documented() {
    let place = with_secrets();
    let engine = engine(&place);
    let programs = place.programs.display().to_string();
    for (verb, code) in VERBS {
        let args: Vec<&str> =
            verb.iter().copied().chain(["--format", "json", "--programs", &programs]).collect();
        let ran = place.run_with(&engine, &args).await;
        if verb != ["build"] {
            assert_eq!(ran.code, code, "{verb:?}: {ran:?}");
        }
        let document = ran.json();
        assert!(document.is_object(), "{verb:?}");
        assert_eq!(document.get("error").is_some(), ran.code > 0, "{verb:?}: {ran:?}");
    }
    let pages = place.run(&["man", "pages", "--format", "json"]).await.json();
    assert!(pages["folder"].as_str().is_some_and(|folder| folder.ends_with("pages")), "{pages}");
}

#[tokio::test]
async fn without_a_terminal_there_are_no_escapes_and_talk_goes_to_standard_error() {
    let place = with_secrets().env("TERM", "xterm-256color").env("CLICOLOR_FORCE", "1");
    let engine = engine(&place);
    let programs = place.programs.display().to_string();
    for (verb, _) in VERBS {
        let args: Vec<&str> = verb.iter().copied().chain(["-v", "--programs", &programs]).collect();
        let ran = place.run_with(&engine, &args).await;
        assert!(!ran.all().contains('\u{1b}'), "{verb:?}: {ran:?}");
        assert!(!ran.stdout.contains("warning:") && !ran.stdout.contains("error:"), "{verb:?}: {ran:?}");
    }
}

#[tokio::test]
async fn quiet_says_nothing_of_the_steps_and_verbose_says_what_the_engine_says() {
    for (flag, lines) in [
        ("--quiet", &[][..]),
        ("--format=human", &["build image mcp-orchestrator:latest: done in [TIME]"]),
        (
            "--verbose",
            &["build image mcp-orchestrator:latest (it does not exist)", "  Step 1/2 : FROM scratch"],
        ),
    ] {
        let place = Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=x\n");
        let engine = Engine::start(place.root());
        let programs = place.programs.display().to_string();
        let ran = place.run_with(&engine, &["build", flag, "--programs", &programs]).await;
        let talk = place.filtered(&ran.stderr);
        let begin: Vec<&str> = talk.lines().take(lines.len()).collect();
        assert_eq!(begin, lines, "{ran:?}");
        assert_eq!(talk.is_empty(), flag == "--quiet");
    }
}

#[tokio::test]
async fn what_is_there_is_shown_with_what_would_change() {
    let place = Place::new();
    let labels = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": "mcp-bridge"});
    let inspected = json!({
        "Id": "b", "Name": "/demo-mcp-bridge-1", "Image": format!("sha256:{}", "b".repeat(64)),
        "State": {"Status": "running", "Running": true, "Health": {"Status": "healthy"}}, "RestartCount": 2,
        "Config": {"Labels": labels, "User": "65532:65532"},
        "HostConfig": {"PortBindings": {"8765/tcp": [{"HostIp": "127.0.0.1", "HostPort": place.ports[0].to_string()}]}},
    });
    let engine = Engine::start(place.root())
        .with(
            "GET /containers/json",
            200,
            json!([{"Id": "b", "Names": ["/demo-mcp-bridge-1"], "Labels": labels}]),
        )
        .with("GET /containers/b/json", 200, inspected);
    let programs = place.programs.display().to_string();
    let ran = place.run_with(&engine, &["status", "--programs", &programs]).await;
    insta::assert_snapshot!(place.filtered(&ran.stdout));
    let shown =
        place.run_with(&engine, &["status", "--format", "json", "--programs", &programs]).await.json();
    assert_eq!(shown["services"][0]["health"], "healthy");
    assert_eq!(shown["services"][0]["restarts"], 2);
    assert_eq!(shown["pending_images"], json!(["mcp-orchestrator:latest", "mcp-bridge:latest"]));
    assert!(shown["pending"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{shown}");
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn an_application_that_is_not_described_any_more_is_shown_and_said() {
    let place = Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\n");
    let labels = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": "app"});
    let inspected = json!({
        "Id": "a", "Name": "/demo-app-1", "Image": format!("sha256:{}", "c".repeat(64)),
        "State": {"Status": "running", "Running": true}, "Config": {"Labels": labels},
    });
    let engine = Engine::start(place.root())
        .with("GET /containers/json", 200, json!([{"Id": "a", "Names": ["/demo-app-1"], "Labels": labels}]))
        .with("GET /containers/a/json", 200, inspected);
    let programs = place.programs.display().to_string();
    for (verb, code) in [("status", 0), ("verify", 1)] {
        let ran = place.run_with(&engine, &[verb, "--programs", &programs]).await;
        let said = "warning: demo-app-1 is running, and no application is described any more";
        assert!(ran.code == code && ran.stderr.contains(said), "{ran:?}");
        assert!(!ran.stderr.contains("full-stack"), "{ran:?}");
        if verb == "status" {
            assert!(ran.stdout.contains("app      running"), "{ran:?}");
        }
    }
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn what_is_there_is_shown_though_no_program_for_an_image_is() {
    let place = Place::new();
    let engine = Engine::start(place.root());
    let nowhere = place.root().join("nowhere").display().to_string();
    for verb in ["status", "down"] {
        let ran = place.run_with(&engine, &[verb, "--programs", &nowhere]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_no_success() {
    let place = Place::new();
    for args in [
        &["config"][..],
        &["config", "--format", "json"],
        &["config", "--format", "yaml"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let full = std::fs::File::create("/dev/full").expect("the device that is always full");
        let ran = place.spawn_into(full.into(), "", args).ended().await;
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let told = "error: cannot write to standard output\n  caused by: No space left on device";
        assert!(ran.stderr.contains(told), "{args:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_reader_that_went_away_had_enough() {
    let place = Place::new();
    for args in [&["config"][..], &["config", "--format", "json"], &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = place.spawn_into(writer.into(), "", args).ended().await;
        assert_eq!((ran.code, ran.stderr.contains("error")), (0, false), "{args:?}: {ran:?}");
    }
}

#[tokio::test]
async fn down_removes_what_is_the_projects_and_nothing_else() {
    let place = Place::new();
    let ours = json!({"io.mcpo-deploy.project": "demo", "com.docker.compose.service": "mcp-bridge"});
    let theirs = json!({"io.mcpo-deploy.project": "shop"});
    let running = json!({"Status": "running", "Running": true});
    let engine = Engine::start(place.root())
        .with("GET /containers/json", 200, json!([
            {"Id": "b", "Names": ["/demo-mcp-bridge-1"], "Labels": ours},
            {"Id": "s", "Names": ["/shop-mcp-bridge-1"], "Labels": theirs},
        ]))
        .with("GET /containers/b/json", 200, json!({
            "Id": "b", "Name": "/demo-mcp-bridge-1", "State": running, "Config": {"Labels": ours},
        }))
        .with("GET /networks", 200, json!([
            {"Name": "demo_mcp", "Labels": ours}, {"Name": "bridge"}, {"Name": "shop_mcp", "Labels": theirs},
        ]))
        .with("GET /volumes", 200, json!({"Volumes": [volume("demo_mcp-logs", &ours), volume("shop", &theirs)]}));
    let ran = place.run_with(&engine, &["down"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "project demo is down\n"));
    assert!(ran.stderr.contains("note: kept volume demo_mcp-logs and what is in it\n"), "{ran:?}");
    let without_volumes = [
        "POST /containers/demo-mcp-bridge-1/stop",
        "DELETE /containers/demo-mcp-bridge-1",
        "DELETE /networks/demo_mcp",
    ];
    assert_eq!(engine.changes(), without_volumes);
    let ran = place.run_with(&engine, &["down", "--volumes"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(engine.changes()[3..], [&without_volumes[..], &["DELETE /volumes/demo_mcp-logs"]].concat());
}

fn volume(name: &str, labels: &Value) -> Value {
    json!({"Name": name, "Driver": "local", "Mountpoint": "", "Labels": labels, "Scope": "local", "Options": {}})
}
