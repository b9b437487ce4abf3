//! The program's flags for who may come in: what it refuses, warns of and reads again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use super::PATIENCE;
use super::program::{Serving, end, output, program, serve};

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).expect("a file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a file of ours");
    file
}

/// What the program says before it ends, without the folder's name.
async fn refused(folder: &TempDir, flags: &[&str]) -> String {
    let (code, stdout, stderr) = output(program().args(flags).args(["--", "cat"])).await;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
    stderr.replace(folder.path().to_str().expect("text"), "[FOLDER]")
}

/// The next line of the log with these words.
async fn logged(serving: &mut Serving, words: &str) -> String {
    loop {
        let line = timeout(PATIENCE, serving.stderr.as_mut().expect("ours to read").next_line())
            .await
            .expect("in time")
            .expect("text");
        let line = line.expect("the program runs");
        if line.contains(words) {
            return line;
        }
    }
}

/// What the program warns of until it listens.
async fn warned(flags: &[&str]) -> String {
    let mut process = program().args(flags).args(["--", "cat"]).spawn().expect("a program");
    let mut stderr = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    let mut warnings = String::new();
    loop {
        let line = timeout(PATIENCE, stderr.next_line()).await.expect("in time").expect("text");
        let line = line.expect("the program runs");
        if line.contains(" WARN ") {
            warnings += line.split(" WARN ").last().expect("words");
        }
        if line.contains("listening on ") {
            return warnings;
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[tokio::test]
async fn all_that_is_wrong_with_the_files_is_told_at_once_with_64() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", "alice hunter2\nbob\nalice sha256:00\n");
    let (cert, key) = (file(&folder, "cert.pem", ""), folder.path().join("key.pem"));
    let flags = [
        "--token-file",
        text(&tokens),
        "--tls-cert",
        text(&cert),
        "--tls-key",
        text(&key),
        "--tls-client-ca",
        "/",
    ];
    let told = refused(&folder, &flags).await;
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!("files_full_of_mistakes", told);
    let empty = file(&folder, "empty", "# nobody yet\n");
    insta::assert_snapshot!("empty_token_file", refused(&folder, &["--token-file", text(&empty)]).await);
}

#[tokio::test]
async fn half_of_what_tls_needs_is_refused_by_the_flag_that_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (flags, missing) in [
        (&["--tls-cert", "/x"][..], "--tls-key"),
        (&["--tls-key", "/x"], "--tls-cert"),
        (&["--tls-client-ca", "/x"], "--tls-cert"),
        (&["--max-requests-per-second", "0"], "--max-requests-per-second"),
        (&["--max-connections-per-principal", "none"], "--max-connections-per-principal"),
        (&["--token-file", ""], "--token-file"),
    ] {
        let told = refused(&folder, flags).await;
        assert!(told.contains(missing), "{flags:?}: {told}");
    }
}

#[tokio::test]
async fn beyond_loopback_a_token_file_is_enough_and_what_is_in_the_clear_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    insta::assert_snapshot!("beyond_loopback", refused(&folder, &["--listen", "0.0.0.0:1"]).await);
    let tokens = file(&folder, "tokens", "alice alice-0123456789\n");
    let flags = ["--listen", "0.0.0.0:0", "--token-file", text(&tokens)];
    assert_eq!(warned(&flags).await, "tokens cross the network in the clear: give --tls-cert and --tls-key");
    assert_eq!(warned(&["--listen", "127.0.0.1:0", "--token-file", text(&tokens)]).await, "");
    // In a container that asks for tokens, whoever reaches the port cannot simply use the server.
    assert_eq!(warned(&[&flags[..], &["--behind-publication"]].concat()).await, "");
}

#[tokio::test]
async fn a_token_file_that_others_can_read_is_warned_of_unless_it_holds_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", "alice alice-0123456789\n");
    let open = |file: &Path| {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).expect("a file of ours");
    };
    open(&tokens);
    let flags = ["--listen", "127.0.0.1:0", "--token-file", text(&tokens)];
    assert!(warned(&flags).await.starts_with("every user of this machine can read "));
    open(&file(&folder, "tokens", &format!("alice sha256:{}\n", "0a".repeat(32))));
    assert_eq!(warned(&flags).await, "");
}

#[tokio::test]
async fn a_broken_token_file_is_logged_and_the_tokens_before_it_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", "alice alice-0123456789\n");
    let mut command = program();
    command.env("MCP_BRIDGE_TOKEN_FILE", &tokens).args(["--listen", "127.0.0.1:0", "--", "cat"]);
    let mut serving = serve(&mut command, 1).await;
    let addr = serving.addrs[0];
    let works = async || {
        let headers = [("authorization", "Bearer alice-0123456789")];
        super::connect_to(addr, &headers).await.expect("a guest");
    };
    works().await;
    file(&folder, "tokens", "alice secret-that-is-long\nalice not-to-be-logged-either\n");
    let asking = async {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            look.tick().await;
            works().await;
        }
    };
    let line = tokio::select! {
        line = logged(&mut serving, " ERROR ") => line,
        () = asking => unreachable!("it asks for ever"),
    };
    assert!(line.ends_with("tokens:2: the name is that of line 1"), "{line}");
    assert!(!line.contains("secret") && !line.contains("logged"), "{line}");
    works().await;
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn no_token_is_logged_right_or_wrong_however_it_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", "alice alice-0123456789\n");
    let flags = ["--log", "debug", "--listen", "127.0.0.1:0", "--token-file", text(&tokens), "--", "cat"];
    let mut serving = serve(program().args(flags), 1).await;
    let addr = serving.addrs[0];
    for (name, value) in [
        ("authorization", "Bearer alice-0123456789"),
        ("authorization", "Bearer wrong-0123456789"),
        ("sec-websocket-protocol", "mcp, bearer.alice-0123456789"),
        ("sec-websocket-protocol", "mcp, bearer.wrong-0123456789"),
    ] {
        // Let in or not: what counts is what is said of it.
        let _ = super::connect_to(addr, &[(name, value)]).await;
    }
    let mut said = String::new();
    while said.matches("a token that is not one of ours").count() < 2 {
        said += &logged(&mut serving, "").await;
    }
    end_of(serving, &mut said).await;
    assert!(said.contains("closing a WebSocket") && !said.contains("0123456789"), "{said}");
}

/// Ends the program and adds what it still says.
async fn end_of(mut serving: Serving, said: &mut String) {
    serving.stop(Signal::TERM);
    while let Some(line) = timeout(PATIENCE, serving.stderr.as_mut().expect("ours to read").next_line())
        .await
        .expect("in time")
        .expect("text")
    {
        said.push_str(&line);
    }
}
