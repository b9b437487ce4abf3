//! Finding an engine: each way in which there is none is told apart, with what to do.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::engine::{Engine, version};
use super::place::Place;

#[tokio::test]
async fn an_engine_that_is_not_running_is_told() {
    let place = Place::new();
    let host = format!("unix://{}", place.root().join("docker.sock").display());
    insta::assert_snapshot!(place.fail_on(&host, &["status"]).await);
}

#[tokio::test]
async fn a_socket_that_an_engine_left_behind_is_an_engine_that_is_not_running() {
    let place = Place::new();
    let socket = place.root().join("docker.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    let told = place.fail_on(&format!("unix://{}", socket.display()), &["status"]).await;
    assert!(told.contains("it is not running\n") && told.contains("exit 69"), "{told}");
}

#[tokio::test]
async fn a_socket_that_this_user_may_not_use_is_told_apart() {
    let place = Place::new().by_nobody();
    let engine = Engine::start(place.root());
    let socket = place.root().join("docker.sock");
    std::fs::set_permissions(socket, PermissionsExt::from_mode(0o000)).expect("a mode");
    insta::assert_snapshot!(place.fail_on(&engine.host, &["status"]).await);
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_told_with_its_version() {
    let place = Place::new();
    let engine = Engine::start(place.root()).with("GET /version", 200, version("1.40"));
    insta::assert_snapshot!(place.fail_on(&engine.host, &["status"]).await);
}

#[tokio::test]
async fn something_that_is_no_engine_is_told_as_what_it_is() {
    for (name, status, body) in [
        ("no_engine_page", 200, "<html>It works!</html>"),
        ("no_engine_missing", 404, "<html>Not found</html>"),
    ] {
        let place = Place::new();
        let engine = Engine::start(place.root()).with("GET /version", status, body);
        insta::assert_snapshot!(name, place.fail_on(&engine.host, &["status"]).await);
    }
}

#[tokio::test]
async fn a_tcp_address_where_nobody_listens_is_named() {
    let place = Place::new();
    let host = format!("tcp://127.0.0.1:{}", place.ports[0]);
    insta::assert_snapshot!(place.fail_on(&host, &["status"]).await);
}

#[tokio::test]
async fn an_address_of_no_known_kind_is_told() {
    insta::assert_snapshot!(Place::new().fail_on("ftp://engine.example", &["status"]).await);
}

#[tokio::test]
async fn a_docker_context_that_does_not_exist_is_bad_input() {
    let place = Place::new().env("DOCKER_CONTEXT", "nowhere");
    insta::assert_snapshot!(place.fail_on("", &["status"]).await);
}

#[tokio::test]
async fn every_verb_that_needs_an_engine_says_so_and_the_others_do_not() {
    let place = Place::new();
    for verb in
        [&["up"][..], &["up", "--dry-run"], &["down"], &["status"], &["logs"], &["verify"], &["build"]]
    {
        let ran = place.run(verb).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{verb:?}: {ran:?}");
    }
    for verb in
        [&["config"][..], &["init"], &["completions", "bash"], &["man", "pages"], &["--help"], &["--version"]]
    {
        let ran = place.run(verb).await;
        assert_eq!(ran.code, 0, "{verb:?}: {ran:?}");
    }
}
