//! With an engine that takes its time for one request, or does not do as it is asked.

use std::process::Child;
use std::time::Duration;

use super::super::docker::{container, run, until};
use super::super::held::{Held, Way};
use super::super::interruption::signal;
use super::super::remote::proxy_to;
use super::super::rig::Rig;
use super::{Client, none_left, rig};

/// Starts `run` over a way, as one to a local engine.
fn begin(rig: &Rig, way: &Way) -> Client {
    begin_at(rig, &way.host())
}

fn begin_at(rig: &Rig, host: &str) -> Client {
    Client::started(rig.command(&["run"]).env("DOCKER_HOST", host))
}

fn over_tcp(way: &Way) -> String {
    format!("tcp://127.0.0.1:{}", proxy_to(&way.socket()))
}

/// Sends a signal, and waits until it has come.
fn interrupt(child: &Child, name: &str) {
    signal(child, name);
    let status = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let pending = |line: &str| {
        let mask = line.strip_prefix("ShdPnd:").or_else(|| line.strip_prefix("SigPnd:"));
        mask.is_some_and(|mask| mask.trim().bytes().any(|digit| digit != b'0'))
    };
    until("the signal has come", || !status().lines().any(pending));
}

#[test]
fn one_that_is_interrupted_while_the_engine_works_on_it_leaves_nothing() {
    let rig = rig("run-held", "[outstay]");
    for path in ["/containers/create", "/attach", "/start"] {
        for held in [Held::Request, Held::Answer] {
            // Either way its streams take.
            for address in [Way::host, over_tcp] {
                let way = Way::with(path, held);
                let host = address(&way);
                let mut client = begin_at(&rig, &host);
                way.await_held();
                interrupt(&client.child, "TERM");
                way.release();
                let code = client.code();
                assert!(matches!(code, Some(125 | 143)), "{path} {held:?} {host}: {code:?}");
                none_left(&rig);
            }
        }
    }
}

#[test]
fn what_the_engine_creates_for_one_that_did_not_wait_goes_with_the_next() {
    let rig = rig("run-late-creation", "[outstay]");
    let way = Way::with("/containers/create", Held::Request);
    let mut client = begin(&rig, &way);
    way.await_held();
    signal(&client.child, "TERM");
    assert_eq!(client.code(), Some(125));
    none_left(&rig);
    way.release();
    until("the engine has created it", || !rig.clients().is_empty());
    run(&mut rig.command(&["run", "--", "copy", "0"]), "").ok();
    none_left(&rig);
}

#[test]
fn a_server_that_the_engine_does_not_stop_is_removed() {
    let rig = rig("run-unstopped", "[outstay]");
    for held in [Held::Refused, Held::Request] {
        let way = Way::with("/stop", held);
        let mut client = begin(&rig, &way);
        assert_eq!(client.ask("are you there"), "are you there");
        signal(&client.child, "TERM");
        way.await_held();
        let code = client.code();
        assert!(code.is_some(), "{held:?}");
        none_left(&rig);
    }
}

#[test]
fn a_server_that_the_engine_does_not_stop_after_its_grace_is_removed() {
    let rig = rig("run-unstopped-grace", "[outstay]");
    for held in [Held::Refused, Held::Request] {
        let way = Way::with("/stop", held);
        let mut command = rig.command(&["run", "--grace", "1"]);
        let ran = run(command.env("DOCKER_HOST", way.host()), "a line\n");
        assert_eq!((way.come(), ran.out.as_str()), (1, "a line\n"), "{held:?}: {}", ran.err);
        none_left(&rig);
    }
}

#[test]
fn the_code_of_a_server_that_ends_at_once_is_never_missed() {
    let rig = rig("run-short", "[die, \"7\", \"at once\"]");
    for number in 0..30 {
        let ran = rig.run(&["run"]);
        assert_eq!(ran.code, Some(7), "run {number}: {}", ran.err);
        assert!(ran.err.contains("at once"), "run {number}: {}", ran.err);
    }
    none_left(&rig);
}

#[test]
fn the_code_of_a_server_that_ends_at_once_is_known_although_the_engine_is_asked_late() {
    let rig = rig("run-short-late", "[die, \"7\", \"at once\"]");
    for number in 0..5 {
        // Longer than it takes to start such a server, and to remove it.
        let way = Way::with("/wait", Held::Late(Duration::from_secs(2)));
        let ran = run(rig.command(&["run"]).env("DOCKER_HOST", way.host()), "");
        assert!(way.come() > 0, "nothing was late");
        assert_eq!(ran.code, Some(7), "run {number}: {}", ran.err);
        none_left(&rig);
    }
}

#[test]
fn a_server_runs_although_the_engine_has_not_said_so() {
    let rig = rig("run-unsaid", "[copy, \"3\"]");
    let way = Way::with("/start", Held::Answer);
    let mut client = begin(&rig, &way);
    assert_eq!(client.ask("are you there"), "are you there");
    let name = rig.clients().pop().expect("a container");
    assert_eq!(container(&name)["State"]["Running"], true);
    drop(client.stdin.take());
    until("the server has ended", || rig.clients().is_empty());
    way.release();
    assert_eq!(client.code(), Some(3));
}
