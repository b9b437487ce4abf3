//! Images from the user's own context and Dockerfile.

use std::fs;

use super::docker::inspect;
use super::rig::{Rig, copy_fixtures};

/// A context with a server that speaks MCP, in the folder `server`.
pub(crate) fn server(rig: &Rig) {
    rig.write(
        "server/Dockerfile",
        "FROM scratch\nCOPY stdio-fixture /server\nUSER 1234:1234\nENTRYPOINT [\"/server\"]\nCMD [\"legacy\"]\n",
    );
    copy_fixtures(&rig.folder().join("server"));
}

/// A deployment of the context that `server` writes.
fn of_context(name: &str) -> Rig {
    let mut rig = Rig::of_ours(name);
    server(&rig);
    rig.set("MCPO_ORCHESTRATOR_BUILD_CONTEXT", &rig.folder().join("server").display().to_string());
    rig.set("MCPO_ORCHESTRATOR_STATUS_TOOL", "status");
    for image in ["mcp-orchestrator:latest", "mcp-bridge:latest"] {
        rig.owns_image(&rig.named(image));
    }
    rig
}

#[test]
fn a_context_of_the_user_s_is_built_and_rebuilt_only_when_it_changes() {
    let rig = of_context("context");
    rig.write("server/.dockerignore", "*.secret\nlarge\n");
    rig.write("server/key.secret", "not for the engine");
    rig.write("server/large/file", "not for the engine");
    rig.up();
    let image = rig.named("mcp-orchestrator:latest");
    let first = inspect("image", &image).expect("an image")["Id"].clone();
    assert_eq!(super::docker::container(&rig.bridge())["Config"]["User"], "1234:1234");

    rig.owns_image(first.as_str().expect("an id"));

    // What is left out decides nothing.
    rig.write("server/key.secret", "something else");
    let again = rig.up();
    assert!(again.out.contains("nothing to do"), "{}", again.all());

    rig.write(
        "server/Dockerfile",
        "FROM scratch\nCOPY . /\nUSER 1234:1234\nENTRYPOINT [\"/stdio-fixture\"]\nCMD [\"legacy\"]\n",
    );
    rig.up();
    assert_ne!(inspect("image", &image).expect("an image")["Id"], first);
    let files = files_of(&rig, &image);
    assert!(files.iter().any(|file| file == "stdio-fixture"), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("secret") || file.contains("large")), "{files:?}");
}

/// The names of an image's files.
fn files_of(rig: &Rig, image: &str) -> Vec<String> {
    let name = rig.named("files");
    rig.owns_container(&name);
    super::docker::docker(&["create", "--name", &name, image]).ok();
    let archive = rig.folder().join("files.tar");
    super::docker::docker(&["export", "-o", &archive.display().to_string(), &name]).ok();
    let mut archive = tar::Archive::new(fs::File::open(archive).expect("an archive"));
    let entries = archive.entries().expect("entries");
    entries.map(|entry| entry.expect("an entry").path().expect("a path").display().to_string()).collect()
}

#[test]
fn a_dockerfile_that_fails_is_told_with_its_last_lines_and_nothing_is_started() {
    let rig = of_context("dockerfile");
    let text = "FROM scratch\nCOPY contained-fixture /fail\nRUN [\"/fail\", \"die\", \"3\", \"the compiler is unhappy\"]\n";
    rig.write("server/Dockerfile", text);
    let failed = rig.run(&["up"]).ended(1);
    assert!(failed.err.contains("cannot build image"), "{}", failed.err);
    assert!(failed.err.contains("the build's last lines"), "{}", failed.err);
    assert!(failed.err.contains("the compiler is unhappy"), "{}", failed.err);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());

    server(&rig);
    rig.up();
}

#[test]
fn an_image_that_is_not_here_and_cannot_be_pulled_is_told_before_anything_is_touched() {
    let mut rig = Rig::of_ours("missing");
    rig.set("MCPO_ORCHESTRATOR_IMAGE", "localhost:1/nobody/has-this:1");
    let failed = rig.run(&["up"]).ended(1);
    assert!(
        failed.err.contains("the image localhost:1/nobody/has-this:1 is not here and cannot be pulled"),
        "{}",
        failed.err
    );
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}
