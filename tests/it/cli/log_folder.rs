//! A log folder of this machine that is not there yet.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::engine::Engine;
use super::place::Place;

const YAML: &str = "logs: {folder: ./var/logs}\n";

/// Whom this process can make a folder for.
fn user() -> (u32, u32) {
    if rustix::process::geteuid().is_root() {
        return (65532, 65532);
    }
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

#[tokio::test]
async fn it_is_made_for_who_writes_into_it_before_anything_is_created_and_down_leaves_it() {
    let place = Place::new().file("mcpo.yaml", YAML);
    let folder = place.folder.join("var/logs");
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    let (uid, gid) = user();
    let set = format!("hardening.user={uid}:{gid}");
    let run = async |args: &[&str]| {
        place.run_with(&engine, &[args, &["--set", &set, "--programs", &programs]].concat()).await
    };
    let dry = run(&["up", "--dry-run"]).await;
    let step = format!("+ create folder {} (it does not exist)\n", folder.display());
    assert!(dry.code == 0 && dry.stdout.contains(&step), "{dry:?}");
    assert!(!folder.exists());
    let up = run(&["up"]).await;
    assert!(up.stderr.contains("create folder"), "{up:?}");
    let made = fs::metadata(&folder).expect("the folder");
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (uid, gid, 0o750));
    let again = run(&["up", "--dry-run"]).await;
    assert!(!again.stdout.contains("create folder"), "{again:?}");
    run(&["down", "--volumes"]).await;
    assert!(folder.exists());
}

#[tokio::test]
async fn who_cannot_give_it_away_is_told_what_to_run_before_anything_is_touched() {
    let place = Place::new().file("mcpo.yaml", YAML).by_nobody();
    for (path, mode) in [(place.root().to_path_buf(), 0o755), (place.folder.clone(), 0o777)] {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
    }
    fs::set_permissions(place.folder.join("mcpo.yaml"), PermissionsExt::from_mode(0o644)).expect("a mode");
    let engine = Engine::start(place.root());
    fs::set_permissions(place.root().join("docker.sock"), PermissionsExt::from_mode(0o777)).expect("a mode");
    insta::assert_snapshot!(place.fail_with(&engine, &["up"]).await);
    assert_eq!(engine.changes(), [""; 0]);
    assert!(!place.folder.join("var").exists());
}

#[tokio::test]
async fn a_folder_that_is_there_is_left_as_it_is() {
    let place = Place::new().file("mcpo.yaml", YAML);
    let folder = place.folder.join("var/logs");
    fs::create_dir_all(&folder).expect("a folder");
    let before = fs::metadata(&folder).expect("the folder");
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    place.run_with(&engine, &["up", "--programs", &programs]).await;
    let after = fs::metadata(&folder).expect("the folder");
    assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()));
}
