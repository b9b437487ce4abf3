//! `render`: files that are written, compared and kept.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::engine::Engine;
use super::place::Place;

const BRIDGE: &str = "compose/docker-compose.mcp-bridge.yml";

#[tokio::test]
async fn what_is_rendered_is_written_once_and_found_as_it_was() {
    let place = Place::new();
    let created = place.run_on("", &["render", "-o", "compose"]).await;
    assert_eq!(created.code, 0, "{created:?}");
    insta::assert_snapshot!("rendered", place.filtered(&format!("{}{}", created.stdout, created.stderr)));
    let again = place.run_on("", &["render", "bridge", "-o", "compose"]).await;
    assert_eq!((again.code, &*again.stdout), (0, "unchanged compose/docker-compose.mcp-bridge.yml\n"));
    let checked = place.run_on("", &["render", "--check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    // What is printed is what is written, for the folder that it is read in.
    let printed = place.run_on("", &["render", "bridge"]).await;
    let written = fs::read_to_string(place.folder.join(BRIDGE)).expect("a file");
    let body = |text: &str| {
        text.split_once("digest: ")
            .and_then(|(_, rest)| rest.split_once('\n'))
            .expect("a digest")
            .1
            .to_owned()
    };
    assert_eq!(body(&printed.stdout).replace("./.env", "../.env"), body(&written));
}

#[tokio::test]
async fn what_has_drifted_is_shown_with_the_difference() {
    let place = Place::new();
    place.run_on("", &["render", "bridge", "-o", "compose"]).await;
    let drifted = place.run_on("", &["render", "bridge", "--check", "--set", "hardening.memory=1g"]).await;
    assert_eq!(drifted.code, 1);
    insta::assert_snapshot!("drifted", place.filtered(&drifted.stdout));
    let path = place.folder.join(BRIDGE);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("127.0.0.1:8765", "0.0.0.0:8765")).expect("a file");
    let edited = place.run_on("", &["render", "bridge", "--check"]).await;
    assert!(edited.code == 1 && edited.stdout.contains("was changed by hand"), "{edited:?}");
    fs::write(&path, "services: {}\n").expect("a file");
    let foreign = place.run_on("", &["render", "bridge", "--check"]).await;
    assert!(foreign.code == 1 && foreign.stdout.contains("was never rendered"), "{foreign:?}");
    let missing = place.run_on("", &["render", "full-stack", "--check", "--format", "json"]).await;
    assert_eq!((missing.code, &missing.json()["files"][0]["state"]), (1, &"is not there".into()));
}

#[tokio::test]
async fn what_a_person_edited_is_not_overwritten_without_force_which_keeps_it() {
    let place = Place::new();
    place.run_on("", &["render", "bridge", "-o", "compose"]).await;
    let path = place.folder.join(BRIDGE);
    let edited = format!("{}# mine\n", fs::read_to_string(&path).expect("a file"));
    fs::write(&path, &edited).expect("a file");
    insta::assert_snapshot!("edited", place.fail_on("", &["render", "-o", "compose"]).await);
    assert_eq!(fs::read_to_string(&path).expect("a file"), edited);
    assert!(!place.folder.join("compose/docker-compose.full-stack.yml").exists());
    let forced = place.run_on("", &["render", "-o", "compose", "--force"]).await;
    insta::assert_snapshot!("forced", place.filtered(&forced.stdout));
    let kept = path.with_file_name("docker-compose.mcp-bridge.yml.bak");
    assert_eq!(fs::read_to_string(kept).expect("a backup"), edited);
    // One of ours that nobody touched is simply replaced.
    let replaced =
        place.run_on("", &["render", "bridge", "-o", "compose", "--set", "hardening.pids=99"]).await;
    assert_eq!(replaced.stdout, "replaced compose/docker-compose.mcp-bridge.yml\n");
}

#[tokio::test]
async fn where_a_file_cannot_be_written_the_reader_learns_why_and_nothing_is_half_written() {
    let place = Place::new().by_nobody();
    let outside = place.root().join("outside");
    fs::write(&outside, "kept").expect("a file");
    let folder = |name: &str| {
        let folder = place.folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("a mode");
        folder
    };
    symlink(&outside, folder("away").join("docker-compose.mcp-bridge.yml")).expect("a link");
    let read_only = folder("read-only").join("docker-compose.mcp-bridge.yml");
    let text = place.run_on("", &["render", "bridge"]).await.stdout;
    fs::write(&read_only, text).expect("a file");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o444)).expect("a mode");
    fs::set_permissions(folder("closed"), fs::Permissions::from_mode(0o555)).expect("a mode");
    fs::create_dir(folder("taken").join("docker-compose.mcp-bridge.yml")).expect("a folder");
    for case in ["away", "read-only", "closed", "taken"] {
        let told = place.fail_on("", &["render", "bridge", "-o", case]).await;
        insta::assert_snapshot!(format!("unwritten_{case}"), told);
        let left = fs::read_dir(place.folder.join(case)).expect("a folder").count();
        assert_eq!(left, usize::from(case != "closed"), "{case}");
    }
    assert_eq!(fs::read_to_string(&outside).expect("a file"), "kept");
}

#[tokio::test]
async fn ejected_templates_work_as_they_are_and_are_not_written_over() {
    let place = Place::new();
    let ejected = place.run_on("", &["render", "--eject", "-o", "mine"]).await;
    insta::assert_snapshot!("ejected", place.filtered(&ejected.stdout));
    let ours = place.run_on("", &["render", "bridge"]).await.stdout;
    let theirs = place.run_on("", &["render", "bridge", "--templates", "mine"]).await;
    assert_eq!((theirs.code, theirs.stdout), (0, ours));
    let service = place.folder.join("mine/service.yml");
    let text = fs::read_to_string(&service).expect("a template");
    fs::write(&service, text.replace("    cap_drop:\n      - ALL\n", "")).expect("a template");
    insta::assert_snapshot!("weaker", place.fail_on("", &["render", "bridge", "--templates", "mine"]).await);
    let accepted = place.run_on("", &["render", "bridge", "--templates", "mine", "--allow-weaker"]).await;
    assert_eq!(accepted.code, 0);
    assert!(
        accepted.stderr.contains("other than described: mcp-bridge: cap_drop is not set"),
        "{accepted:?}"
    );
    insta::assert_snapshot!("ejected_again", place.fail_on("", &["render", "--eject", "-o", "mine"]).await);
    insta::assert_snapshot!(
        "no_templates",
        place.fail_on("", &["render", "bridge", "--templates", "nowhere"]).await
    );
}

#[tokio::test]
async fn a_port_beyond_loopback_is_refused_and_a_pin_needs_the_image() {
    let place = Place::new();
    let open = ["render", "bridge", "--set", "bridge.address=0.0.0.0"];
    insta::assert_snapshot!("open", place.fail_on("", &open).await);
    let accepted = place.run_on("", &[&open[..], &["--insecure"]].concat()).await;
    assert!(accepted.code == 0 && accepted.stdout.contains("\"0.0.0.0:8765:8765\""), "{accepted:?}");
    let pinned = place.run(&["render", "bridge", "--pin"]).await;
    assert_eq!(pinned.code, 69, "{pinned:?}");
}

#[tokio::test]
async fn a_line_is_printed_for_a_shell_for_a_program_or_for_somebody_who_learns() {
    let place = Place::new();
    let shell = place.run_on("", &["render", "run"]).await;
    assert!(shell.stdout.contains("docker run \\\n  --rm \\\n  --interactive \\\n"), "{shell:?}");
    assert!(shell.stderr.contains(".env is not there, and docker run fails without it"), "{shell:?}");
    let argv = place.run_on("", &["render", "run", "bridge", "--format", "json"]).await.json();
    assert_eq!((&argv[0], &argv[1], &argv[2]), (&"docker".into(), &"run".into(), &"--detach".into()));
    let explained = place.run_on("", &["render", "run", "--explain"]).await;
    assert!(explained.stdout.lines().all(|line| line.contains("  # ")), "{explained:?}");
}

#[tokio::test]
async fn in_a_checkout_that_describes_no_application_the_example_stands_in_for_rendering_and_for_up() {
    let place = Place::new().file("Cargo.toml", "[package]\nname = \"mcpo-deploy\"\n").file("Dockerfile", "");
    let elsewhere = place.run_on("", &["render", "full-stack"]).await;
    assert!(elsewhere.stdout.contains("context: ./app\n"), "{elsewhere:?}");
    fs::create_dir_all(place.folder.join("examples/app")).expect("a folder");
    fs::write(place.folder.join("examples/app/Dockerfile"), "FROM scratch\n").expect("a file");
    let rendered = place.run_on("", &["render", "full-stack"]).await;
    assert!(rendered.stdout.contains("context: ./examples/app\n"), "{rendered:?}");
    assert!(rendered.stdout.contains("- \"127.0.0.1:8080:8080\"\n"), "{rendered:?}");
    let engine = Engine::start(place.root());
    let programs = place.programs.display().to_string();
    let up = async |args: &[&str]| {
        place.run_with(&engine, &[&["up", "--dry-run", "--programs", &programs], args].concat()).await
    };
    let planned = up(&["full-stack"]).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.stdout.contains("build image demo-app:latest"), "{planned:?}");
    for ran in [rendered, planned] {
        assert!(ran.stderr.contains("no `app:` is described; examples/app stands in its place"), "{ran:?}");
    }
    let alone = up(&[]).await;
    assert!(!alone.all().contains("app:latest"), "{alone:?}");
}

/// The repository's own files are what is rendered there, whatever its folder is called.
#[tokio::test]
async fn what_would_have_no_effect_is_refused_by_name() {
    let place = Place::new();
    let mut told = String::new();
    for args in [
        &["render", "run", "--check", "--for", "1.29", "-o", "out"][..],
        &["render", "bridge", "orchestrator", "--explain"],
        &["render", "bridge", "--check", "-o", "-"],
    ] {
        let ran = place.run_on("", args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{ran:?}");
        told.push_str(&ran.stderr);
    }
    insta::assert_snapshot!("without_effect", told);
}

#[test]
fn the_files_of_this_repository_have_not_drifted() {
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_mcpo-deploy"))
        .args(["-p", "mcpo-deploy", "render", "--check"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "`mcpo-deploy -p mcpo-deploy render -o compose` makes them anew\n{said}"
    );
}
