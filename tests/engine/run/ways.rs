//! Over TCP, TLS and SSH, where other code than on this machine's socket carries the streams.

use std::any::Any;
use std::process::Command;

use serde_json::{Value, json};

use super::super::docker::{container, run, until};
use super::super::interruption::signal;
use super::super::remote::proxy;
use super::super::rig::Rig;
use super::super::ssh::Server;
use super::super::tls::{self, Authority};
use super::{Client, noise, none_left, rig};

/// A way to the engine.
struct Way {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    /// What it goes through.
    _kept: Box<dyn Any>,
}

impl Way {
    fn tcp() -> Self {
        let host = format!("tcp://127.0.0.1:{}", proxy());
        Self { name: "TCP", variables: vec![("DOCKER_HOST", host)], _kept: Box::new(()) }
    }

    fn tls() -> Self {
        let authority = Authority::new("theirs");
        let client = authority.client();
        let variables = tls::settings(tls::proxy(&authority), &client).into();
        Self { name: "TLS", variables, _kept: Box::new(client) }
    }

    fn ssh() -> Self {
        let server = Server::start();
        let variables = vec![("DOCKER_HOST", server.address()), ("PATH", server.path())];
        Self { name: "SSH", variables, _kept: Box::new(server) }
    }

    fn each() -> [Self; 3] {
        [Self::tcp(), Self::tls(), Self::ssh()]
    }

    fn command(&self, rig: &Rig, args: &[&str]) -> Command {
        let mut command = rig.command(&[&["run"], args].concat());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn begin(&self, rig: &Rig) -> Client {
        Client::started(&mut self.command(rig, &[]))
    }
}

#[test]
fn a_client_shakes_hands_and_calls_a_tool_over_every_way() {
    let rig = Rig::new("run-ways-mcp");
    rig.run(&["build"]).ok();
    for way in Way::each() {
        let mut client = way.begin(&rig);
        let greeting = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        }});
        let answer: Value = serde_json::from_str(&client.ask(&greeting.to_string())).expect("a message");
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{}: {answer}", way.name);
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "get_orchestrator_status", "arguments": {},
        }});
        let answer: Value = serde_json::from_str(&client.ask(&call.to_string())).expect("a message");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(answer["id"] == 2 && text.contains("active"), "{}: {answer}", way.name);
        drop(client.stdin.take());
        assert_eq!(client.code(), Some(0), "{}", way.name);
        none_left(&rig);
    }
}

#[test]
fn every_byte_comes_back_as_it_went_in_over_every_way() {
    let rig = rig("run-ways-bytes", "[copy, \"0\"]");
    let sent = noise(4 << 20);
    for way in Way::each() {
        let mut client = way.begin(&rig);
        let got = client.sent_and_heard(&sent);
        assert!(got == sent, "{}: {} of {} bytes came, or others", way.name, got.len(), sent.len());
        assert_eq!(client.code(), Some(0), "{}", way.name);
        none_left(&rig);
    }
}

#[test]
fn the_end_of_input_ends_the_server_over_every_way_and_its_code_is_passed_on() {
    let rig = rig("run-ways-eof", "[copy, \"3\"]");
    for way in Way::each() {
        let mut client = way.begin(&rig);
        assert_eq!(client.ask("are you there"), "are you there", "{}", way.name);
        assert_eq!(rig.clients().len(), 1, "{}", way.name);
        drop(client.stdin.take());
        assert_eq!(client.code(), Some(3), "{}", way.name);
        none_left(&rig);
    }
}

#[test]
fn a_signal_removes_the_container_over_every_way() {
    let rig = rig("run-ways-signal", "[outstay]");
    for way in Way::each() {
        let mut client = way.begin(&rig);
        assert_eq!(client.ask("are you there"), "are you there", "{}", way.name);
        signal(&client.child, "TERM");
        assert_eq!(client.code(), Some(143), "{}", way.name);
        none_left(&rig);
    }
}

#[test]
fn a_server_that_stays_after_its_input_is_stopped_over_every_way() {
    let rig = rig("run-ways-grace", "[outstay]");
    for way in Way::each() {
        let ran = run(&mut way.command(&rig, &["--grace", "1"]), "a line\n");
        assert_eq!((ran.code, ran.out.as_str()), (Some(143), "a line\n"), "{}: {}", way.name, ran.err);
        none_left(&rig);
    }
}

#[test]
fn standard_error_is_the_server_s_over_every_way_and_whole() {
    let rig = rig("run-ways-errors", "[complain, \"20000\"]");
    for way in Way::each() {
        let ran = run(&mut way.command(&rig, &[]), "a line\n").ended(0);
        let lines = ran.err.lines().filter(|line| line.starts_with("complaint ")).count();
        assert_eq!((lines, ran.out.as_str()), (20_000, "a line\n"), "{}", way.name);
        let ran = run(&mut way.command(&rig, &["--", "die", "7", "out of order"]), "").ended(7);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "out of order\n"), "{}", way.name);
        none_left(&rig);
    }
}

/// Its end comes while a thread waits for room on the way.
#[test]
fn a_server_that_ends_while_it_is_spoken_to_ends_the_run_without_a_word_of_ours() {
    let rig = rig("run-ways-unheard", "[die, \"7\", \"out of order\"]");
    // What all of them stand on is made once, and told.
    rig.run(&["run"]).ended(7);
    for way in Way::each() {
        // More than any buffer between holds.
        let much = "x".repeat(64 << 20);
        let ran = run(&mut way.command(&rig, &[]), &much).ended(7);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "out of order\n"), "{}", way.name);
        none_left(&rig);
    }
}

#[test]
fn whatever_a_run_leaves_that_was_killed_elsewhere_the_next_one_removes() {
    let rig = rig("run-ways-killed", "[outstay]");
    for way in Way::each() {
        let mut killed = way.begin(&rig);
        assert_eq!(killed.ask("are you there"), "are you there", "{}", way.name);
        let left = rig.clients();
        killed.kill();
        assert_eq!(container(&left[0])["State"]["Running"], true, "{}", way.name);
        run(&mut way.command(&rig, &["--", "copy", "0"]), "").ok();
        none_left(&rig);
    }
}

#[test]
fn a_server_that_ends_with_its_input_leaves_nothing_when_its_run_is_killed_over_any_way() {
    let rig = rig("run-ways-killed-well", "[copy, \"0\"]");
    for way in Way::each() {
        let mut killed = way.begin(&rig);
        assert_eq!(killed.ask("are you there"), "are you there", "{}", way.name);
        killed.kill();
        until("the engine has removed it", || rig.clients().is_empty());
    }
}

#[test]
fn no_ssh_process_outlives_its_run_however_that_ends() {
    let rig = rig("run-ways-ssh", "[copy, \"0\"]");
    let server = Server::start();
    let begin = |args: &[&str]| {
        let mut command = rig.command(&[&["run"], args].concat());
        command.env("DOCKER_HOST", server.address()).env("PATH", server.path());
        let mut client = Client::started(&mut command);
        assert_eq!(client.ask("are you there"), "are you there");
        assert!(server.clients() > 0, "nothing goes over SSH, so that this shows nothing");
        client
    };
    let none = |how: &str| {
        until(&format!("no client of the SSH server is left after {how}"), || server.clients() == 0);
    };
    let mut client = begin(&[]);
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(0));
    none("the end of input");
    let mut client = begin(&["--", "outstay"]);
    signal(&client.child, "TERM");
    assert_eq!(client.code(), Some(143));
    none("a signal");
    let mut client = begin(&["--", "outstay"]);
    let name = rig.clients().pop().expect("a container");
    super::super::docker::docker(&["rm", "-f", &name]).ok();
    assert_eq!(client.code(), Some(137));
    none("the end of its server");
    begin(&[]).kill();
    none("SIGKILL");
    begin(&["--", "outstay"]).kill();
    none("SIGKILL, with a server that stays");
    run(&mut rig.command(&["run", "--", "copy", "0"]), "").ok();
    none_left(&rig);
}
