//! The log files of the running program.

use std::fs;

use tempfile::TempDir;

use super::rig::Server;

const BARE_STATUS: &str = r#"{"method": "get_orchestrator_status"}"#;

fn files(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("readable");
    entries.map(|entry| fs::read_to_string(entry.expect("readable").path()).expect("readable")).collect()
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_one_warning_and_no_failure() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("a-file");
    fs::write(&file, "").expect("written");
    for path in [file.to_str().expect("UTF-8"), "/proc/self", "/no/such/folder"] {
        let mut server = Server::start(&[("MCPO_LOG_DIR", path)]);
        assert_eq!(server.ask(BARE_STATUS).await["status"], "active");
        let end = server.finish().await;
        assert_eq!(end.status.code(), Some(0));
        assert_eq!(end.stderr.lines().count(), 1, "{}", end.stderr);
        assert!(end.stderr.contains("WARN") && end.stderr.contains(path), "{}", end.stderr);
    }
}

#[tokio::test]
async fn processes_that_share_a_folder_write_files_of_their_own() {
    let folder = TempDir::new().expect("a folder");
    let env = [("MCPO_LOG_DIR", folder.path().to_str().expect("UTF-8"))];
    let mut servers: Vec<Server> = (0..4).map(|_| Server::start(&env)).collect();
    for server in &mut servers {
        server.ask(BARE_STATUS).await;
    }
    for server in servers {
        assert_eq!(server.finish().await.stderr, "");
    }
    let files = files(&folder);
    assert_eq!(files.len(), 4);
    for text in files {
        assert_eq!(text.matches("started").count(), 1, "{text}");
        assert!(text.contains("get_orchestrator_status") && text.contains("ended"), "{text}");
    }
}

#[tokio::test]
async fn log_files_stay_within_their_size_and_number() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let env = [("MCPO_LOG_DIR", path), ("MCPO_LOG_MAX_SIZE", "4k"), ("MCPO_LOG_MAX_FILES", "3")];
    let mut server = Server::start(&env);
    server.send_bytes(format!("{BARE_STATUS}\n").repeat(500).as_bytes()).await;
    assert_eq!(server.finish().await.rest.len(), 500);
    let files = files(&folder);
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|text| text.len() <= 4096 && !text.is_empty()));
    assert!(files.iter().any(|text| text.contains("ended")), "the newest lines are kept");
}
