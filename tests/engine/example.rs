//! `examples/app` in its container, with a stand-in for the image of Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::docker::{container, docker, inspect, labelled, run, until};
use super::dockerfile::{Builder, config_of};
use super::hardening::assert_hardened;
use super::rig::{Rig, free_port};
use super::stand_in::{copy, import_python};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/app");

/// The image of Python, which the rig removes.
fn python(rig: &Rig) -> String {
    let image = format!("{}:latest", rig.named("python"));
    rig.owns_image(&image);
    import_python(&image);
    image
}

/// Puts the example into a folder of the rig's, and returns the image that it becomes.
fn copy_example(rig: &Rig, python: &str, folder: &str) -> String {
    for entry in fs::read_dir(EXAMPLE).expect("the example") {
        let entry = entry.expect("an entry");
        if entry.path().is_file() {
            copy(&entry.path(), &rig.folder().join(folder).join(entry.file_name()));
        }
    }
    // No registry is asked.
    let dockerfile = fs::read_to_string(Path::new(EXAMPLE).join("Dockerfile")).expect("a file");
    let of_stand_in = dockerfile.replace("PYTHON_IMAGE=python:3-slim", &format!("PYTHON_IMAGE={python}"));
    assert_ne!(of_stand_in, dockerfile);
    fs::write(rig.folder().join(folder).join("Dockerfile"), of_stand_in).expect("a file");
    let app = rig.named("app:latest");
    rig.owns_image(&app);
    app
}

#[test]
fn both_builders_make_the_examples_image_and_what_is_in_it_knows_how_it_is() {
    let rig = Rig::of_ours("example-built");
    let python = python(&rig);
    for builder in Builder::BOTH {
        let image = format!("{}:latest", rig.named(&format!("{builder:?}").to_lowercase()));
        rig.owns_image(&image);
        let argument = format!("PYTHON_IMAGE={python}");
        let words = ["build", "--no-cache", "--build-arg", &argument, "-t", &image, EXAMPLE];
        run(&mut builder.docker(&words), "").ok();
        let config = config_of(&image);
        assert_eq!(config["User"], "65532:65532", "{builder:?}");
        assert_eq!(config["Entrypoint"], json!(["python3", "/app/app.py"]), "{builder:?}");
        let asked = json!(["CMD", "python3", "/app/app.py", "healthcheck"]);
        assert_eq!(config["Healthcheck"]["Test"], asked, "{builder:?}");
        let alone =
            docker(&["run", "--rm", "--read-only", "--network", "none", &image, "healthcheck"]).ended(1);
        assert!(alone.err.contains("it does not answer"), "{builder:?}: {}", alone.err);
    }
}

#[test]
fn a_question_is_answered_on_the_page_through_the_bridge() {
    let mut rig = Rig::new("example");
    let python = python(&rig);
    let server = rig
        .image("server", "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\", \"legacy\"]\n");
    rig.use_image(&server, "status");
    let app = copy_example(&rig, &python, "");
    // What is this test's own: another host port than everybody's.
    let port = free_port();
    rig.set("MCPO_APP_PORTS", &format!("{{{port}: 8080}}"));

    let up = rig.run(&["up", "full-stack"]).ok();
    let page = format!("http://127.0.0.1:{port}");
    assert!(up.out.contains(&page), "{}", up.out);
    let name = rig.named("app-1");
    let inspected = container(&name);
    assert_hardened(&inspected);
    assert_eq!(inspected["Config"]["User"], "65532:65532");
    let asked = ["exec", &name, "python3", "/app/app.py", "healthcheck"];
    until("the example answers its own health check", || docker(&asked).code == Some(0));

    let question = "question=is 1 < 2?";
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", "%{http_code}", "-H", &format!("Origin: {page}"), "--data", question, &page]);
    let answered = run(&mut curl, "").ok().out;
    assert!(answered.contains(">asked: is 1 &lt; 2?<") && answered.ends_with("200"), "{answered}");

    let verified = rig.run(&["verify", "--format", "json"]).ok().json();
    assert_eq!(verified["passed"], true, "{verified}");
    let stopped = std::time::Instant::now();
    docker(&["stop", "--time", "60", &name]).ok();
    assert!(stopped.elapsed().as_secs() < 30, "it did not hear SIGTERM");
    assert_eq!(container(&name)["State"]["ExitCode"], 0);
    rig.run(&["down", "--volumes"]).ok();
    assert!(labelled("container", &rig.project).is_empty() && inspect("image", &app).is_some());
}

#[test]
fn in_a_checkout_that_describes_no_application_the_example_is_brought_up_and_proved() {
    let mut rig = Rig::new("example-checkout");
    let python = python(&rig);
    rig.write("Cargo.toml", "[package]\nname = \"mcpo-deploy\"\n");
    rig.write("Dockerfile", "FROM scratch\n");
    copy_example(&rig, &python, "examples/app");
    // Its port is 8080, which somebody may have: an address of this test's own.
    rig.set("MCPO_BRIDGE_ADDRESS", &format!("127.0.3.{}", std::process::id() % 250 + 1));

    let up = rig.run(&["up", "full-stack"]).ok();
    assert!(up.err.contains("examples/app stands in its place"), "{}", up.err);
    let again = rig.run(&["up", "full-stack"]).ok();
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    let verified = rig.run(&["verify"]).ok();
    assert!(verified.out.contains("(app)"), "{}", verified.all());
    let status = rig.run(&["status"]).ok();
    assert!(!status.all().contains("no application is described"), "{}", status.all());
    assert!(!status.out.contains("would take"), "{}", status.all());
}
