//! What a server process may take, how long it lives at most, and those that are started ahead of need.

use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

use mcpo_deploy::bridge::Settings;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use super::program::{Serving, client, end, output, program, serve};
use super::{Bridge, Client, PATIENCE, children_of, fixture, gone, hear, of_script, pid, say, send, until};

/// The bridge's guardian.
fn guardian_of(bridge: &Serving) -> Option<u32> {
    let children = children_of(bridge.id());
    children.into_iter().find(|(_, line)| line.contains("guardian")).map(|(id, _)| id)
}

#[tokio::test]
async fn a_bridge_that_is_killed_leaves_neither_a_stubborn_server_nor_what_left_its_group() {
    let script = "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & \
                  read -r line; echo $$; while :; do sleep 0.05; done";
    let serving = serve(program().args(["--listen", "127.0.0.1:0", "--", "sh", "-c", script]), 1).await;
    let mut client = client(serving.addrs[0]).await;
    let both = [pid(&mut client).await, hear(&mut client).await.parse().expect("an id")];
    assert!(guardian_of(&serving).is_some());
    end(serving, Signal::KILL).await;
    for process in both {
        gone(process).await;
    }
}

#[tokio::test]
async fn a_guardian_that_is_killed_is_replaced_and_one_that_is_not_needed_goes() {
    let script = "echo $$; exec cat";
    let serving = serve(program().args(["--listen", "127.0.0.1:0", "--", "sh", "-c", script]), 1).await;
    let mut client = client(serving.addrs[0]).await;
    pid(&mut client).await;
    until("there is a guardian", || guardian_of(&serving).is_some()).await;
    let first = guardian_of(&serving).expect("seen");
    send(first, Signal::KILL);
    until("there is another", || guardian_of(&serving).is_some_and(|id| id != first)).await;
    let second = guardian_of(&serving).expect("seen");
    say(&mut client, "still here").await;
    assert_eq!(hear(&mut client).await, "still here");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
    gone(second).await;
}

#[tokio::test]
async fn the_guardian_s_task_is_nobody_else_s() {
    let (code, stdout, _) = output(program().args(["guardian", "me"])).await;
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
}

#[tokio::test]
async fn a_server_has_limits_of_its_own() {
    let mut command = program();
    command.args(["--child-files", "300", "--child-memory", "1g", "--child-file-size", "10m"]);
    let serving =
        serve(command.args(["--listen", "127.0.0.1:0", "--", "sh", "-c", "echo $$; exec cat"]), 1).await;
    let mut client = client(serving.addrs[0]).await;
    let limits = format!("/proc/{}/limits", pid(&mut client).await);
    let limits = read_to_string(limits).expect("a running server");
    for (name, value) in [
        ("Max core file size", 0_u64),
        ("Max open files", 300),
        ("Max address space", 1 << 30),
        ("Max file size", 10 << 20),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        let values: Vec<&str> = line[name.len()..].split_ascii_whitespace().take(2).collect();
        assert_eq!(values, [value.to_string(), value.to_string()], "{line}");
    }
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn more_connections_than_files_are_refused_with_the_way_out() {
    let (code, _, stderr) = output(program().args(["--max-connections", "1000000", "--", "cat"])).await;
    assert_eq!(code, Some(64));
    assert!(stderr.contains("files for 1000000 connections") && stderr.contains("nofile"), "{stderr}");
}

/// A legacy server that notes each start; `warm` of them are kept ready.
fn noted(note: &Path, warm: usize) -> Settings {
    let fixture = fixture();
    let mut settings =
        of_script(&format!("echo $$ >> {}; exec {} legacy", note.display(), fixture.display()));
    settings.warm = warm;
    settings
}

fn starts(note: &Path) -> Vec<u32> {
    let lines = read_to_string(note).unwrap_or_default();
    lines.lines().map(|line| line.parse().expect("an id")).collect()
}

async fn pid_of(client: &mut Client) -> u32 {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "status"}});
    say(client, &call.to_string()).await;
    let answer: Value = serde_json::from_str(&hear(client).await).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str().expect("a text").to_owned();
    let status: Value = serde_json::from_str(&text).expect("JSON");
    u32::try_from(status["pid"].as_u64().expect("an id")).expect("an id")
}

#[tokio::test]
async fn a_client_gets_a_server_that_was_started_ahead_of_need_and_another_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("starts");
    let bridge = Bridge::start(noted(&note, 1)).await;
    until("one for clients and one for calls", || starts(&note).len() == 2).await;
    let before = starts(&note);
    let mut client = bridge.client().await;
    assert!(before.contains(&pid_of(&mut client).await));
    until("another has been started", || starts(&note).len() == 3).await;
    let third = starts(&note)[2];
    bridge.finish().await;
    gone(third).await;
}

#[tokio::test]
async fn servers_that_nobody_uses_make_room_for_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("starts");
    let mut settings = noted(&note, 2);
    settings.max_children = 2;
    let bridge = Bridge::start(settings).await;
    until("there is no room any more", || starts(&note).len() == 2).await;
    let (mut one, mut two) = (bridge.client().await, bridge.client().await);
    assert_ne!(pid_of(&mut one).await, pid_of(&mut two).await);
    bridge.finish().await;
}

#[tokio::test]
async fn a_spare_that_ends_is_replaced_ever_more_rarely() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("starts");
    let mut settings = of_script(&format!("echo $$ >> {}; exit 1", note.display()));
    settings.warm = 1;
    let bridge = Bridge::start(settings).await;
    until("it has failed some times", || starts(&note).len() >= 4).await;
    // Without holding back there would be twenty in a second.
    let more = async { until("ten starts", || starts(&note).len() >= 10).await };
    assert!(timeout(Duration::from_secs(1), more).await.is_err());
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_fails_at_every_start_is_refused_at_once_with_the_reason() {
    let bridge = Bridge::of_script("exit 3").await;
    let refusal = async {
        loop {
            let Ok(mut client) = bridge.try_client(&[]).await else { break };
            say(&mut client, "{}").await;
            let (code, reason) = super::closed(&mut client).await;
            assert!(code == 1011 || code == 1013, "{code} {reason}");
            assert!(reason.contains("exit status: 3") || code == 1013, "{reason}");
        }
        bridge.try_client(&[]).await
    };
    let refusal = timeout(PATIENCE, refusal).await.expect("in time");
    let Err(Error::Http(response)) = &refusal else { panic!("not refused: {refusal:?}") };
    let seconds = response.headers()["retry-after"].to_str().expect("text").parse::<u64>();
    assert!(seconds.is_ok_and(|seconds| (1..=60).contains(&seconds)));
    let (status, body) = super::refused(refusal);
    assert_eq!(status, 503);
    assert!(body.contains("exit status: 3"), "{body}");
    bridge.finish().await;
}

#[tokio::test]
async fn clients_who_crash_their_servers_keep_them_from_nobody() {
    let fixture = fixture();
    // It works, and ends over what this client says.
    let script = format!(
        "read -r line; test \"$line\" = crash && exit 1; {{ echo \"$line\"; cat; }} | {} bare",
        fixture.display()
    );
    let bridge = Bridge::of_script(&script).await;
    for _ in 0..8 {
        let mut client = bridge.client().await;
        say(&mut client, "crash").await;
        assert_eq!(super::closed(&mut client).await.0, 1011);
    }
    let mut client = bridge.client().await;
    say(&mut client, r#"{"method":"echo","params":{"a":1}}"#).await;
    assert_eq!(hear(&mut client).await, r#"{"a":1}"#);
    bridge.finish().await;
}
