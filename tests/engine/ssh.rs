//! An engine behind SSH: a real server of the test's own, on a port of its own, with keys that are
//! made for one test.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::docker::{run, until};
use super::remote::up_verify_down;
use super::rig::{Rig, free_port};

/// A server that takes one key, and a client's folder beside it.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["host", "client", "other"] {
            key(&folder.path().join(name));
        }
        let (port, at) = (free_port(), |name: &str| folder.path().join(name).display().to_string());
        // A session finds the programs, and the engine, where this test does.
        let variables = ["PATH", "DOCKER_HOST"].map(|name| (name, std::env::var(name)));
        let variables = variables.iter().filter_map(|(name, value)| Some((name, value.as_ref().ok()?)));
        let variables: Vec<String> = variables.map(|(name, value)| format!("\"{name}={value}\"")).collect();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nSetEnv {}\n",
            at("host"),
            at("client.pub"),
            variables.join(" ")
        );
        fs::write(at("sshd_config"), config).expect("a file");
        let client = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n",
            at("client"),
            at("known_hosts")
        );
        fs::write(at("ssh_config"), client).expect("a file");
        let mut server = Self { process: start(&folder.path().join("sshd_config")), folder, port };
        server.remember("host");
        server.wrap_client();
        until("the SSH server listens", || {
            let ended = server.process.try_wait().expect("a state");
            assert!(ended.is_none(), "sshd: {}", server.log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("sshd_config.log")).unwrap_or_default()
    }

    /// Makes a key the one that the client knows this server by.
    fn remember(&self, name: &str) {
        let public = fs::read_to_string(self.file(&format!("{name}.pub"))).expect("a key");
        let line = format!("[127.0.0.1]:{} {public}", self.port);
        fs::write(self.file("known_hosts"), line).expect("a file");
    }

    /// A client that has this test's configuration and not the user's.
    fn wrap_client(&self) {
        let program = run(Command::new("sh").args(["-c", "command -v ssh"]), "").ok().out;
        let config = self.file("ssh_config").display().to_string();
        let wrapper = self.file("bin/ssh");
        fs::create_dir(self.file("bin")).expect("a folder");
        fs::write(&wrapper, format!("#!/bin/sh\nexec {} -F {config} \"$@\"\n", program.trim()))
            .expect("a file");
        fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).expect("a mode");
    }

    pub(crate) fn address(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }

    /// `PATH` with the client first.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", self.file("bin").display(), std::env::var("PATH").expect("a PATH"))
    }

    /// How many processes of its clients there are.
    pub(crate) fn clients(&self) -> usize {
        let config = self.file("ssh_config").display().to_string();
        let listed = run(Command::new("ps").args(["-eo", "args"]), "").ok().out;
        listed.lines().filter(|line| line.contains(&config)).count()
    }

    /// What is said where the engine behind an address is not reached.
    #[track_caller]
    fn refused(&self, address: &str) -> String {
        let rig = Rig::new("ssh-refused");
        let mut command = rig.command(&["up"]);
        let ran = run(command.env("PATH", self.path()).env("DOCKER_HOST", address), "").ended(69);
        assert_eq!((ran.out.as_str(), rig.what_there_is()), ("", Vec::new()));
        ran.err.replace(&self.port.to_string(), "[PORT]")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    run(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path), "").ok();
}

/// It ends with this process, however that ends.
fn start(config: &Path) -> Child {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    let program = program.expect("no SSH server is installed; as root: apt-get install openssh-server");
    if rustix::process::geteuid().is_root() {
        // Where nothing starts the system's server, nothing makes this.
        fs::create_dir_all("/run/sshd").expect("a folder");
    }
    let mut server = Command::new("setpriv");
    server.args(["--pdeathsig", "KILL", program, "-D", "-E"]).arg(config.with_extension("log"));
    server.arg("-f").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().expect("setpriv")
}

#[test]
fn an_engine_behind_ssh_is_brought_up_proved_and_taken_down() {
    let server = Server::start();
    let mut rig = Rig::new("ssh");
    rig.set("DOCKER_HOST", &server.address());
    rig.set("PATH", &server.path());
    up_verify_down(&rig, &server.address());
    // Each connection's process went with the program.
    until("no client is left", || server.clients() == 0);
}

#[test]
fn a_host_whose_key_is_not_known_or_has_changed_is_not_spoken_to() {
    let server = Server::start();
    fs::remove_file(server.file("known_hosts")).expect("a file");
    insta::assert_snapshot!("unknown_host", server.refused(&server.address()));
    assert!(!server.file("known_hosts").exists(), "the key was taken as it came");
    server.remember("other");
    insta::assert_snapshot!("changed_host", server.refused(&server.address()));
}

#[test]
fn what_stands_between_us_and_an_engine_behind_ssh_is_told() {
    let server = Server::start();
    let closed = free_port();
    let told = server.refused(&format!("ssh://127.0.0.1:{closed}")).replace(&closed.to_string(), "[CLOSED]");
    insta::assert_snapshot!("closed_port", told);
    insta::assert_snapshot!(
        "more_than_a_host",
        server.refused(&format!("{}/run/docker.sock", server.address()))
    );
    // Another key than the server takes.
    fs::copy(server.file("other"), server.file("client")).expect("a copy");
    let told = server.refused(&server.address());
    insta::assert_snapshot!("no_key", told.replace(&whoami(), "[USER]"));
}

fn whoami() -> String {
    run(Command::new("id").arg("-un"), "").ok().out.trim().to_owned()
}
