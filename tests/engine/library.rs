//! The library's own client of a server in a container, and that nothing is left of it.

use std::sync::Arc;

use mcpo_deploy::env::Env;
use mcpo_deploy::{Client, Deployment};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use super::docker::{container, until};
use super::held::{Held, Way};
use super::rig::Rig;

/// A rig with a server that does not end with its input.
fn rig(name: &str) -> Rig {
    let mut rig = Rig::new(name);
    let image = rig.image("server", "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\"]\n");
    rig.use_image(&image, "status");
    rig.set("MCPO_ORCHESTRATOR_COMMAND", "[legacy, outstays]");
    rig
}

/// The environment of the rig's programs, with an engine that is reached in some way.
fn env(rig: &Rig, more: &[(&str, String)]) -> Env {
    let inherited = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME", "PATH"].into_iter();
    let inherited = inherited.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let own = [("MCPO_PROJECT".to_owned(), rig.project.clone())];
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let all = inherited.chain(own).chain(rig.environment().iter().cloned()).chain(more);
    Env::from_pairs(all, rig.folder())
}

async fn deployment(rig: &Rig, more: &[(&str, String)]) -> Deployment {
    Deployment::of(&env(rig, more)).await.expect("a deployment")
}

/// A client whose server has answered.
async fn client(deployment: &Deployment) -> Client {
    let mut client = Client::stdio_container(deployment).await.expect("a client");
    let answer = client.call("status", json!({})).await.expect("an answer");
    assert_eq!(answer.value["status"], "active");
    client
}

fn none_left(rig: &Rig) {
    until("nothing is left", || rig.clients().is_empty());
}

#[test]
fn a_client_that_is_closed_has_removed_its_container_by_then() {
    let rig = rig("library-closed");
    Runtime::new().expect("a runtime").block_on(async {
        let client = client(&deployment(&rig, &[]).await).await;
        assert_eq!(rig.clients().len(), 1);
        client.close().await.expect("an end");
        assert_eq!(rig.clients(), Vec::<String>::new());
    });
}

#[test]
fn a_client_that_is_dropped_without_a_goodbye_leaves_no_container() {
    let rig = rig("library-dropped");
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = client(&deployment(&rig, &[]).await).await;
        assert_eq!(container(&rig.clients()[0])["State"]["Running"], true);
        drop(client);
    });
    none_left(&rig);
}

#[test]
fn a_client_may_be_dropped_outside_its_runtime() {
    let rig = rig("library-outside");
    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(async { client(&deployment(&rig, &[]).await).await });
    assert_eq!(rig.clients().len(), 1);
    drop(client);
    none_left(&rig);
}

#[test]
fn a_server_that_ends_with_its_input_goes_with_the_runtime() {
    let mut rig = rig("library-runtime");
    rig.set("MCPO_ORCHESTRATOR_COMMAND", "[legacy]");
    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(async { client(&deployment(&rig, &[]).await).await });
    drop(runtime);
    drop(client);
    none_left(&rig);
}

#[test]
fn a_client_that_was_given_up_while_the_engine_made_its_container_leaves_none() {
    let rig = rig("library-given-up");
    for path in ["/containers/create", "/attach", "/start"] {
        for held in [Held::Request, Held::Answer] {
            let way = Arc::new(Way::with(path, held));
            let runtime = Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let deployment = deployment(&rig, &[("DOCKER_HOST", way.host())]).await;
                let there = Arc::clone(&way);
                let is_held = spawn_blocking(move || there.await_held());
                tokio::select! {
                    _ = Client::stdio_container(&deployment) => panic!("{path} was not held"),
                    held = is_held => held.expect("a request"),
                }
            });
            way.release();
            if path == "/containers/create" {
                // What comes of the request is known once the engine has made it.
                way.await_answered();
            }
            none_left(&rig);
        }
    }
}

#[test]
fn a_client_over_tcp_leaves_nothing_either() {
    let rig = rig("library-tcp");
    let host = format!("tcp://127.0.0.1:{}", super::remote::proxy());
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let first = client(&deployment(&rig, &[("DOCKER_HOST", host.clone())]).await).await;
        first.close().await.expect("an end");
        assert_eq!(rig.clients(), Vec::<String>::new());
        drop(client(&deployment(&rig, &[("DOCKER_HOST", host)]).await).await);
    });
    none_left(&rig);
}
