//! What SIGKILL leaves, and who may remove it.

use std::process::Command;

use super::super::docker::{container, docker, run, until};
use super::super::interruption::signal;
use super::{Client, none_left, rig};

#[test]
fn whatever_a_killed_run_leaves_the_next_one_removes() {
    let rig = rig("run-killed", "[outstay]");
    let killed = Client::of(&rig);
    let left = rig.clients();
    killed.kill();
    // It ignores the end of its input, and nobody is there who could stop it.
    assert_eq!(container(&left[0])["State"]["Running"], true);
    run(&mut rig.command(&["run", "--", "copy", "0"]), "").ok();
    none_left(&rig);
}

#[test]
fn a_server_that_ends_with_its_input_leaves_nothing_even_when_its_run_is_killed() {
    let rig = rig("run-killed-well", "[copy, \"0\"]");
    Client::of(&rig).kill();
    until("the engine has removed it", || rig.clients().is_empty());
}

#[test]
fn fifty_runs_killed_at_any_moment_leave_nothing_after_one_more() {
    let rig = rig("run-orphans", "[outstay]");
    let mut moment = 7_u64;
    let mut left = 0;
    for _ in 0..50 {
        let client = Client::begin(&rig, &[]);
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::park_timeout(std::time::Duration::from_millis(moment % 400));
        client.kill();
        left += usize::from(!rig.clients().is_empty());
    }
    assert!(left > 0, "no kill left a container, so that this shows nothing");
    run(&mut rig.command(&["run", "--", "copy", "0"]), "").ok();
    none_left(&rig);
}

#[test]
fn reap_removes_what_was_left_and_keeps_what_is_used_or_another_machine_s() {
    let rig = rig("run-reap", "[outstay]");
    let used = Client::of(&rig);
    let used_name = rig.clients().pop().expect("a container");
    Client::of(&rig).kill();
    let left: Vec<String> = rig.clients().into_iter().filter(|name| *name != used_name).collect();
    assert_eq!(left.len(), 1);
    let theirs = rig.named("theirs");
    rig.owns_container(&theirs);
    let image = container(&used_name)["Config"]["Image"].as_str().expect("an image").to_owned();
    let labels = [
        format!("io.mcpo-deploy.project={}", rig.project),
        "io.mcpo-deploy.lease.machine=another".to_owned(),
        "io.mcpo-deploy.lease.boot=another".to_owned(),
        "io.mcpo-deploy.lease.pid-namespace=1".to_owned(),
        "io.mcpo-deploy.lease.pid=1".to_owned(),
        "io.mcpo-deploy.lease.started=1".to_owned(),
    ];
    let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
    docker(&[&["run", "-d", "--name", &theirs][..], &labels, &[&image, "idle"]].concat()).ok();

    let mut reap = rig.command(&["reap", "--format", "json", "--dry-run"]);
    let seen = run(&mut reap, "").ok().json();
    let of_project = |seen: &serde_json::Value, key: &str| -> Vec<String> {
        let containers = seen[key].as_array().expect("a list").iter();
        let ours = containers.filter(|container| container["project"] == rig.project.as_str());
        ours.map(|container| container["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(of_project(&seen, "held"), [used_name.as_str()]);
    assert_eq!(of_project(&seen, "elsewhere"), [theirs.as_str()]);
    assert_eq!(of_project(&seen, "left"), [left[0].as_str()]);
    assert_eq!(rig.clients().len(), 2, "a dry run removes nothing");
    let ran = rig.run(&["reap"]).ok();
    assert!(ran.out.contains(&format!("removed {}: process", left[0])), "{}", ran.out);
    assert!(ran.out.contains(&format!("kept {theirs}: it is of another machine")), "{}", ran.out);
    assert_eq!(rig.clients(), [used_name.as_str()]);
    assert_eq!(container(&theirs)["State"]["Running"], true);

    // Whose owner is there is not given up by naming it.
    let ran = rig.run(&["reap", &theirs, &used_name]).ended(64);
    assert!(ran.err.contains(&format!("seen from here: {used_name}\n")), "{}", ran.err);
    assert_eq!(container(&theirs)["State"]["Running"], true);
    let ran = rig.run(&["reap", &theirs]).ok();
    assert!(ran.out.contains(&format!("removed {theirs}: you named it")), "{}", ran.out);
    assert_eq!(rig.clients(), [used_name]);
    assert!(!docker(&["ps", "-a", "--format", "{{.Names}}"]).ok().out.contains(&theirs));
    drop(used);
}

#[test]
fn there_are_never_more_containers_than_places_however_many_begin_at_once() {
    let mut rig = rig("run-full", "[outstay]");
    rig.set("MCPO_ORCHESTRATOR_MAX_CLIENTS", "3");
    // What all of them stand on is made once.
    run(&mut rig.command(&["run", "--", "copy", "0"]), "").ok();
    let mut begun: Vec<Client> = (0..8).map(|_| Client::begin(&rig, &[])).collect();
    let mut refused = Vec::new();
    until("all but three have ended", || {
        assert!(rig.clients().len() <= 3);
        for client in &mut begun {
            if let Some(status) = client.child.try_wait().expect("a state")
                && !refused.contains(&client.child.id())
            {
                assert_eq!(status.code(), Some(125));
                refused.push(client.child.id());
            }
        }
        refused.len() == 5
    });
    let mut served = begun.iter_mut().filter(|client| !refused.contains(&client.child.id()));
    assert!(served.by_ref().all(|client| client.ask("served") == "served"));
    let ran = rig.run(&["run"]).ended(125);
    assert!(ran.err.contains("are taken: 3 by clients that are there"), "{}", ran.err);
    assert!(ran.err.contains("orchestrator.max_clients"), "{}", ran.err);
    begun.retain(|client| !refused.contains(&client.child.id()));
    for mut client in begun {
        signal(&client.child, "TERM");
        assert_eq!(client.code(), Some(143));
    }
    none_left(&rig);
}

#[test]
fn a_place_that_a_killed_run_held_is_free_again() {
    let mut rig = rig("run-places", "[outstay]");
    rig.set("MCPO_ORCHESTRATOR_MAX_CLIENTS", "1");
    Client::of(&rig).kill();
    let ran = run(&mut rig.command(&["run", "--", "copy", "0"]), "x").ok();
    assert_eq!(ran.out, "x");
    none_left(&rig);
}

#[test]
fn a_lease_says_which_process_it_is_and_no_more() {
    let rig = rig("run-lease", "[copy, \"0\"]");
    let client = Client::of(&rig);
    let name = rig.clients().pop().expect("a container");
    let labels = container(&name)["Config"]["Labels"].clone();
    assert_eq!(labels["io.mcpo-deploy.lease.pid"], client.child.id().to_string());
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let shown = labels["io.mcpo-deploy.lease.machine"].as_str().expect("a label");
    assert!(machine.trim().is_empty() || !machine.contains(shown), "{shown}");
    let stat = run(Command::new("cat").arg(format!("/proc/{}/stat", client.child.id())), "").ok();
    let started = labels["io.mcpo-deploy.lease.started"].as_str().expect("a label");
    assert!(stat.out.split(' ').any(|field| field == started), "{started}: {}", stat.out);
}
