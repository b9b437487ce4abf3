//! The rendered `docker run` lines, executed: the same containers.

use std::process::Command;

use serde_json::Value;

use super::super::docker::{Ran, container, docker, inspect, run, until};
use super::super::rig::Rig;
use super::comparison::{ALWAYS, OF_LINE, OF_SERVER, differences};
use super::same::everything_changed;

/// The words of a line.
#[track_caller]
fn argv(rig: &Rig, service: &str) -> Vec<String> {
    let rendered = rig.run(&["render", "run", service, "--format", "json"]).ok().json();
    let words = rendered.as_array().expect("words").iter();
    words.map(|word| word.as_str().expect("a word").to_owned()).collect()
}

#[track_caller]
fn in_folder(rig: &Rig, program: &str, args: &[String]) -> Ran {
    let mut command = Command::new(program);
    command.args(args).current_dir(rig.folder());
    run(command.envs(rig.environment().iter().map(|(key, value)| (key, value))), "")
}

/// The bridge by the line for a shell and by its words, against `up`'s.
fn same_bridge(rig: &Rig) {
    rig.up();
    let ours = container(&rig.bridge());
    rig.run(&["down"]).ok();
    let shell = rig.run(&["render", "run", "bridge"]).ok().out;
    let argv = argv(rig, "bridge");
    let mut found = Vec::new();
    for how in ["sh", "words"] {
        if how == "sh" {
            // The network is gone and the volume is there: the line brings what is missing.
            in_folder(rig, "sh", &["-ec".to_owned(), shell.clone()]).ok();
        } else {
            in_folder(rig, &argv[0], &argv[1..]).ok();
        }
        let theirs = container(&rig.bridge());
        found.extend(
            differences(&ours, &theirs, &[&ALWAYS, &OF_LINE]).into_iter().map(|one| format!("{how}: {one}")),
        );
        if how == "sh" {
            let again = rig.up();
            assert!(again.out.starts_with("nothing to do"), "{}", again.all());
        }
        docker(&["rm", "-f", &rig.bridge()]).ok();
    }
    assert!(found.is_empty(), "what differs, up / docker run:\n{}", found.join("\n"));
}

#[test]
fn the_bridge_s_line_starts_what_up_starts() {
    let rig = Rig::new("rendered-line");
    rig.write(".env", "OPENAI_API_KEY=sk-1\nQUOTED=\"it's $HOME\" # b\n");
    same_bridge(&rig);
}

#[test]
fn the_bridge_s_line_starts_what_up_starts_where_every_setting_is_another() {
    let mut rig = Rig::new("rendered-line-changed");
    everything_changed(&mut rig);
    same_bridge(&rig);
}

#[test]
fn the_server_s_line_starts_what_a_verification_starts() {
    let mut rig = Rig::new("rendered-line-stdio");
    everything_changed(&mut rig);
    rig.up();
    let mut verify = rig.start(&["verify", "--quiet"]);
    let mut seen: Option<Value> = None;
    until("a container of the verification's", || {
        seen = seen.take().or_else(|| rig.probes().first().and_then(|name| inspect("container", name)));
        seen.is_some() || verify.try_wait().expect("a state").is_some()
    });
    assert!(verify.wait().expect("an end").success());
    let ours = seen.expect("a container was seen while the verification ran");
    let mut argv = argv(&rig, "orchestrator");
    assert_eq!(argv[..2], ["docker", "run"]);
    argv[1] = "create".to_owned();
    let created = in_folder(&rig, &argv[0], &argv[1..]).ok();
    let id = created.out.trim();
    rig.owns_container(id);
    let found = differences(&ours, &container(id), &[&ALWAYS, &OF_LINE, &OF_SERVER]);
    assert!(found.is_empty(), "what differs, verify / docker create:\n{}", found.join("\n"));
}

#[test]
fn an_application_that_starts_the_server_itself_is_told_the_same_line_and_has_its_keys() {
    let rig = Rig::new("rendered-spawns");
    let image =
        rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 77\n");
    let server = "orchestrator: {required_keys: [OPENAI_API_KEY]}";
    rig.write("mcpo.yaml", &format!("{server}\napp: {{image: {image}, command: [idle], spawns: true}}\n"));
    rig.write(".env", "OPENAI_API_KEY=sk-1\n");
    let up = rig.run(&["up", "full-stack"]).ok();
    assert!(up.err.contains("root on this machine"), "{}", up.err);
    let app = container(&rig.named("app-1"));
    assert_eq!(app["Mounts"], serde_json::json!([]), "the engine's socket is nobody's");
    let variables: Vec<(&str, &str)> = app["Config"]["Env"]
        .as_array()
        .expect("variables")
        .iter()
        .filter_map(|variable| variable.as_str()?.split_once('='))
        .collect();
    let command = variables.iter().find(|(key, _)| *key == "MCP_ORCHESTRATOR_COMMAND").expect("a line").1;
    assert!(!command.contains("sk-1"), "{command}");
    let with_variables = |line: &str, input: &str| {
        let mut shell = Command::new("sh");
        run(
            shell.args(["-ec", line]).envs(variables.iter().copied().filter(|(key, _)| *key != "PATH")),
            input,
        )
    };
    let call = "{\"method\": \"get_orchestrator_status\", \"params\": {}}\n";
    let status = with_variables(command, call).ok().json();
    assert_eq!(status["status"], "active");
    assert_eq!(status["adapter_status"]["o3_architect"], "configured", "{status}");

    let (name, words) = (rig.named("line"), argv(&rig, "orchestrator"));
    rig.owns_container(&name);
    let create = ["create", "--name", &name].map(str::to_owned);
    let args: Vec<String> = create.iter().chain(&words[2..]).cloned().collect();
    in_folder(&rig, "docker", &args).ok();
    let ours = container(&name);
    docker(&["rm", &name]).ok();
    with_variables(&command.replacen("run", &format!("create --name {name}"), 1), "").ok();
    let found = differences(&ours, &container(&name), &[&ALWAYS]);
    assert!(found.is_empty(), "what differs, render run / the application's line:\n{}", found.join("\n"));
}
