//! `connect` where others have a say: another file of the client's, another deployment, another engine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::connect::{engine, place, read, whole};
use super::engine::{Engine, image};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[tokio::test]
async fn a_file_that_would_switch_another_of_the_same_client_s_off_is_not_made() {
    let place = place(&[".continue"]).file("mcpo.yaml", "project: demo\n");
    let [old, new] = ["config.json", "config.yaml"].map(|name| place.root().join(".continue").join(name));
    write(&old, "{\"models\": []}\n");
    let refused = place.run(&["connect", "continue", "--via", "mcpo"]).await;
    insta::assert_snapshot!("connect_continue", whole(&place, &refused));
    assert!(!new.exists());
    let clients = async |args: &[&str]| {
        let ran =
            place.run(&[&["connect", "--all", "--via", "mcpo", "--format", "json"], args].concat()).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let clients = ran.json()["clients"].as_array().expect("rows").clone();
        clients.iter().map(|row| row["client"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(clients(&[]).await, ["continue-json"]);
    assert!(!new.exists() && fs::read_to_string(&old).expect("a file").contains("mcp-orchestrator"));
    // Where both are there, the new one alone is read; what stands in the old one can be taken out.
    fs::write(&new, "name: mine\nversion: 0.0.1\nschema: v1\n").expect("a file");
    assert_eq!(clients(&[]).await, ["continue"]);
    assert_eq!(clients(&["--remove"]).await, ["continue", "continue-json"]);
    assert!(!fs::read_to_string(&old).expect("a file").contains("mcp-orchestrator"));
    // And where neither is, it is the new one.
    fs::remove_file(&old).expect("a file");
    fs::remove_file(&new).expect("a file");
    assert_eq!(clients(&[]).await, ["continue"]);
}

#[tokio::test]
async fn another_deployment_s_entry_is_left_alone_and_named() {
    let place = place(&[]).file("mcpo.yaml", "project: demo\n");
    let file = place.root().join(".cursor/mcp.json");
    let other = ["connect", "cursor", "--via", "mcpo", "--project", "shop"];
    assert_eq!(place.run(&other).await.code, 0);
    let text = fs::read_to_string(&file).expect("a file");
    let refused = place.run(&["connect", "cursor", "--via", "mcpo"]).await;
    insta::assert_snapshot!("connect_another", whole(&place, &refused));
    let refused = place.run(&["connect", "cursor", "--remove"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(fs::read_to_string(&file).expect("a file"), text);
    assert_eq!(place.run(&["connect", "cursor", "--remove", "--force"]).await.code, 0);
    assert_eq!(read(&file), json!({"mcpServers": {}}));
}

#[tokio::test]
async fn what_is_only_looked_at_may_be_read_only() {
    let place = place(&[]).file("mcpo.yaml", "project: demo\n");
    let file = place.root().join(".cursor/mcp.json");
    assert_eq!(place.run(&["connect", "cursor", "--via", "mcpo"]).await.code, 0);
    set_mode(&file, 0o400);
    let list = place.run(&["connect", "cursor", "--list", "--via", "mcpo", "--format", "json"]).await;
    assert_eq!(list.json()["clients"][0]["entry"], "connected", "{list:?}");
    for args in [
        &["connect", "cursor", "--diff", "--via", "url"][..],
        // As it is already.
        &["connect", "cursor", "--via", "mcpo"],
    ] {
        let ran = place.run(args).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let refused = place.run(&["connect", "cursor", "--remove"]).await;
    insta::assert_snapshot!("connect_read_only", whole(&place, &refused));
}

#[tokio::test]
async fn a_token_is_written_only_where_it_cannot_be_named_and_whoever_else_reads_it_is_told() {
    let place = place(&[]).file("token", "t0ken-of-mine\n");
    let args = ["connect", "cursor", "--url", "https://mcp.example/mcp", "--write-token", "token"];
    let refused = place.run(&args).await;
    insta::assert_snapshot!("connect_token_refused", whole(&place, &refused));
    let file = place.root().join(".cursor/mcp.json");
    assert!(!file.exists());
    write(&file, "{}\n");
    set_mode(&file, 0o644);
    let open = place.run(&[&args[..], &["--force"]].concat()).await;
    insta::assert_snapshot!("connect_token_open", whole(&place, &open));
    let project = place.run(&[&args[..], &["--force", "--scope", "project"]].concat()).await;
    insta::assert_snapshot!("connect_token_project", whole(&place, &project));
    assert!(!open.all().contains("t0ken-of-mine") && !project.all().contains("t0ken-of-mine"));
}

/// Of another's image only the engine knows whether our program is in it, and with that the entry's name.
#[tokio::test]
async fn without_an_engine_an_entry_of_ours_is_found_under_either_name() {
    let place = place(&[]).file("mcpo.yaml", "project: shop\norchestrator:\n  image: acme/mcp:1\n");
    let file = place.root().join(".cursor/mcp.json");
    let connect = async |name: &str| {
        let ran = place.run(&["connect", "cursor", "--via", "mcpo", "--name", name]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    connect("mcp-orchestrator").await;
    let list = place.run(&["connect", "cursor", "--list", "--via", "mcpo", "--format", "json"]).await;
    assert_eq!(list.json()["name"], "mcp-orchestrator", "{list:?}");
    let removed = place.run(&["connect", "cursor", "--remove"]).await;
    insta::assert_snapshot!("connect_remove_unasked", whole(&place, &removed));
    assert_eq!(read(&file), json!({"mcpServers": {}}));
    connect("shop").await;
    assert_eq!(place.run(&["connect", "cursor", "--remove"]).await.code, 0);
    assert_eq!(read(&file), json!({"mcpServers": {}}));
    // What is not there has no name that could be found out.
    let undo = place.run(&["connect", "cursor", "--undo"]).await;
    insta::assert_snapshot!("connect_undo_unasked", whole(&place, &undo));
    connect("mcp-orchestrator").await;
    connect("shop").await;
    let two = place.run(&["connect", "cursor", "--remove"]).await;
    assert_eq!(two.code, 69, "{two:?}");
    assert_eq!(read(&file)["mcpServers"].as_object().map(serde_json::Map::len), Some(2));
    // An engine that has the image says which.
    let theirs = image(&json!({}));
    let engine = Engine::start(place.root()).with("GET /images/acme/mcp:1/json", 200, theirs);
    let ran = place.run_with(&engine, &["connect", "cursor", "--list", "--format", "json"]).await;
    assert_eq!(ran.json()["name"], "shop", "{ran:?}");
}

#[tokio::test]
async fn an_undo_by_force_takes_back_what_was_changed_by_hand_and_names_the_copy() {
    let place = place(&[]);
    let engine = engine(&place);
    let file = place.root().join(".cursor/mcp.json");
    assert_eq!(place.run_with(&engine, &["connect", "cursor"]).await.code, 0);
    let text =
        fs::read_to_string(&file).expect("a file").replace("\"command\":", "\"timeout\": 9, \"command\":");
    fs::write(&file, text).expect("a file");
    let refused = place.run_with(&engine, &["connect", "cursor", "--undo"]).await;
    insta::assert_snapshot!("connect_undo_changed", whole(&place, &refused));
    let forced = place.run_with(&engine, &["connect", "cursor", "--undo", "--force"]).await;
    insta::assert_snapshot!("connect_undo_forced", whole(&place, &forced));
}
