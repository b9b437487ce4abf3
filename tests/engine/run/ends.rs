//! How it ends, and that nothing is left.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::docker::{container, run, until};
use super::super::interruption::signal;
use super::super::pty::Terminal;
use super::super::rig::Rig;
use super::super::second_engine::Engine;
use super::{COPYING, Client, none_left, rig};

/// Makes the program the first process of its container, as ours is: there SIGTERM does nothing by default.
const FIRST: &str = "LABEL io.mcpo-deploy.program=fixture\n";

#[test]
fn the_end_of_input_ends_the_server_and_the_container_is_gone_by_then() {
    let rig = rig("run-eof", "[copy, \"3\"]");
    let mut client = Client::of(&rig);
    assert_eq!(rig.clients().len(), 1);
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(3));
    none_left(&rig);
}

#[test]
fn a_server_that_ignores_the_end_of_its_input_is_stopped_after_its_grace() {
    let rig = rig("run-deaf", "[outstay]");
    let ran = run(&mut rig.command(&["run", "--grace", "1"]), "a line\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(143), "a line\n"), "{}", ran.err);
    assert!(ran.err.contains("did not end within 1s of the end of its input"), "{}", ran.err);
    none_left(&rig);
}

#[test]
fn every_signal_that_asks_for_the_end_ends_the_container_too() {
    for name in ["INT", "TERM", "HUP"] {
        let rig = rig("run-signals", "[outstay]");
        let mut client = Client::of(&rig);
        signal(&client.child, name);
        assert_eq!(client.code(), Some(143), "{name}");
        none_left(&rig);
    }
}

#[test]
fn a_hangup_that_was_to_be_ignored_ends_nothing() {
    let rig = rig("run-nohup", "[copy, \"0\"]");
    let plain = rig.command(&["run"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(plain.get_current_dir().expect("the rig's folder"));
    let mut client = Client::started(&mut command);
    assert_eq!(client.ask("before"), "before");
    signal(&client.child, "HUP");
    assert_eq!(client.ask("after"), "after");
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(0));
    none_left(&rig);
}

#[test]
fn a_second_signal_waits_for_nothing() {
    let mut rig = rig("run-impatient", "[outstay]");
    let image = rig.image("first", &format!("{COPYING}{FIRST}"));
    rig.use_image(&image, "status");
    let mut client = Client::of(&rig);
    let begun = Instant::now();
    signal(&client.child, "TERM");
    signal(&client.child, "INT");
    assert_eq!(client.code(), Some(137));
    // The engine itself would kill it after ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    none_left(&rig);
}

#[test]
fn a_client_that_takes_no_more_ends_the_server() {
    let rig = rig("run-untaken", "[outstay]");
    let mut client = Client::of(&rig);
    drop(client.stdout.take());
    let stdin = client.stdin.as_mut().expect("a pipe");
    std::io::Write::write_all(stdin, b"to nobody\n").expect("room");
    assert_eq!(client.code(), Some(143));
    none_left(&rig);
}

#[test]
fn a_client_that_is_gone_ends_a_server_that_says_nothing() {
    let rig = rig("run-deserted", "[copy, \"7\"]");
    let mut client = Client::of(&rig);
    drop(client.stdout.take());
    assert_eq!(client.code(), Some(7), "its input ended, though the client's way to it did not");
    none_left(&rig);
}

#[test]
fn a_client_that_is_gone_ends_a_server_that_neither_reads_nor_says_anything() {
    let rig = rig("run-deaf-deserted", "[deaf]");
    let mut flood = Command::new("yes").stdout(Stdio::piped()).spawn().expect("yes");
    let mut command = rig.command(&["run", "--grace", "1"]);
    command.stdin(flood.stdout.take().expect("a pipe")).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("the command line");
    until("a container that runs", || {
        rig.clients().first().is_some_and(|name| container(name)["State"]["Running"] == true)
    });
    drop(child.stdout.take());
    let mut client = Client { child, stdin: None, stdout: None };
    assert_eq!(client.code(), Some(143));
    none_left(&rig);
    flood.kill().and_then(|()| flood.wait()).expect("its end");
}

#[test]
fn a_terminal_is_refused_with_a_reason() {
    let rig = rig("run-terminal", "[copy, \"0\"]");
    let terminal = Terminal::start(&rig.command(&["run"]), 200);
    let (code, drawn) = terminal.end();
    assert_eq!(code, Some(125));
    assert!(drawn.contains("standard input is a terminal"), "{drawn}");
    assert!(drawn.contains("mcpo-deploy call"), "{drawn}");
    none_left(&rig);
}

#[test]
fn every_failure_of_its_own_is_125() {
    let rig = Rig::new("run-failures");
    let image = rig.named("absent:latest");
    let ran = rig.run(&["run", "--set", &format!("orchestrator.image={image}")]).ended(125);
    assert!(ran.err.contains("is not here") && ran.err.contains("mcpo-deploy build"), "{}", ran.err);
    assert_eq!(ran.out, "");
    for wrong in [&["run", "--no-such-flag"][..], &["--format", "json", "run", "--grace", "abc"]] {
        let ran = rig.run(wrong).ended(125);
        assert_eq!(ran.out, "", "{wrong:?}");
    }
    rig.run(&["render", "run", "--format", "nope"]).ended(64);
    rig.run(&["run", "--set", "hardening.memory=much"]).ended(125);
    let mut elsewhere = rig.command(&["run"]);
    run(elsewhere.env("DOCKER_HOST", "unix:///nowhere/docker.sock"), "").ended(125);
    none_left(&rig);
}

#[test]
fn a_program_that_is_not_there_is_a_failure_of_ours_and_leaves_nothing() {
    let mut rig = Rig::new("run-no-program");
    let dockerfile =
        format!("FROM scratch\nCOPY contained-fixture /server\nENTRYPOINT [\"/not-there\"]\n{FIRST}");
    let image = rig.image("server", &dockerfile);
    rig.use_image(&image, "status");
    let ran = rig.run(&["run", "--format", "json"]).ended(125);
    assert_eq!(ran.out, "", "standard output is the server's alone");
    assert!(ran.err.contains("cannot start container") && ran.err.contains("/not-there"), "{}", ran.err);
    none_left(&rig);
}

#[test]
fn one_that_is_interrupted_before_its_server_has_started_leaves_nothing() {
    let rig = rig("run-early", "[outstay]");
    // On an engine that is held up, there is time for it.
    let mut client = Client::begin(&rig, &[]);
    until("a container", || !rig.clients().is_empty());
    signal(&client.child, "TERM");
    assert!(matches!(client.code(), Some(125 | 143)));
    none_left(&rig);
}

#[test]
fn a_container_that_somebody_removed_ends_the_run_with_its_code() {
    let rig = rig("run-removed", "[outstay]");
    let mut client = Client::of(&rig);
    let name = rig.clients().pop().expect("a container");
    assert_eq!(container(&name)["State"]["Running"], true);
    super::super::docker::run(Command::new("docker").args(["rm", "-f", &name]), "").ok();
    assert_eq!(client.code(), Some(137));
    none_left(&rig);
}

#[test]
fn a_run_whose_engine_is_killed_says_so_and_nothing_is_left_when_that_is_back() {
    let mut engine = Engine::start();
    let mut rig = Rig::of_ours("run-engine-lost");
    // The second engine has no networks.
    rig.set("MCPO_HARDENING_NETWORK", "none");
    engine.mcpo(&rig, &["up", "build-only"]).ok();
    rig.set("DOCKER_HOST", &engine.host());
    let mut client = Client::begin(&rig, &[]);
    let question = "{\"method\": \"get_orchestrator_status\", \"params\": {}}";
    assert!(client.ask(question).contains("active"));
    engine.order("kill");
    assert_eq!(client.code(), Some(125));
    engine.order("start");
    engine.await_answer();
    let left = || engine.docker(&["ps", "--all", "--quiet"]).ok().out;
    until("the engine has removed it", || left().is_empty());
}
