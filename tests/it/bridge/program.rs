//! The program `mcp-bridge`: its arguments, its end, its probe.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::{Bridge, PATIENCE, closed, fixture, gone, hear, of_fixture, pid, wake};

pub(super) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) async fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        timeout(PATIENCE, command.output()).await.expect("in time").expect("a program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// The program at work, once it listens on `count` addresses.
pub(super) struct Serving {
    process: Child,
    pub(super) addrs: Vec<SocketAddr>,
    // Kept open, so that the program can go on talking.
    pub(super) stderr: Option<Lines<BufReader<ChildStderr>>>,
}

pub(super) async fn serve(command: &mut Command, count: usize) -> Serving {
    let mut process = command.spawn().expect("a program");
    let mut stderr = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    let mut addrs = Vec::new();
    while addrs.len() < count {
        let line = timeout(PATIENCE, stderr.next_line()).await.expect("in time").expect("text");
        let line = line.expect("the program runs");
        if let Some((_, rest)) = line.split_once("listening on ") {
            addrs.push(rest.split(": ").next().expect("an address").parse().expect("an address"));
        }
    }
    Serving { process, addrs, stderr: Some(stderr) }
}

pub(super) async fn client(addr: SocketAddr) -> super::Client {
    let tcp = tokio::net::TcpStream::connect(addr).await.expect("a way");
    tokio_tungstenite::client_async(format!("ws://{addr}/"), tcp).await.expect("a WebSocket").0
}

pub(super) async fn end(mut serving: Serving, signal: Signal) -> Option<i32> {
    serving.stop(signal);
    timeout(PATIENCE, serving.process.wait()).await.expect("in time").expect("a status").code()
}

impl Serving {
    /// Reads on what it says, for as long as it says anything.
    pub(super) fn read_on(&mut self) {
        let mut stderr = self.stderr.take().expect("nobody reads");
        tokio::spawn(async move { while let Ok(Some(_)) = stderr.next_line().await {} });
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id().expect("a running program")
    }

    pub(super) fn stop(&self, signal: Signal) {
        super::send(self.id(), signal);
    }
}

#[tokio::test]
async fn listening_beyond_loopback_is_refused_with_reason_and_way_out() {
    let (code, _, stderr) = output(program().args(["--listen", "0.0.0.0:0", "--", "cat"])).await;
    assert_eq!(code, Some(64));
    assert!(stderr.starts_with("error: refusing to listen on 0.0.0.0:0"), "{stderr}");
    assert!(stderr.contains("hint: ") && stderr.contains("--behind-publication"), "{stderr}");
}

#[tokio::test]
async fn bad_input_ends_with_64_and_touches_nothing() {
    for (args, words) in [
        (&[][..], "no server to run"),
        (&["--", "no-such-program-anywhere"], "no program \"no-such-program-anywhere\""),
        (&["--max-message", "many", "--", "cat"], "--max-message"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let (code, _, stderr) = output(program().args(args)).await;
        assert_eq!(code, Some(64), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[tokio::test]
async fn the_variables_of_the_image_let_it_listen_on_every_address() {
    let mut command = program();
    command.env("MCP_BRIDGE_BEHIND_PUBLICATION", "1").env("MCP_BRIDGE_LISTEN", "0.0.0.0:0,0.0.0.0:0");
    command.env("MCP_BRIDGE_COMMAND", r#"["cat"]"#).env("MCP_BRIDGE_ALLOW_HOST", "");
    let serving = serve(&mut command, 2).await;
    let (code, stdout, _) =
        output(program().args(["probe", "--listen", &serving.addrs[0].to_string()])).await;
    assert_eq!((code, stdout), (Some(0), format!("127.0.0.1:{} is healthy\n", serving.addrs[0].port())));
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn a_probe_that_is_not_answered_gives_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let listen = silent.local_addr().expect("an address").to_string();
    let (code, _, stderr) =
        output(program().args(["probe", "--timeout", "100ms", "--listen", &listen])).await;
    assert_eq!((code, stderr), (Some(1), format!("{listen} did not answer within 100ms\n")));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let bridge = Bridge::start(of_fixture("bare")).await;
    let (code, _, stderr) = output(program().args(["--listen", &bridge.addr.to_string(), "--", "cat"])).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("cannot listen on {}", bridge.addr)), "{stderr}");
    bridge.finish().await;
}

#[tokio::test]
async fn help_says_that_it_is_a_program_of_its_own() {
    let (code, stdout, _) = output(program().arg("--help")).await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("neither Docker nor a configuration file"), "{stdout}");
}

#[tokio::test]
async fn a_signal_ends_it_with_its_clients_told_its_servers_gone_and_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let script = "echo $$; exec cat";
        let args = ["--listen", "127.0.0.1:0,127.0.0.1:0", "--", "sh", "-c", script];
        let serving = serve(program().args(args), 2).await;
        let (mut one, mut two) = (client(serving.addrs[0]).await, client(serving.addrs[1]).await);
        let servers = [pid(&mut one).await, pid(&mut two).await];
        let told = tokio::spawn(async move { (closed(&mut one).await.0, closed(&mut two).await.0) });
        assert_eq!(end(serving, signal).await, Some(0));
        assert_eq!(told.await.expect("no panic"), (1001, 1001));
        for server in servers {
            assert!(!super::lives(server));
        }
    }
}

#[tokio::test]
async fn a_bridge_that_is_killed_takes_a_polite_server_with_it() {
    let args = ["--listen", "127.0.0.1:0", "--", "sh", "-c", "echo $$; exec cat"];
    let serving = serve(program().args(args), 1).await;
    let mut client = client(serving.addrs[0]).await;
    let server = pid(&mut client).await;
    end(serving, Signal::KILL).await;
    gone(server).await;
}

#[tokio::test]
async fn orphans_of_a_server_are_reaped_while_it_runs() {
    let script = "(sh -c 'echo $$; sleep 0.1' & ); exec cat";
    let args = ["--listen", "127.0.0.1:0", "--", "sh", "-c", script];
    let serving = serve(program().args(args), 1).await;
    let mut client = client(serving.addrs[0]).await;
    let orphan = pid(&mut client).await;
    // A zombie would stay in /proc for as long as the bridge runs.
    gone(orphan).await;
    futures_util::SinkExt::send(&mut client, "still here".into()).await.expect("an open connection");
    assert_eq!(hear(&mut client).await, "still here");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn what_a_server_left_behind_is_killed_and_reaped_when_its_client_leaves() {
    let script = "setsid sh -c 'echo $$; exec sleep 600' & exec cat";
    let args = ["--listen", "127.0.0.1:0", "--", "sh", "-c", script];
    let serving = serve(program().args(args), 1).await;
    let mut client = client(serving.addrs[0]).await;
    let left = pid(&mut client).await;
    drop(client);
    gone(left).await;
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn the_python_invocation_runs_the_server_of_the_environment() {
    let mut command = program();
    command.env("MCP_BRIDGE_COMMAND", r#"["sh","-c","echo from the image; exec cat"]"#);
    command.env("MCP_BRIDGE_LISTEN", "127.0.0.1:0").args(["python", "-m", "mcp_bridge"]);
    let serving = serve(&mut command, 1).await;
    let mut client = client(serving.addrs[0]).await;
    wake(&mut client).await;
    assert_eq!(hear(&mut client).await, "from the image");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn the_probe_tells_a_bridge_that_works_from_one_that_is_not_there() {
    let bridge = Bridge::start(of_fixture("bare")).await;
    let listen = bridge.addr.to_string();
    let (code, stdout, _) = output(program().args(["probe", "--listen", &listen])).await;
    assert_eq!((code, stdout.as_str()), (Some(0), format!("{listen} is healthy\n").as_str()));
    bridge.finish().await;
    let mut probe = program();
    let (code, _, stderr) = output(probe.arg("probe").env("MCP_BRIDGE_LISTEN", &listen)).await;
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("cannot connect to ") && stderr.lines().count() == 1, "{stderr}");
}

#[tokio::test]
async fn the_probe_calls_a_tool_over_both_wires() {
    for (dialect, spoken) in [("legacy", "MCP 2025-11-25, handshake"), ("fussy", "bare JSON lines")] {
        let server = fixture();
        let args = ["--listen", "127.0.0.1:0,127.0.0.1:0", "--"];
        let serving = serve(program().args(args).arg(&server).arg(dialect), 2).await;
        let listen = serving.addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let ask = |tool: &str| {
            let mut probe = program();
            probe.args(["probe", "--listen", &listen, "--status", tool]);
            probe
        };
        let (code, stdout, stderr) = output(&mut ask("status")).await;
        let seen: Value = serde_json::from_str(&stdout).expect("one line of JSON");
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert_eq!(seen["websocket"]["dialect"], spoken);
        for wire in ["websocket", "rest"] {
            assert_eq!((&seen[wire]["ok"], &seen[wire]["value"]["status"]), (&true.into(), &"active".into()));
        }
        let (code, stdout, _) = output(&mut ask("fail")).await;
        let seen: Value = serde_json::from_str(&stdout).expect("one line of JSON");
        assert_eq!(
            (code, &seen["websocket"]["ok"], &seen["rest"]["ok"]),
            (Some(1), &false.into(), &false.into())
        );
        assert_eq!(end(serving, Signal::TERM).await, Some(0));
    }
}
