//! A bridge with four clients whom nothing is to reach, one on each wire, and what it takes while nothing
//! happens.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::super::program::{Serving, end, program, serve};
use super::super::{PATIENCE, children_of, fixture, until};
use super::WIRES;
use super::caller::Caller;

const MIB: usize = 1 << 20;
/// What a bridge may hold more after a fault and during it, in bytes: a session keeps 1 MiB of messages.
pub(super) const SMALL: (usize, usize) = (8 * MIB, 16 * MIB);
/// The same where messages of 8 MiB come and go, of which the allocator keeps some room.
pub(super) const LARGE: (usize, usize) = (64 * MIB, 96 * MIB);
/// Looks in a row that see the same before it is held to stay so.
const STILL: u32 = 40;
const LOOK: Duration = Duration::from_millis(5);

pub(super) struct Rig {
    serving: Serving,
    bystanders: Vec<Caller>,
    /// Keeps the bystander's session from falling idle.
    _listening: TcpStream,
    folder: TempDir,
    notes: u32,
    secret: u64,
    children: BTreeSet<u32>,
    descriptors: usize,
    /// What it held of memory, in bytes.
    resident: usize,
    /// The most that it was seen to hold since.
    peak: usize,
}

impl Rig {
    /// The program as it is.
    pub(super) async fn start() -> Self {
        let flags =
            "--listen 127.0.0.1:0 --stop-grace 400ms --call-timeout 3s --session-idle 1s --server-idle 100ms";
        Self::before(program().args(flags.split(' ')).arg("--")).await
    }

    /// One that does not wait long for its clients: for idle ones so many milliseconds.
    pub(super) async fn impatient(idle: u32) -> Self {
        let program = fixture().with_file_name("impatient-fixture");
        assert!(program.is_file(), "build it first: cargo build --examples");
        let mut command = Command::new(program);
        command.kill_on_drop(true).stderr(std::process::Stdio::piped()).arg(idle.to_string());
        Self::before(&mut command).await
    }

    async fn before(command: &mut Command) -> Self {
        let mut serving = serve(command.arg(fixture()).arg("legacy"), 1).await;
        serving.read_on();
        let addr = serving.addrs[0];
        let bystanders = join_all(WIRES.map(|wire| Caller::greet(addr, wire))).await;
        let listening = bystanders[1].listen().await;
        let folder = tempfile::tempdir().expect("a folder");
        let (children, descriptors, resident) = (BTreeSet::new(), 0, 0);
        let mut rig = Self {
            serving,
            bystanders,
            _listening: listening,
            folder,
            notes: 0,
            secret: 0,
            children,
            descriptors,
            resident,
            peak: 0,
        };
        rig.settle().await;
        rig
    }

    /// Waits until nothing happens any more, and takes down what the bridge holds then.
    async fn settle(&mut self) {
        self.others_notice_nothing().await;
        let mut own = BTreeSet::new();
        for bystander in 0..2 {
            let (note, arguments) = self.note(json!({}));
            self.bystanders[bystander].echoes(&arguments).await;
            own.insert(noted(&note).await);
        }
        let guardians = children_of(self.serving.id());
        own.extend(guardians.iter().filter(|(_, line)| line.contains("guardian")).map(|(id, _)| id));
        let id = self.serving.id();
        until("only the bystanders' servers are left", || children(id) == own).await;
        let (mut look, mut seen, mut same) = (interval(LOOK), 0, 0);
        while same < STILL {
            look.tick().await;
            let now = descriptors(id).len();
            same = if now == seen { same + 1 } else { 0 };
            seen = now;
        }
        let resident = resident(id);
        (self.children, self.descriptors, self.resident, self.peak) = (own, seen, resident, resident);
    }

    pub(super) fn addr(&self) -> std::net::SocketAddr {
        self.serving.addrs[0]
    }

    /// Arguments by which a server leaves its process id in a file.
    pub(super) fn note(&mut self, mut arguments: serde_json::Value) -> (PathBuf, serde_json::Value) {
        self.notes += 1;
        let note = self.folder.path().join(self.notes.to_string());
        arguments["note"] = note.to_str().expect("a UTF-8 path").into();
        (note, arguments)
    }

    /// Every bystander is answered as before, twice.
    pub(super) async fn others_notice_nothing(&mut self) {
        self.others_are_answered().await;
        self.others_are_answered().await;
    }

    /// Every bystander is answered as before, at least twice, and until this is done.
    pub(super) async fn others_notice_nothing_of<T>(&mut self, what: impl Future<Output = T>) -> T {
        let is_done = Cell::new(false);
        let what = async {
            let done = what.await;
            is_done.set(true);
            done
        };
        let others = async {
            self.others_notice_nothing().await;
            while !is_done.get() {
                self.others_are_answered().await;
            }
        };
        tokio::join!(what, others).0
    }

    async fn others_are_answered(&mut self) {
        self.secret += 1;
        let secret = self.secret;
        let all = self.bystanders.iter_mut().enumerate();
        join_all(all.map(async |(number, bystander)| {
            bystander.echoes(&json!({"of": number, "secret": secret})).await;
        }))
        .await;
        self.peak = self.peak.max(self.resident());
    }

    /// Waits for something while the bystander on a WebSocket answers pings, and hears nothing else.
    pub(super) async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> T {
        let socket = self.bystanders.iter_mut().find_map(|bystander| bystander.socket.as_mut());
        let socket = socket.expect("a WebSocket");
        let disturbed = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Ping(_))) => {}
                    other => return other,
                }
            }
        };
        tokio::select! {
            done = what => done,
            other = disturbed => panic!("a bystander heard {other:?}"),
        }
    }

    /// The processes and descriptors are what they were, and the others are still answered.
    pub(super) async fn is_as_before(&mut self, what: &str) {
        self.others_notice_nothing().await;
        let (id, wanted) = (self.serving.id(), (self.children.clone(), self.descriptors));
        let same = async {
            let mut look = interval(LOOK);
            while (children(id), descriptors(id).len()) != wanted {
                look.tick().await;
            }
        };
        if self.meanwhile(timeout(PATIENCE, same)).await.is_err() {
            let left = (children_of(id), descriptors(id));
            panic!("{what}: not {wanted:?} is left but {left:#?}");
        }
    }

    /// How much more it holds of memory than before, and held at most, is bounded.
    pub(super) fn holds_no_more_than(&self, (kept, most): (usize, usize)) {
        let more = self.resident().saturating_sub(self.resident);
        let peak = self.peak.saturating_sub(self.resident);
        assert!(more <= kept && peak <= most, "{more} bytes more are kept, {peak} were held");
    }

    pub(super) fn id(&self) -> u32 {
        self.serving.id()
    }

    /// What it holds of memory now, in bytes.
    pub(super) fn resident(&self) -> usize {
        resident(self.serving.id())
    }

    /// A file for a test's own process.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, bytes).expect("a file");
        file
    }

    /// Ends the bridge, with the bystanders still there.
    pub(super) async fn end(self) {
        assert_eq!(end(self.serving, Signal::TERM).await, Some(0));
    }
}

/// The process that has left its id in a file.
pub(super) async fn noted(note: &std::path::Path) -> u32 {
    until("a server has the call", || note.exists()).await;
    std::fs::read_to_string(note).expect("a file").parse().expect("an id")
}

fn children(id: u32) -> BTreeSet<u32> {
    children_of(id).into_iter().map(|(id, _)| id).collect()
}

/// What each of its descriptors is.
fn descriptors(id: u32) -> Vec<String> {
    let all = std::fs::read_dir(format!("/proc/{id}/fd")).expect("a running program");
    let target =
        |path: PathBuf| std::fs::read_link(path).map(|to| to.display().to_string()).unwrap_or_default();
    all.filter_map(Result::ok).map(|one| target(one.path())).collect()
}

/// How many of them are sockets.
pub(super) fn sockets(id: u32) -> usize {
    descriptors(id).iter().filter(|one| one.starts_with("socket:")).count()
}

/// What it holds of memory, in bytes.
fn resident(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
