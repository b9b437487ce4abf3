//! What goes through.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use super::super::docker::{container, run};
use super::super::rig::Rig;
use super::{Client, noise, none_left, rig};

#[test]
fn the_guide_s_question_is_answered_on_standard_output_and_nothing_else_is() {
    let rig = Rig::new("run-guide");
    rig.run(&["build"]).ok();
    let question = "{\"method\": \"get_orchestrator_status\", \"params\": {}}\n";
    let ran = run(&mut rig.command(&["run", "--", "python", "-m", "src.mcp_server"]), question).ok();
    assert_eq!(ran.json()["status"], "active");
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    none_left(&rig);
}

#[test]
fn every_byte_comes_back_as_it_went_in() {
    let rig = rig("run-bytes", "[copy, \"0\"]");
    let sent = noise(8 << 20);
    let mut client = Client::begin(&rig, &[]);
    let got = client.sent_and_heard(&sent);
    assert!(got == sent, "{} of {} bytes came, or others", got.len(), sent.len());
    assert_eq!(client.code(), Some(0));
    none_left(&rig);
}

#[test]
fn standard_error_is_the_server_s_and_its_code_too() {
    let rig = rig("run-code", "[die, \"7\", \"out of order\"]");
    let ran = rig.run(&["run"]).ended(7);
    assert_eq!((ran.out.as_str(), ran.err.contains("out of order\n")), ("", true), "{}", ran.err);
    let ran = rig.run(&["run", "--", "die", "125", "of its own"]).ended(125);
    assert!(ran.err.contains("of its own") && !ran.err.contains("error:"), "{}", ran.err);
    none_left(&rig);
}

/// What many clients do: their servers' standard error is a pipe that nobody reads.
#[test]
fn a_client_that_never_reads_standard_error_is_answered_all_the_same() {
    let rig = rig("run-complaints", "[complain, \"200000\"]");
    let mut command = rig.command(&["run"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command line");
    let stderr = child.stderr.take().expect("a pipe");
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().map(std::io::BufReader::new);
    let mut client = Client { child, stdin, stdout };
    assert_eq!(client.ask("and now"), "and now");
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(0));
    drop(stderr);
    none_left(&rig);
}

#[test]
fn the_container_is_as_confined_as_the_one_that_verify_proves() {
    let rig = rig("run-hardened", "[copy, \"0\"]");
    let mut client = Client::of(&rig);
    let name = rig.clients().pop().expect("a container");
    let found = container(&name);
    let host = &found["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"][0], "ALL");
    assert_eq!(host["SecurityOpt"][0], "no-new-privileges:true");
    assert_eq!(host["AutoRemove"], true);
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&(2_u64 << 30).into(), &(2_u64 << 30).into()));
    assert_eq!((&host["PidsLimit"], &found["Config"]["User"]), (&256.into(), &"65532:65532".into()));
    assert_eq!(found["Config"]["OpenStdin"], true);
    assert_eq!(found["Config"]["Labels"]["io.mcpo-deploy.role"], "client");
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(0));
}

#[test]
fn every_line_of_standard_error_comes_however_fast_it_is_said() {
    let rig = rig("run-errors", "[complain, \"100000\"]");
    let ran = rig.run(&["run"]).ok();
    let lines = ran.err.lines().filter(|line| line.starts_with("complaint ")).count();
    assert_eq!(lines, 100_000);
}

#[test]
fn a_client_that_never_reads_standard_error_does_not_keep_its_server_from_being_stopped() {
    let rig = rig("run-complaints-on", "[complain-on, \"200000\"]");
    let mut command = rig.command(&["run", "--grace", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command line");
    let (stderr, stdout) = (child.stderr.take(), child.stdout.take());
    let mut client = Client { child, stdin: None, stdout: stdout.map(std::io::BufReader::new) };
    assert_eq!(client.code(), Some(143));
    drop(stderr);
    none_left(&rig);
}

#[test]
fn what_is_taken_late_is_taken_whole() {
    let rig = rig("run-late", "[copy, \"0\"]");
    let mut client = Client::begin(&rig, &[]);
    let sent = vec![b'x'; 1 << 20];
    let mut stdin = client.stdin.take().expect("a pipe");
    let to_send = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&to_send));
    // Longer than anything of ours waits for the engine.
    std::thread::park_timeout(std::time::Duration::from_secs(12));
    let mut got = Vec::new();
    client.stdout.take().expect("a pipe").read_to_end(&mut got).expect("what it says");
    writer.join().expect("a thread").expect("room");
    assert_eq!((got.len(), client.code()), (sent.len(), Some(0)));
}

/// As some wrappers leave them.
#[test]
fn streams_that_do_not_block_are_waited_for() {
    let rig = rig("run-nonblocking", "[copy, \"0\"]");
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    theirs.set_nonblocking(true).expect("a flag");
    let end = |stream: &UnixStream| Stdio::from(OwnedFd::from(stream.try_clone().expect("an end")));
    let mut command = rig.command(&["run"]);
    let mut child = command.stdin(end(&theirs)).stdout(end(&theirs)).spawn().expect("the command line");
    drop((command, theirs));
    // More than any buffer between holds.
    let sent = vec![b'x'; 4 << 20];
    let mut writer = ours.try_clone().expect("an end");
    let to_send = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&to_send).expect("room");
        writer.shutdown(std::net::Shutdown::Write).expect("an end");
    });
    let mut got = Vec::new();
    ours.read_to_end(&mut got).expect("what it says");
    writing.join().expect("a thread");
    assert_eq!(got.len(), sent.len());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    none_left(&rig);
}
