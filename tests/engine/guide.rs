//! The lines of the integration guide, word for word, against our images.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::docker::{Ran, inspect, run};
use super::rig::{Rig, lock};

/// A folder with the guide's `.env`, and our images under the guide's names.
fn of_guide(name: &str) -> Rig {
    let rig = Rig::of_ours(name);
    rig.write(".env", "OPENROUTER_API_KEY=or-key\nOPENAI_API_KEY=oa-key\n");
    rig.run(&["build"]).ok();
    rig
}

/// Types a line into a shell in the deployment's folder.
#[track_caller]
fn shell(rig: &Rig, script: &str) -> Ran {
    let folder = rig.folder();
    run(Command::new("bash").args(["-c", script]).current_dir(&folder), "")
}

/// The JSON of the status tool, as the guide's reader expects it.
#[track_caller]
fn assert_status(text: &str) {
    let status: Value = serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(status["status"], "active", "{status}");
    for key in ["runtime_seconds", "request_count", "total_cost", "config", "adapter_status"] {
        assert!(status.get(key).is_some(), "no {key} in {status}");
    }
    assert_eq!(status["default_strategy"], "external_enhancement");
}

#[test]
fn the_guide_s_test_line_answers_with_the_status() {
    let _ours = lock("ours");
    let rig = of_guide("echo");
    let line = r#"
# Test with echo
echo '{"method": "get_orchestrator_status", "params": {}}' | \
  docker run --rm -i --env-file .env mcp-orchestrator:latest python -m src.mcp_server
"#;
    assert_status(&shell(&rig, line).ok().out);
}

#[test]
fn the_guide_s_full_integration_command_answers_and_logs() {
    let _ours = lock("ours");
    let rig = of_guide("full");
    let env_file = rig.folder().join(".env").display().to_string();
    // The guide's own words; the path is the reader's to fill in.
    let command = r#"docker run \
  --rm \
  -i \
  --env-file /path/to/.env \
  --memory="2g" \
  --cpus="2.0" \
  --read-only \
  --security-opt no-new-privileges \
  -v $(pwd)/logs:/app/logs \
  mcp-orchestrator:latest \
  python -m src.mcp_server
"#
    .replace("/path/to/.env", &env_file);
    let line = format!(r#"echo '{{"method": "get_orchestrator_status", "params": {{}}}}' | {command}"#);
    // The folder that Docker makes is root's: one warning, and an answer.
    let first = shell(&rig, &line).ok();
    assert_status(&first.out);
    assert_eq!(first.out.lines().count(), 1);
    assert!(first.err.contains("/app/logs"), "{}", first.err);
    // Given to the image's user, it is written.
    assert!(
        Command::new("chown")
            .args(["65532:65532"])
            .arg(rig.folder().join("logs"))
            .status()
            .expect("chown")
            .success()
    );
    assert_status(&shell(&rig, &line).ok().out);
    let written = fs::read_dir(rig.folder().join("logs")).expect("a folder").count();
    assert!(written > 0, "nothing was logged");
}

#[test]
fn the_guide_s_claude_desktop_entry_starts_a_server_that_shakes_hands() {
    let _ours = lock("ours");
    let rig = of_guide("desktop");
    let entry = r#"{
  "mcpServers": {
    "mcp-orchestrator": {
      "command": "docker",
      "args": ["run", "--rm", "-i", 
               "--env-file", "/path/to/your/.env",
               "mcp-orchestrator:latest",
               "python", "-m", "src.mcp_server"]
    }
  }
}"#
    .replace("/path/to/your/.env", &rig.folder().join(".env").display().to_string());
    let entry: Value = serde_json::from_str(&entry).expect("the guide's JSON");
    let server = &entry["mcpServers"]["mcp-orchestrator"];
    let args: Vec<&str> =
        server["args"].as_array().expect("arguments").iter().filter_map(Value::as_str).collect();
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-ai", "version": "0.1.0"},
        }}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_orchestrator_status", "arguments": {}}}),
    ];
    let input = messages.map(|message| message.to_string() + "\n").concat();
    let ran = run(Command::new(server["command"].as_str().expect("a command")).args(args), &input).ok();
    let answers: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("a message")).collect();
    let of = |id: i64| {
        answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("no {id}: {answers:?}"))
    };
    assert_eq!(of(1)["result"]["protocolVersion"], "2025-11-25");
    assert!(of(2)["result"]["tools"].to_string().contains("orchestrate_task"));
    assert_status(of(3)["result"]["content"][0]["text"].as_str().expect("a text"));
}

#[test]
fn the_guide_s_python_example_gets_an_answer() {
    let _ours = lock("ours");
    let mut rig = of_guide("python");
    rig.set("PYTHONUNBUFFERED", "1");
    // The guide's text; the usage below it asks for the status, which needs no provider.
    let script = r#"
# Python example
import subprocess
import json

def query_mcp_orchestrator(request):
    """Query MCP orchestrator from any Python app."""
    process = subprocess.Popen(
        ['docker', 'run', '--rm', '-i', '--env-file', '.env',
         'mcp-orchestrator:latest', 'python', '-m', 'src.mcp_server'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True
    )
    
    # Send request
    process.stdin.write(json.dumps(request) + '\n')
    process.stdin.flush()
    
    # Read response
    response = process.stdout.readline()
    return json.loads(response)

# Usage
result = query_mcp_orchestrator({
    "method": "get_orchestrator_status",
    "params": {}
})
print(json.dumps(result))
"#;
    let path = rig.write("app.py", script);
    let ran = run(Command::new("python3").arg(path).current_dir(rig.folder()), "").ok();
    assert_status(&ran.out);
}

#[test]
fn the_guide_s_curl_gets_an_answer_from_the_bridge() {
    let rig = Rig::new("curl");
    rig.up();
    let line = r#"curl -X POST http://localhost:5000/mcp \
  -H "Content-Type: application/json" \
  -d '{"method": "orchestrate_task", "params": {"description": "Test task"}}'"#
        .replace("5000", &rig.rest.to_string());
    let ran = shell(&rig, &line).ok();
    let answer: Value = serde_json::from_str(&ran.out).expect("JSON");
    // No key is set: the answer names what is missing.
    assert!(answer.to_string().contains("API_KEY"), "{answer}");
    let status = line.replace("orchestrate_task", "get_orchestrator_status");
    assert_status(&shell(&rig, &status).ok().out);
}

#[test]
fn the_guide_s_bridge_service_starts_from_our_image() {
    let _ours = lock("ours");
    let rig = of_guide("bridge");
    let name = rig.named("guide-bridge");
    rig.owns_container(&name);
    // The guide's service as Compose runs it: its ports, its variables, its command.
    let port = super::rig::free_port();
    let line = format!(
        "docker run -d --name {name} -p {port}:8765 -e OPENROUTER_API_KEY -e OPENAI_API_KEY \
         mcp-bridge:latest python -m mcp_bridge"
    );
    shell(&rig, &line).ok();
    super::docker::until("the bridge answers its own probe", || {
        super::docker::docker(&["exec", &name, "/mcp-bridge", "probe"]).code == Some(0)
    });
    let logs = super::docker::docker(&["logs", &name]).ok();
    assert!(logs.err.to_lowercase().contains("warn"), "published beyond loopback, it warns: {}", logs.all());
    assert_eq!(inspect("container", &name).expect("a container")["State"]["Running"], true);
}
