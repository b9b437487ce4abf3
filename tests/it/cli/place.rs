//! A folder of its own for each test, and the program run in it with nothing of this process's
//! environment.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::engine::Engine;

/// No test waits longer for the program; it takes milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A user who is not root and owns nothing.
const NOBODY: u32 = 65534;

/// A folder `demo` with nothing in it, beside one with programs that could go into images.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) programs: PathBuf,
    root: tempfile::TempDir,
    /// Ports that were free a moment ago: the WebSocket's and REST's.
    pub(super) ports: [u16; 2],
    env: Vec<(String, String)>,
    run_by_nobody: bool,
}

/// What the program left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Place {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let (folder, programs) = (root.path().join("demo"), root.path().join("programs"));
        for path in [&folder, &programs] {
            std::fs::create_dir(path).expect("a folder");
        }
        // Others may look, for tests that run as somebody else.
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
        for name in ["mcp-orchestrator", "mcp-bridge"] {
            std::fs::write(programs.join(name), program()).expect("a program");
        }
        let free = [0; 2].map(|any| TcpListener::bind(("127.0.0.1", any)).expect("a port"));
        let ports = free.map(|listener| listener.local_addr().expect("an address").port());
        Self { folder, programs, root, ports, env: Vec::new(), run_by_nobody: false }
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("a mode");
        self
    }

    pub(super) fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Where this process is root, who may do everything, the program runs as somebody who may not.
    pub(super) fn by_nobody(mut self) -> Self {
        self.run_by_nobody = true;
        self
    }

    /// Runs the program where there is no engine to speak of.
    pub(super) async fn run(&self, args: &[&str]) -> Ran {
        self.run_on(&format!("unix://{}", self.root().join("no.sock").display()), args).await
    }

    pub(super) async fn run_with(&self, engine: &Engine, args: &[&str]) -> Ran {
        self.run_on(&engine.host, args).await
    }

    pub(super) async fn run_on(&self, host: &str, args: &[&str]) -> Ran {
        self.spawn_on(host, args).ended().await
    }

    pub(super) fn spawn_on(&self, host: &str, args: &[&str]) -> Running {
        self.spawn_into(Stdio::piped(), host, args)
    }

    /// Runs the program with its standard output going somewhere else.
    pub(super) fn spawn_into(&self, stdout: Stdio, host: &str, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpo-deploy"));
        command.args(args).current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true).env_clear();
        command.env("HOME", self.root()).env("PATH", "/usr/bin:/bin");
        if !host.is_empty() {
            let [websocket, rest] = self.ports.map(|port| port.to_string());
            command.env("DOCKER_HOST", host);
            command.env("MCPO_BRIDGE_WEBSOCKET_PORT", websocket).env("MCPO_BRIDGE_REST_PORT", rest);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        if self.run_by_nobody && rustix::process::geteuid().is_root() {
            command.uid(NOBODY);
        }
        command.stdout(stdout).stderr(Stdio::piped());
        Running(command.spawn().expect("the program"))
    }

    /// As [`Place::run_on`], for a person and for a program: an error must say the same to both.
    pub(super) async fn fail_on(&self, host: &str, args: &[&str]) -> String {
        let human = self.run_on(host, args).await;
        let json: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        let json = self.run_on(host, &json).await;
        assert_eq!(human.stdout, "", "data on an error: {human:?}");
        assert_eq!((human.code, &human.stderr), (json.code, &json.stderr));
        let error = &json.json()["error"];
        assert_eq!(error["exit"], human.code);
        let message = error["message"].as_str().expect("a message");
        assert!(human.stderr.contains(&format!("error: {message}\n")), "{human:?}");
        self.filtered(&format!("{}\nexit {}\n{}", human.stderr, human.code, json.stdout))
    }

    pub(super) async fn fail_with(&self, engine: &Engine, args: &[&str]) -> String {
        let programs = self.programs.display().to_string();
        let args: Vec<&str> = args.iter().copied().chain(["--programs", &programs]).collect();
        self.fail_on(&engine.host, &args).await
    }

    /// A text without what differs from run to run.
    pub(super) fn filtered(&self, text: &str) -> String {
        let mut text = text.replace(&self.root().display().to_string(), "[ROOT]");
        for (port, name) in self.ports.iter().zip(["[WEBSOCKET]", "[REST]"]) {
            text = text.replace(&port.to_string(), name);
        }
        let times = regex::Regex::new(r"\b\d+ ms\b|\b\d+\.\d s\b").expect("a pattern");
        times.replace_all(&text, "[TIME]").into_owned()
    }
}

/// The program while it runs.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn signal(&self, signal: Signal) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), signal).expect("a signal");
    }

    pub(super) async fn ended(self) -> Ran {
        let ended = timeout(PATIENCE, self.0.wait_with_output()).await;
        let output = ended.expect("in time").expect("the program");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code().unwrap_or_else(|| panic!("{output:?}")),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// The one document on standard output.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The head of a static program for 64-bit Linux on amd64 (ELF, System V ABI), and nothing else.
fn program() -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    bytes[18..20].copy_from_slice(&62_u16.to_le_bytes());
    bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
    bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
    bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
    bytes[64] = 1;
    bytes
}
