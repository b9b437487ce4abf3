//! What stands in the way of a plan, and what is said about it.

use std::net::{IpAddr, Ipv4Addr};

use mcpo_deploy::config::Protection;
use mcpo_deploy::diagnostic::{Diagnostic as _, Exit};
use mcpo_deploy::model::{User, label};
use mcpo_deploy::plan::{HeldPort, Live, OwnedObject, PlanError, PlanProblem, Profile, deviations};

use super::rig::{brought_up_on, desired_on, image, observed, plan_on, stack, told};

fn problems(planned: Result<mcpo_deploy::plan::Plan, PlanError>) -> Vec<PlanProblem> {
    planned.expect_err("a problem").problems
}

fn held(port: u16, container: &str, project: Option<&str>) -> HeldPort {
    HeldPort {
        port,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        container: container.to_owned(),
        project: project.map(str::to_owned),
    }
}

#[test]
fn every_problem_says_what_is_wrong_and_what_to_do() {
    let loopback = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let port = |setting, container, holder: &str, free| PlanProblem::PortTaken {
        port: 8765,
        setting,
        container,
        holder: holder.to_owned(),
        free,
    };
    let name = |kind, project: Option<&str>| PlanProblem::NameTaken {
        kind,
        name: "demo-mcp-bridge-1".to_owned(),
        project: project.map(str::to_owned),
    };
    let every = [
        PlanProblem::NoApp,
        PlanProblem::Unenforced(Protection::Memory),
        PlanProblem::Unenforced(Protection::Swap),
        PlanProblem::Unenforced(Protection::Cpus),
        PlanProblem::Unenforced(Protection::Pids),
        PlanProblem::Unenforced(Protection::Seccomp),
        PlanProblem::OpenToTheNetwork(loopback),
        PlanProblem::FolderOnRemote("/var/log/mcp".into()),
        PlanProblem::NoFolder { folder: "/var/log/mcp".into(), user: User::NONROOT },
        port("bridge.websocket_port", 8765, "container web of project shop", Some(8766)),
        port("bridge.rest_port", 5000, "python3 (pid 4711)", None),
        port("app.ports", 80, "nginx (pid 80)", Some(8081)),
        port("app.ports", 80, "another process", None),
        name("container", None),
        name("network", Some("shop")),
        name("volume", Some("shop (Compose)")),
        PlanProblem::ImageTaken(image("mcp-bridge")),
        PlanProblem::NoSuchNetwork("lan".to_owned()),
    ];
    let told = every.map(|problem| {
        let error = PlanError { problems: vec![problem] };
        format!("{error}\n  exit {}\n  hint: {}", error.exit().code(), error.hint().expect("a hint"))
    });
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn everything_that_stands_in_the_way_is_told_at_once() {
    let stack = stack(&[("app.image", "x"), ("app.ports", "{8080: 80}")]);
    let mut engine = observed(&stack);
    let theirs = |name: &str| OwnedObject { name: name.to_owned(), project: None };
    engine.networks.push(theirs("demo_mcp"));
    engine.volumes.push(theirs("demo_mcp-logs"));
    engine.foreign_names.insert("demo-mcp-bridge-1".to_owned(), Some("shop".to_owned()));
    engine.foreign_names.insert("demo-app-1".to_owned(), None);
    engine.held_ports = vec![held(5000, "registry", None), held(8080, "web", Some("shop"))];
    engine.images.get_mut(&stack.bridge.image).expect("an image").labels.clear();
    let error = plan_on(&stack, Profile::FullStack, &engine).expect_err("problems");
    assert_eq!(error.exit(), Exit::Failed);
    insta::assert_snapshot!(format!("{error}\n\nhint: {}", error.hint().expect("a hint")));
}

#[test]
fn bad_input_beats_a_failure() {
    let problems = vec![PlanProblem::Unenforced(Protection::Swap), PlanProblem::NoApp];
    assert_eq!(PlanError { problems }.exit(), Exit::BadInput);
}

#[test]
fn a_foreign_container_of_the_same_name_is_never_touched() {
    let stack = stack(&[]);
    let mut engine = observed(&stack);
    engine.foreign_names.insert("demo-mcp-bridge-1".to_owned(), None);
    let problems = problems(plan_on(&stack, Profile::Bridge, &engine));
    assert!(matches!(&problems[..], [PlanProblem::NameTaken { kind: "container", project: None, .. }]));
}

#[test]
fn a_port_of_another_project_is_told_with_its_name_and_a_free_one() {
    let stack = stack(&[]);
    let mut engine = observed(&stack);
    engine.held_ports = vec![held(8765, "web", Some("shop")), held(8766, "web", Some("shop"))];
    let error = plan_on(&stack, Profile::Bridge, &engine).expect_err("a problem");
    assert_eq!(error.to_string(), "port 8765 is taken by container web of project shop");
    let hint = "stop what holds it, or choose a free one: --set bridge.websocket_port=8767";
    assert_eq!(error.hint().as_deref(), Some(hint));
}

#[test]
fn a_port_that_this_deployment_wants_itself_is_not_offered_as_free() {
    let stack = stack(&[("bridge.websocket_port", "4999"), ("app.image", "x"), ("app.ports", "{5001: 80}")]);
    let mut engine = observed(&stack);
    engine.held_ports = vec![held(4999, "web", None), held(5000, "registry", None)];
    let problems = problems(plan_on(&stack, Profile::FullStack, &engine));
    let free: Vec<_> = problems
        .iter()
        .map(|problem| match problem {
            PlanProblem::PortTaken { free, .. } => *free,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(free, [Some(5002), Some(5003)]);
}

#[test]
fn what_the_engine_cannot_enforce_stops_the_plan_unless_accepted_by_name() {
    let every =
        [Protection::Memory, Protection::Swap, Protection::Cpus, Protection::Pids, Protection::Seccomp];
    for protection in every {
        let mut engine = observed(&stack(&[]));
        engine.machine.unenforced.insert(protection);
        let found = problems(plan_on(&stack(&[]), Profile::Bridge, &engine));
        assert_eq!(found, [PlanProblem::Unenforced(protection)]);
        let accepted = stack(&[("hardening.accept_unenforced", protection.name())]);
        let plan = plan_on(&accepted, Profile::Bridge, &engine).expect("a plan");
        assert_eq!(plan.accept_unenforced, [protection].into());
        let note = format!("{} is not limited: the engine cannot, and that was accepted", protection.name());
        assert_eq!(plan.notes, [note]);
        // What the engine leaves out is not promised, or the next plan would replace what runs.
        let mut after = brought_up_on(&accepted, Profile::Bridge, engine.clone());
        after.containers[0].live = without(protection, after.containers[0].live.clone());
        assert_eq!(told(&plan_on(&accepted, Profile::Bridge, &after).expect("a plan")), [""; 0]);
        assert!(
            deviations(&accepted).iter().any(|deviation| deviation.id == "unenforced" && deviation.asked)
        );
        let other = every.into_iter().find(|other| *other != protection).expect("another");
        let other = stack(&[("hardening.accept_unenforced", other.name())]);
        assert!(plan_on(&other, Profile::Bridge, &engine).is_err());
    }
}

/// What an engine says of a container that it could not protect so.
fn without(protection: Protection, live: Live) -> Live {
    match protection {
        Protection::Memory => Live { memory: 0, memory_swap: -1, ..live },
        Protection::Swap => Live { memory_swap: -1, ..live },
        Protection::Cpus => Live { nano_cpus: 0, ..live },
        Protection::Pids => Live { pids: 0, ..live },
        Protection::Seccomp => live,
    }
}

#[test]
fn a_protection_that_was_not_asked_for_need_not_be_enforced() {
    for (protection, settings) in [
        (Protection::Memory, [("hardening.memory", "unlimited")]),
        (Protection::Swap, [("hardening.memory", "unlimited")]),
        (Protection::Cpus, [("hardening.cpus", "unlimited")]),
        (Protection::Pids, [("hardening.pids", "unlimited")]),
        (Protection::Seccomp, [("hardening.seccomp", "unconfined")]),
    ] {
        let stack = stack(&settings);
        let mut engine = observed(&stack);
        engine.machine.unenforced.insert(protection);
        assert!(plan_on(&stack, Profile::Bridge, &engine).is_ok(), "{protection:?}");
    }
}

#[test]
fn publishing_beyond_loopback_is_refused_unless_insecure() {
    for address in ["0.0.0.0", "192.168.0.7", "::"] {
        let open = stack(&[("bridge.address", address)]);
        let found = problems(plan_on(&open, Profile::Bridge, &observed(&open)));
        assert_eq!(found, [PlanProblem::OpenToTheNetwork(address.parse().expect("an address"))]);
        let accepted = stack(&[("bridge.address", address), ("bridge.insecure", "true")]);
        assert!(plan_on(&accepted, Profile::Bridge, &observed(&accepted)).is_ok());
        assert!(deviations(&accepted).iter().any(|deviation| deviation.id == "published" && deviation.asked));
    }
    for address in ["127.0.0.1", "127.9.9.9", "::1"] {
        let closed = stack(&[("bridge.address", address)]);
        assert!(plan_on(&closed, Profile::Bridge, &observed(&closed)).is_ok(), "{address}");
    }
}

#[test]
fn a_host_folder_on_a_remote_engine_is_refused() {
    let stack = stack(&[("logs.folder", "/var/log/mcp")]);
    let mut engine = observed(&stack);
    assert!(plan_on(&stack, Profile::Bridge, &engine).is_ok());
    engine.machine.remote = true;
    let found = problems(plan_on(&stack, Profile::Bridge, &engine));
    assert_eq!(found, [PlanProblem::FolderOnRemote("/var/log/mcp".into())]);
}

#[test]
fn a_full_stack_without_an_application_is_refused() {
    let stack = stack(&[]);
    let error = desired_on(&stack, Profile::FullStack, &observed(&stack)).expect_err("a problem");
    assert_eq!(error.problems, [PlanProblem::NoApp]);
}

#[test]
fn a_network_that_should_exist_and_does_not_is_told() {
    let stack = stack(&[("hardening.network", "lan")]);
    let mut engine = observed(&stack);
    let found = problems(plan_on(&stack, Profile::Bridge, &engine));
    assert_eq!(found, [PlanProblem::NoSuchNetwork("lan".to_owned())]);
    // Whoever's it is: it is joined, never created or removed.
    engine.networks.push(OwnedObject { name: "lan".to_owned(), project: Some("shop".to_owned()) });
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    assert!(!plan.to_string().contains("network"), "{plan}");
}

#[test]
fn a_bridge_image_that_is_not_ours_is_never_overwritten() {
    let stack = stack(&[]);
    let mut engine = observed(&stack);
    let bridge = engine.images.get_mut(&stack.bridge.image).expect("an image");
    bridge.labels.remove(label::INPUT_DIGEST);
    // Built from our Dockerfile by somebody else, it is still ours.
    plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    engine.images.get_mut(&stack.bridge.image).expect("an image").labels.clear();
    let found = problems(plan_on(&stack, Profile::Bridge, &engine));
    assert_eq!(found, [PlanProblem::ImageTaken(image("mcp-bridge"))]);
}
