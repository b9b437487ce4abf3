//! `docker build` and Compose in a checkout, word for word as the guide has them: that the images
//! come out right is tested with a stand-in for the image of Rust, whose cargo puts programs in
//! place that are built already.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const GUIDES_COMPOSE_FILE: &str = r#"# docker-compose.mcp-bridge.yml
version: '3.8'

services:
  mcp-bridge:
    build:
      context: .
      dockerfile: Dockerfile.bridge
    ports:
      - "8765:8765"  # WebSocket port
    environment:
      - OPENROUTER_API_KEY=${OPENROUTER_API_KEY}
      - OPENAI_API_KEY=${OPENAI_API_KEY}
    command: python -m mcp_bridge
"#;

const GUIDES_STATUS_CALL: &str = "{\"method\": \"get_orchestrator_status\", \"params\": {}}\n";

/// On the stand-in, and so on the stages that the classic builder leaves behind.
const LABEL: &str = "io.mcpo-deploy.test";

/// Refuses what ours does not ask for, so that a Dockerfile that asks for something else fails.
const STAND_IN_CARGO: &str = r#"#!/bin/sh
set -eu
[ "$1 $2 $3 $4 $5 $7" = "build --release --locked --no-default-features --features --bin" ]
[ "mcp-$6" = "$8" ]
[ -f Cargo.toml ] && [ -f Cargo.lock ] && [ -f .cargo/config.toml ] && [ -f src/lib.rs ]
[ ! -e target ] && [ ! -e .git ] && [ ! -e tests ]
mkdir -p target/the-host/release
cp "/built/$8" "target/the-host/release/$8"
"#;

#[test]
fn both_builders_make_the_orchestrators_image_from_a_checkout() {
    let mut made = Made::new("orchestrator");
    for builder in Builder::BOTH {
        let image =
            made.build(builder, "Dockerfile", &[("REVISION", "abc"), ("SOURCE", "https://here.test/")]);
        let config = inspect(&image);
        assert_eq!(config["User"], "65532:65532", "{builder:?}");
        assert_eq!(config["Entrypoint"], json!(["/mcp-orchestrator"]), "{builder:?}");
        assert_eq!(config.get("Healthcheck").unwrap_or(&Value::Null), &Value::Null, "{builder:?}");
        let labels = &config["Labels"];
        assert_eq!(labels["io.mcpo-deploy.program"], "mcp-orchestrator");
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");
        assert_eq!(labels["org.opencontainers.image.source"], "https://here.test/");
        assert_eq!(owner_of(&image, "app/logs/"), "65532/65532", "{builder:?}");

        let mut guides_line = docker(&["run", "--rm", "-i", &image, "python", "-m", "src.mcp_server"]);
        let answer = succeeded(fed(&mut guides_line, GUIDES_STATUS_CALL));
        let status: Value = serde_json::from_str(&answer).expect("one line of JSON");
        assert_eq!(status["status"], "active", "{builder:?}");
    }
}

#[test]
fn without_any_orchestrators_image_the_bridge_gets_the_checkouts_own() {
    let mut made = Made::new("bridge");
    for builder in Builder::BOTH {
        let image = made.build(builder, "Dockerfile.bridge", &[]);
        let config = inspect(&image);
        assert_eq!(config["User"], "65532:65532", "{builder:?}");
        assert_eq!(config["Labels"]["io.mcpo-deploy.program"], "mcp-bridge");
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(owner_of(&image, "app/logs/"), "65532/65532", "{builder:?}");

        let container = succeeded(output(docker(&["run", "-d", "--read-only", &image])));
        made.containers.push(container.trim().to_owned());
        let status = status_through(container.trim());
        assert_eq!(status["websocket"]["value"]["status"], "active", "{builder:?}: {status}");
    }
}

#[test]
fn what_a_foreign_base_brings_is_reset_and_what_is_asked_for_is_kept() {
    let mut made = Made::new("foreign");
    let base = made.image("base");
    let context = tempfile::tempdir().expect("a folder");
    copy(&program("mcp-orchestrator"), &context.path().join("server"));
    std::fs::write(
        context.path().join("Dockerfile"),
        "FROM scratch\nCOPY server /server\nUSER 0\nHEALTHCHECK CMD exit 1\nENTRYPOINT [\"/none\"]\nCMD [\"serve\"]\n",
    )
    .expect("a Dockerfile");
    let folder = context.path().to_str().expect("UTF-8");
    succeeded(output(Builder::Classic.docker(&["build", "-q", "--no-cache", "-t", &base, folder])));

    let command = r#"["/server", "it's $HOME", "a \"b\""]"#;
    let args = [
        ("ORCHESTRATOR_IMAGE", base.as_str()),
        ("MCP_COMMAND", command),
        ("MCP_USER", "1000:1001"),
        ("LOG_DIR", "/var/log/my server"),
    ];
    for builder in Builder::BOTH {
        let image = made.build(builder, "Dockerfile.bridge", &args);
        let config = inspect(&image);
        assert_eq!(config["User"], "1000:1001", "{builder:?}");
        assert_eq!(config["Entrypoint"], json!(["/mcp-bridge"]), "{builder:?}");
        assert_eq!(config["Cmd"], Value::Null, "{builder:?}");
        assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/mcp-bridge", "probe"]), "{builder:?}");
        let env = config["Env"].as_array().expect("variables");
        assert!(env.contains(&json!(format!("MCP_BRIDGE_COMMAND={command}"))), "{builder:?}: {env:?}");
        assert_eq!(owner_of(&image, "var/log/my server/"), "1000/1001", "{builder:?}");
    }
}

#[test]
fn the_guides_compose_file_builds_and_starts_word_for_word() {
    let made = Made::new("compose");
    let folder = tempfile::tempdir().expect("a folder");
    let guides = folder.path().join("docker-compose.mcp-bridge.yml");
    std::fs::write(&guides, GUIDES_COMPOSE_FILE).expect("the guide's file");
    // What is this test's own: another host port than everybody's, and no registry.
    let ours = folder.path().join("override.yml");
    let text =
        json!({"services": {"mcp-bridge": {"build": {"args": {"RUST_IMAGE": made.rust}}}}}).to_string();
    let ports = "services:\n  mcp-bridge:\n    ports: !override [\"127.0.0.1::8765\"]\n";
    std::fs::write(&ours, ports).expect("the test's port");
    let args = folder.path().join("args.json");
    std::fs::write(&args, text).expect("the test's image");
    let compose = |words: &[&str]| {
        let mut command = compose_program();
        for file in [&guides, &ours, &args] {
            command.arg("-f").arg(file);
        }
        command.args(["--project-directory", checkout(), "-p", &made.name]).args(words);
        command.envs([("DOCKER_BUILDKIT", "0"), ("OPENROUTER_API_KEY", "x"), ("OPENAI_API_KEY", "y")]);
        output(command)
    };
    let _down = AtEnd(Box::new(|| {
        compose(&["down", "--rmi", "all", "--volumes", "--timeout", "2"]);
    }));

    succeeded(compose(&["up", "--build", "--detach"]));
    let container = succeeded(compose(&["ps", "--quiet", "mcp-bridge"]));
    let status = status_through(container.trim());
    assert_eq!(status["websocket"]["value"]["status"], "active", "{status}");
}

/// Asks the bridge in a container by its own probe, once it listens.
fn status_through(container: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let probe = output(docker(&[
            "exec",
            container,
            "/mcp-bridge",
            "probe",
            "--status",
            "get_orchestrator_status",
        ]));
        if probe.status.success() {
            return serde_json::from_slice(&probe.stdout).expect("JSON");
        }
        if Instant::now() > deadline {
            let logs = output(docker(&["logs", container]));
            panic!("the bridge does not answer: {} {}", text(&probe), text(&logs));
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Builder {
    Classic,
    BuildKit,
}

impl Builder {
    const BOTH: [Self; 2] = [Self::Classic, Self::BuildKit];

    fn docker(self, words: &[&str]) -> Command {
        let mut command = match self {
            Self::Classic => docker(words),
            Self::BuildKit => {
                let mut command = Command::new(client_with_buildkit());
                command.args(words).stdin(Stdio::null());
                command
            }
        };
        command.env("DOCKER_BUILDKIT", if matches!(self, Self::Classic) { "0" } else { "1" });
        command
    }
}

/// A client that speaks to `BuildKit`: by the plugin buildx, or, up to version 22, by itself.
fn client_with_buildkit() -> &'static str {
    let speaks = |client: &&&str| {
        let buildx = Command::new(client).args(["buildx", "version"]).output();
        let version = Command::new(client).args(["version", "--format", "{{.Client.Version}}"]).output();
        let version = version.map(|version| String::from_utf8_lossy(&version.stdout).into_owned());
        let major = version.ok().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        buildx.is_ok_and(|buildx| buildx.status.success()) || major.is_some_and(|major| major < 23)
    };
    ["docker", "/usr/bin/docker"]
        .iter()
        .find(speaks)
        .expect("no Docker client here has BuildKit: install docker-buildx")
}

/// What a test makes in the engine, and unmakes.
struct Made {
    name: String,
    rust: String,
    images: Vec<String>,
    containers: Vec<String>,
}

impl Made {
    fn new(test: &str) -> Self {
        let name = format!("mcpo-dockerfile-{test}-{}", std::process::id());
        let rust = format!("{name}-rust:latest");
        let made = Self { images: vec![rust.clone()], containers: Vec::new(), name, rust };
        import_stand_in(&made.rust, &format!("{LABEL}={}", made.name));
        made
    }

    fn image(&mut self, what: &str) -> String {
        self.images.insert(0, format!("{}-{what}:latest", self.name));
        self.images[0].clone()
    }

    fn build(&mut self, builder: Builder, dockerfile: &str, args: &[(&str, &str)]) -> String {
        let image = self.image(&format!("{builder:?}").to_lowercase());
        let mut command = builder.docker(&["build", "-f", dockerfile, "-t", &image]);
        let rust = ("RUST_IMAGE", self.rust.as_str());
        for (name, value) in args.iter().chain([&rust]) {
            command.args(["--build-arg", &format!("{name}={value}")]);
        }
        command.arg(".").current_dir(checkout());
        succeeded(output(command));
        image
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for container in &self.containers {
            output(docker(&["rm", "--force", "--volumes", container]));
        }
        for image in &self.images {
            output(docker(&["image", "rm", "--force", image]));
        }
        let stages = format!("label={LABEL}={}", self.name);
        let stages = output(docker(&["image", "ls", "--all", "--quiet", "--filter", &stages])).stdout;
        // The newest comes first, and takes along what it stands on.
        for stage in String::from_utf8_lossy(&stages).split_whitespace() {
            output(docker(&["image", "rm", stage]));
        }
    }
}

/// Does something when a test ends, however it ends.
struct AtEnd<'a>(Box<dyn Fn() + 'a>);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// An image with this machine's shell and what it needs, our programs, and the stand-in for cargo.
fn import_stand_in(image: &str, label: &str) {
    let root = tempfile::tempdir().expect("a folder");
    let programs = ["/bin/sh", "/bin/cp", "/bin/mkdir"];
    for program in programs {
        let listed = output(with(Command::new("ldd"), &[program]));
        let listed = succeeded(listed);
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for path in libraries.chain([program]) {
            copy(Path::new(path), &root.path().join(path.trim_start_matches('/')));
        }
    }
    for name in ["mcp-orchestrator", "mcp-bridge"] {
        copy(&program(name), &root.path().join("built").join(name));
    }
    let cargo = root.path().join("bin/cargo");
    std::fs::write(&cargo, STAND_IN_CARGO).expect("cargo");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, executable).expect("a mode");

    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root.path()).args(["--owner=0", "--group=0", "-c", "."]).stdout(Stdio::piped());
    let mut tar = tar.spawn().expect("tar");
    let mut import =
        docker(&["import", "--change", "ENV PATH=/bin", "--change", &format!("LABEL {label}"), "-", image]);
    import.stdin(tar.stdout.take().expect("a pipe"));
    succeeded(output(import));
    assert!(tar.wait().expect("tar").success());
}

/// A static program of ours: from the folder that `MCPO_TEST_PROGRAMS` names, else as built with the tests.
fn program(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).parent().expect("a folder").to_owned();
    std::env::var_os("MCPO_TEST_PROGRAMS").map_or(beside, PathBuf::from).join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

fn checkout() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}

fn compose_program() -> Command {
    let plugin = output(docker(&["compose", "version", "--short"]));
    if plugin.status.success() {
        return docker(&["compose"]);
    }
    with(Command::new(super::compose::compose_program()), &[])
}

fn docker(words: &[&str]) -> Command {
    with(Command::new("docker"), words)
}

fn with(mut command: Command, words: &[&str]) -> Command {
    command.args(words).stdin(Stdio::null());
    command
}

fn output(mut command: Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()))
}

fn fed(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("a child");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the input is taken");
    child.wait_with_output().expect("an end")
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What an image says about the containers that are made of it.
fn inspect(image: &str) -> Value {
    let config = succeeded(output(docker(&["image", "inspect", "--format", "{{json .Config}}", image])));
    serde_json::from_str(&config).expect("JSON")
}

/// The numbers of the user and the group that a path in an image belongs to.
fn owner_of(image: &str, path: &str) -> String {
    let container = succeeded(output(docker(&["create", image])));
    let mut export = docker(&["export", container.trim()]).stdout(Stdio::piped()).spawn().expect("an export");
    let mut tar = with(Command::new("tar"), &["--numeric-owner", "-tv"]);
    tar.stdin(export.stdout.take().expect("a pipe"));
    let list = succeeded(output(tar));
    assert!(export.wait().expect("an export").success());
    succeeded(output(docker(&["rm", container.trim()])));
    let line = list.lines().find(|line| line.ends_with(&format!(" {path}")));
    let line = line.unwrap_or_else(|| panic!("{path} is not in the image:\n{list}"));
    line.split_whitespace().nth(1).expect("an owner").to_owned()
}
