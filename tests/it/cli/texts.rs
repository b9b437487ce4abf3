//! Help, completions, manual pages, and the files that a deployment starts with.

use super::place::Place;

const VERBS: [&str; 15] = [
    "up",
    "down",
    "status",
    "logs",
    "verify",
    "run",
    "reap",
    "connect",
    "build",
    "render",
    "config",
    "init",
    "import",
    "completions",
    "man",
];

#[tokio::test]
async fn every_verb_explains_itself() {
    let place = Place::new();
    insta::assert_snapshot!("help", place.run(&["--help"]).await.stdout);
    for verb in VERBS {
        let ran = place.run(&[verb, "--help"]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{verb}");
        // What holds for every verb is in the first.
        let own: Vec<&str> = ran.stdout.lines().collect();
        insta::assert_snapshot!(format!("help_{verb}"), own.join("\n"));
    }
}

#[tokio::test]
async fn the_version_is_the_packages() {
    let ran = Place::new().run(&["--version"]).await;
    assert_eq!(ran.stdout, format!("mcpo-deploy {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn completions_are_written_for_every_shell_and_know_every_verb() {
    let place = Place::new();
    let hidden = regex::Regex::new(r"\breference\b").expect("a pattern");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = place.run(&["completions", shell]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        for verb in VERBS {
            assert!(ran.stdout.contains(verb), "{shell}: {verb}");
        }
        assert!(ran.stdout.contains("accept-unenforced"), "{shell}");
        // What writes the documentation is nobody's to type.
        assert!(!hidden.is_match(&ran.stdout), "{shell}");
    }
}

#[tokio::test]
async fn manual_pages_are_written_for_every_verb() {
    let place = Place::new();
    let ran = place.run(&["man", "share/man1"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = |name: &str| std::fs::read_to_string(place.folder.join("share/man1").join(name));
    assert!(page("mcpo-deploy.1").expect("a page").contains(".TH mcpo-deploy 1"));
    for verb in VERBS {
        assert!(page(&format!("mcpo-deploy-{verb}.1")).expect(verb).contains(".SH SYNOPSIS"), "{verb}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let place = Place::new().file("taken", "");
    let told = place.fail_on("", &["man", "taken/pages"]).await;
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_new_deployment_starts_with_files_that_are_accepted_as_they_are() {
    let place = Place::new();
    let ran = place.run(&["init"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("init", place.filtered(&ran.stdout));
    let ran = place.run_on("", &["config"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("init_then_config", place.filtered(&ran.stdout));
    std::fs::write(place.folder.join("mcpo.yaml"), "project: mine\n").expect("a file");
    let ran = place.run(&["init"]).await;
    insta::assert_snapshot!("init_again", place.filtered(&ran.stdout));
    assert_eq!(std::fs::read_to_string(place.folder.join("mcpo.yaml")).expect("a file"), "project: mine\n");
}
