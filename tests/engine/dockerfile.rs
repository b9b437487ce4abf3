//! `docker build` and Compose in a checkout, word for word as the guide has them: that the images
//! come out right is tested with a stand-in for the image of Rust, whose cargo puts programs in
//! place that are built already.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::compose::{GUIDES_FILE, compose_program};
use super::docker::{docker, inspect, run, until};
use super::rig::programs;
use super::stand_in::{copy, copy_with_libraries, import};

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
        let config = config_of(&image);
        assert_eq!(config["User"], "65532:65532", "{builder:?}");
        assert_eq!(config["Entrypoint"], json!(["/mcp-orchestrator"]), "{builder:?}");
        assert_eq!(config.get("Healthcheck").unwrap_or(&Value::Null), &Value::Null, "{builder:?}");
        let labels = &config["Labels"];
        assert_eq!(labels["io.mcpo-deploy.program"], "mcp-orchestrator");
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");
        assert_eq!(labels["org.opencontainers.image.source"], "https://here.test/");
        assert_eq!(owner_of(&image, "app/logs/"), "65532/65532", "{builder:?}");

        let mut guides_line = Command::new("docker");
        guides_line.args(["run", "--rm", "-i", &image, "python", "-m", "src.mcp_server"]);
        let status = run(&mut guides_line, GUIDES_STATUS_CALL).ok().json();
        assert_eq!(status["status"], "active", "{builder:?}");
    }
}

#[test]
fn without_any_orchestrators_image_the_bridge_gets_the_checkouts_own() {
    let mut made = Made::new("bridge");
    for builder in Builder::BOTH {
        let image = made.build(builder, "Dockerfile.bridge", &[]);
        let config = config_of(&image);
        assert_eq!(config["User"], "65532:65532", "{builder:?}");
        assert_eq!(config["Labels"]["io.mcpo-deploy.program"], "mcp-bridge");
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(owner_of(&image, "app/logs/"), "65532/65532", "{builder:?}");

        let container = docker(&["run", "-d", "--read-only", &image]).ok().out.trim().to_owned();
        made.containers.push(container.clone());
        let status = status_through(&container);
        assert_eq!(status["websocket"]["value"]["status"], "active", "{builder:?}: {status}");
    }
}

#[test]
fn what_a_foreign_base_brings_is_reset_and_what_is_asked_for_is_kept() {
    let mut made = Made::new("foreign");
    let base = made.image("base");
    let context = tempfile::tempdir().expect("a folder");
    copy(&programs().join("mcp-orchestrator"), &context.path().join("server"));
    std::fs::write(
        context.path().join("Dockerfile"),
        "FROM scratch\nCOPY server /server\nUSER 0\nHEALTHCHECK CMD exit 1\nENTRYPOINT [\"/none\"]\nCMD [\"serve\"]\n",
    )
    .expect("a Dockerfile");
    super::docker::build(&base, context.path());

    let command = r#"["/server", "it's $HOME", "a \"b\""]"#;
    let args = [
        ("ORCHESTRATOR_IMAGE", base.as_str()),
        ("MCP_COMMAND", command),
        ("MCP_USER", "1000:1001"),
        ("LOG_DIR", "/var/log/my server"),
    ];
    for builder in Builder::BOTH {
        let image = made.build(builder, "Dockerfile.bridge", &args);
        let config = config_of(&image);
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
    std::fs::write(&guides, GUIDES_FILE).expect("the guide's file");
    // What is this test's own: another host port than everybody's, and no registry.
    let ours = folder.path().join("override.yml");
    let text =
        json!({"services": {"mcp-bridge": {"build": {"args": {"RUST_IMAGE": made.rust}}}}}).to_string();
    let ports = "services:\n  mcp-bridge:\n    ports: !override [\"127.0.0.1::8765\"]\n";
    std::fs::write(&ours, ports).expect("the test's port");
    let args = folder.path().join("args.json");
    std::fs::write(&args, text).expect("the test's image");
    let compose = |words: &[&str]| {
        let mut command = Command::new(compose_program());
        for file in [&guides, &ours, &args] {
            command.arg("-f").arg(file);
        }
        command.args(["--project-directory", checkout(), "-p", &made.name]).args(words);
        command.envs([("DOCKER_BUILDKIT", "0"), ("OPENROUTER_API_KEY", "x"), ("OPENAI_API_KEY", "y")]);
        run(&mut command, "")
    };
    let _down = AtEnd(Box::new(|| {
        compose(&["down", "--rmi", "all", "--volumes", "--timeout", "2"]);
    }));

    compose(&["build", "--no-cache"]).ok();
    compose(&["up", "--detach"]).ok();
    let container = compose(&["ps", "--quiet", "mcp-bridge"]).ok().out;
    let status = status_through(container.trim());
    assert_eq!(status["websocket"]["value"]["status"], "active", "{status}");
}

/// Asks the bridge in a container by its own probe, once it listens.
#[track_caller]
fn status_through(container: &str) -> Value {
    let mut status = Value::Null;
    until("the bridge answers", || {
        let probe =
            docker(&["exec", container, "/mcp-bridge", "probe", "--status", "get_orchestrator_status"]);
        if probe.code == Some(0) {
            status = probe.json();
        }
        probe.code == Some(0)
    });
    status
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Builder {
    Classic,
    BuildKit,
}

impl Builder {
    pub(crate) const BOTH: [Self; 2] = [Self::Classic, Self::BuildKit];

    pub(crate) fn docker(self, words: &[&str]) -> Command {
        let (client, wanted) = match self {
            Self::Classic => ("docker", "0"),
            Self::BuildKit => (client_with_buildkit(), "1"),
        };
        let mut command = Command::new(client);
        command.args(words).env("DOCKER_BUILDKIT", wanted);
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
        // A layer that another test's image has too goes when that image is removed.
        let mut command = builder.docker(&["build", "--no-cache", "-f", dockerfile, "-t", &image]);
        let rust = ("RUST_IMAGE", self.rust.as_str());
        for (name, value) in args.iter().chain([&rust]) {
            command.args(["--build-arg", &format!("{name}={value}")]);
        }
        command.arg(".").current_dir(checkout());
        run(&mut command, "").ok();
        image
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for container in &self.containers {
            docker(&["rm", "--force", "--volumes", container]);
        }
        for image in &self.images {
            docker(&["image", "rm", "--force", image]);
        }
        let stages = format!("label={LABEL}={}", self.name);
        let stages = docker(&["image", "ls", "--all", "--quiet", "--filter", &stages]).out;
        // The newest comes first, and takes along what it stands on.
        for stage in stages.split_whitespace() {
            docker(&["image", "rm", stage]);
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
    for program in ["/bin/sh", "/bin/cp", "/bin/mkdir"] {
        copy_with_libraries(Path::new(program), root.path());
    }
    for name in ["mcp-orchestrator", "mcp-bridge"] {
        copy(&programs().join(name), &root.path().join("built").join(name));
    }
    let cargo = root.path().join("bin/cargo");
    std::fs::write(&cargo, STAND_IN_CARGO).expect("cargo");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, executable).expect("a mode");
    import(root.path(), image, &["ENV PATH=/bin", &format!("LABEL {label}")]);
}

fn checkout() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}

/// What an image says about the containers that are made of it.
#[track_caller]
pub(crate) fn config_of(image: &str) -> Value {
    inspect("image", image).expect("an image")["Config"].clone()
}

/// The numbers of the user and the group that a path in an image belongs to.
#[track_caller]
fn owner_of(image: &str, path: &str) -> String {
    let container = docker(&["create", image]).ok().out;
    let container = container.trim();
    let mut export =
        Command::new("docker").args(["export", container]).stdout(Stdio::piped()).spawn().expect("an export");
    let mut tar = tar::Archive::new(export.stdout.take().expect("a pipe"));
    let mut owner = None;
    for entry in tar.entries().expect("an archive") {
        let entry = entry.expect("an entry");
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            let header = entry.header();
            owner = Some((header.uid().expect("a user"), header.gid().expect("a group")));
        }
    }
    assert!(export.wait().expect("an export").success());
    docker(&["rm", container]).ok();
    let (user, group) = owner.unwrap_or_else(|| panic!("{path} is not in the image"));
    format!("{user}/{group}")
}
