//! The program `mcp-bridge` with `everything-fixture` behind it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::brought::{lock, shared};

/// How long it may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Serving {
    process: Child,
    addr: SocketAddr,
}

impl Serving {
    /// Starts the bridge. Its own address is among the origins that are let in, as the suite's scenario of
    /// rebinding takes for granted of a server on loopback, and this bridge only grants by name.
    #[track_caller]
    pub(crate) fn start(mode: &str) -> Self {
        Self::start_before("everything-fixture", &[mode])
    }

    /// As [`start`](Self::start), with another fixture, which is told these words.
    #[track_caller]
    pub(crate) fn start_before(fixture: &str, words: &[&str]) -> Self {
        let wanted = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self::start_on(wanted, &[&format!("http://{wanted}")], fixture, words)
    }

    /// Lets in the pages of these origins, and no others.
    #[track_caller]
    pub(crate) fn start_for(origins: &[&str], fixture: &str, words: &[&str]) -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], free_port())), origins, fixture, words)
    }

    #[track_caller]
    fn start_on(wanted: SocketAddr, origins: &[&str], fixture: &str, words: &[&str]) -> Self {
        let bridge = Path::new(env!("CARGO_BIN_EXE_mcp-bridge"));
        let fixture = bridge.with_file_name("examples").join(fixture);
        assert!(fixture.is_file(), "build it first: cargo build --examples");
        let mut command = Command::new(bridge);
        let (listen, origins) = (wanted.to_string(), origins.join(","));
        command.args(["--listen", &listen, "--allow-origin", &origins, "--"]).arg(fixture).args(words);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("MCP_BRIDGE_") {
                command.env_remove(key);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the bridge");
        let stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let (sender, addrs) = mpsc::channel();
        // Reads on to the end, so that the bridge can go on talking.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let addr = line.split_once("listening on ").and_then(|(_, rest)| rest.split(": ").next());
                if let Some(addr) = addr.and_then(|addr| addr.parse().ok()) {
                    let _ = sender.send(addr);
                }
            }
        });
        let serving = Self { process, addr: wanted };
        assert_eq!(addrs.recv_timeout(PATIENCE), Ok(wanted), "the bridge listens");
        serving
    }

    /// Where MCP is spoken.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    /// Stops it as an engine would; it must end well.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("an id");
        kill_process(id, Signal::TERM).expect("a running bridge");
        let (sender, ended) = mpsc::channel::<()>();
        // If it does not end, the process is killed, which `wait` then sees.
        let watch = thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(id, Signal::KILL);
            }
        });
        let status = self.process.wait().expect("a status");
        drop(sender);
        watch.join().expect("a watch");
        assert_eq!(status.code(), Some(0), "the bridge ended badly");
    }
}

/// Where a test fails, nothing is left behind.
impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody holds and no other test is given: below the range that the kernel gives away, and
/// beside that of the engine's tests.
fn free_port() -> u16 {
    const FIRST: u16 = 31001;
    const LAST: u16 = 32000;
    let _lock = lock("ports");
    let path = shared().join("ports");
    let last = fs::read_to_string(&path).ok().and_then(|text| text.parse().ok()).unwrap_or(FIRST);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (last + 1..LAST).chain(FIRST..LAST).find(is_free).expect("a free port");
    fs::write(path, port.to_string()).expect("a file");
    port
}
