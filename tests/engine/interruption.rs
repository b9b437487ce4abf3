//! Ctrl-C at any moment, and worse: a rerun continues, and nothing is left that nobody owns.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use super::docker::{container, until};
use super::rig::Rig;

/// Sends a signal to a program.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// Interrupts once a line with `words` was said, and returns the exit code.
pub(crate) fn interrupt_after(child: &mut Child, words: &str) -> Option<i32> {
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let said = lines.by_ref().map_while(Result::ok).any(|line| line.contains(words));
    assert!(said, "{words} was never said");
    signal(child, "INT");
    // What it goes on to say is read, so that it does not wait for its reader.
    lines.for_each(drop);
    child.wait().expect("an end").code()
}

#[test]
fn an_interrupted_up_ends_with_130_and_a_rerun_succeeds() {
    for moment in ["create network", "create volume", "create container", "start container"] {
        let rig = Rig::new("interrupted");
        let mut up = rig.start(&["up"]);
        let code = interrupt_after(&mut up, moment);
        assert_eq!(code, Some(130), "after {moment}");
        assert_eq!(rig.probes(), Vec::<String>::new(), "after {moment}");
        rig.up();
        assert_eq!(container(&rig.bridge())["State"]["Running"], true, "after {moment}");
        assert_eq!(rig.rest_status("get_orchestrator_status")["status"], "active");
    }
}

#[test]
fn an_interrupted_build_ends_at_once_and_leaves_nothing_half_made() {
    let rig = Rig::new("building");
    super::contexts::server(&rig);
    let image = rig.named("slow:latest");
    rig.owns_image(&image);
    // A step that never ends by itself.
    rig.write(
        "server/Dockerfile",
        "FROM scratch\nCOPY contained-fixture /idle\nRUN [\"/idle\", \"say\", \"building\"]\n",
    );
    let named = format!("orchestrator.image={image}");
    let args = ["up", "-v", "--set", "orchestrator.build.context=server", "--set", &named];
    let mut up = rig.start(&args);
    assert_eq!(interrupt_after(&mut up, "building"), Some(130));
    assert!(super::docker::inspect("image", &image).is_none());
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
    // The engine ends the step when its client goes.
    until("the build's container is gone", || {
        let ran = super::docker::docker(&["ps", "--no-trunc", "--format", "{{.Command}}"]).ok();
        !ran.out.contains("/idle say building")
    });
    rig.up();
}

#[test]
fn an_interrupted_verification_removes_its_container() {
    let rig = Rig::new("verifying");
    rig.up();
    let verify = rig.start(&["verify"]);
    until("a container of the verification's", || !rig.probes().is_empty());
    signal(&verify, "INT");
    let output = verify.wait_with_output().expect("an end");
    // It may have been done already.
    assert!(matches!(output.status.code(), Some(130 | 0)), "{output:?}");
    assert_eq!(rig.probes(), Vec::<String>::new());
    rig.run(&["verify"]).ok();
}

#[test]
fn nothing_is_left_after_a_verification_was_killed_and_down_was_run() {
    let rig = Rig::new("killed");
    rig.up();
    let mut verify = rig.start(&["verify"]);
    until("a container of the verification's", || !rig.probes().is_empty());
    signal(&verify, "KILL");
    verify.wait().expect("an end");
    rig.run(&["down", "--volumes"]).ok();
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
    let ps = super::docker::run(Command::new("ps").args(["-eo", "args"]), "");
    assert!(!ps.out.contains(&rig.project), "{}", ps.out);
}

#[test]
fn an_up_that_was_killed_is_finished_by_the_next() {
    let rig = Rig::new("up-killed");
    let mut up = rig.start(&["up"]);
    let mut lines = BufReader::new(up.stderr.take().expect("a pipe")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("create container")));
    signal(&up, "KILL");
    up.wait().expect("an end");
    rig.up();
    assert_eq!(rig.rest_status("get_orchestrator_status")["status"], "active");
    // A probe that the killed one left goes with the next `up` or `down`.
    rig.run(&["down", "--volumes"]).ok();
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}

#[test]
fn following_logs_end_with_the_signal_and_leave_the_container_alone() {
    let rig = Rig::new("following");
    rig.up();
    let mut command = rig.command(&["logs", "--follow"]);
    let mut logs =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("logs");
    let mut byte = [0; 1];
    logs.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("the bridge says that it listens");
    signal(&logs, "INT");
    assert_eq!(logs.wait().expect("an end").code(), Some(130));
    assert_eq!(container(&rig.bridge())["State"]["Running"], true);
}
