//! `connect` where others have a say: another file of the client's, another deployment, another engine.

use std::fs;
use std::path::Path;

use super::connect::{place, whole};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
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
