//! From what is to what should be.

use std::net::{IpAddr, Ipv4Addr};

use mcpo_deploy::model::label;
use mcpo_deploy::plan::{HeldPort, OwnedObject, Plan, Profile, removal};
use mcpo_deploy::report::plan_json;

use super::rig::{brought_up, created, desired_on, observed, plan_on, stack, told};

const FULL: &[(&str, &str)] = &[("app.image", "shop/web"), ("app.ports", "{8080: 80}")];

#[test]
fn an_empty_engine_gets_everything_in_the_order_in_which_it_is_needed() {
    let stack = stack(FULL);
    let plan = plan_on(&stack, Profile::FullStack, &observed(&stack)).expect("a plan");
    insta::assert_snapshot!("whole_plan", plan.to_string());
    insta::assert_snapshot!("whole_plan_json", format!("{:#}", plan_json(&plan)));
}

#[test]
fn a_container_keeps_the_name_that_compose_gave_it_until_it_is_made_anew() {
    let stack = stack(&[]);
    let mut observed = brought_up(&stack, Profile::Bridge);
    observed.containers[0].name = "demo_mcp-bridge_1".to_owned();
    let desired = || desired_on(&stack, Profile::Bridge, &observed).expect("a desired state");
    let kept = desired().named_as_found(&observed, &Plan::default());
    assert_eq!(kept.containers[0].name, "demo_mcp-bridge_1");
    let mut changed = observed.clone();
    changed.containers[0].labels.insert(label::CONFIG_HASH.to_owned(), "another".to_owned());
    let plan = plan_on(&stack, Profile::Bridge, &changed).expect("a plan");
    assert_eq!(desired().named_as_found(&changed, &plan).containers[0].name, "demo-mcp-bridge-1");
}

#[test]
fn a_second_plan_is_empty() {
    for settings in [
        FULL,
        &[("app.image", "x"), ("hardening.network", "none")],
        &[("app.image", "x"), ("logs.folder", "/var/log/mcp"), ("hardening.cap_add", "CHOWN,KILL")],
        &[("app.image", "x"), ("hardening.memory", "unlimited"), ("hardening.pids", "unlimited")],
        &[("app.image", "x"), ("hardening.cpus", "unlimited"), ("hardening.seccomp", "unconfined")],
        &[("app.image", "x"), ("hardening.cpus", "64"), ("orchestrator.command", "[/x, --y]")],
    ] {
        let stack = stack(settings);
        let plan = plan_on(&stack, Profile::FullStack, &brought_up(&stack, Profile::FullStack));
        assert_eq!(told(&plan.expect("a plan")), [""; 0], "{settings:?}");
    }
    let stack = stack(&[]);
    let plan = plan_on(&stack, Profile::Bridge, &brought_up(&stack, Profile::Bridge)).expect("a plan");
    assert_eq!(plan.to_string(), "nothing to do\n");
}

#[test]
fn a_changed_limit_replaces_only_the_container_that_has_it() {
    let before = stack(FULL);
    let mut engine = brought_up(&before, Profile::FullStack);
    engine.containers[1].live.memory = 64 << 20;
    engine.containers[1].live.memory_swap = 64 << 20;
    let plan = plan_on(&before, Profile::FullStack, &engine).expect("a plan");
    insta::assert_snapshot!(told(&plan).join("\n"), @"
    stop container demo-app-1 (memory is 64m and should be 2g)
    remove container demo-app-1 (memory is 64m and should be 2g)
    create container demo-app-1 (memory is 64m and should be 2g)
    await container demo-mcp-bridge-1 (demo-app-1 may need it)
    start container demo-app-1 (it was created)
    ");
}

#[test]
fn a_limit_that_was_changed_for_all_replaces_all_and_keeps_the_data() {
    let engine = brought_up(&stack(FULL), Profile::FullStack);
    let settings: Vec<_> = FULL.iter().copied().chain([("hardening.pids", "99")]).collect();
    let plan = plan_on(&stack(&settings), Profile::FullStack, &engine).expect("a plan");
    insta::assert_snapshot!(told(&plan).join("\n"), @"
    stop container demo-mcp-bridge-1 (pids is 256 and should be 99)
    remove container demo-mcp-bridge-1 (pids is 256 and should be 99)
    create container demo-mcp-bridge-1 (pids is 256 and should be 99)
    start container demo-mcp-bridge-1 (it was created)
    stop container demo-app-1 (pids is 256 and should be 99)
    remove container demo-app-1 (pids is 256 and should be 99)
    create container demo-app-1 (pids is 256 and should be 99)
    await container demo-mcp-bridge-1 (demo-app-1 may need it)
    start container demo-app-1 (it was created)
    ");
}

#[test]
fn a_changed_secret_replaces_the_container_and_shows_nowhere() {
    let key = "orchestrator.environment.OPENAI_API_KEY";
    let before = stack(&[(key, "sk-SECRET-one")]);
    let after = stack(&[(key, "sk-SECRET-two")]);
    let engine = brought_up(&before, Profile::Bridge);
    let plan = plan_on(&after, Profile::Bridge, &engine).expect("a plan");
    let bridge = "demo-mcp-bridge-1 (environment is as planned but for OPENAI_API_KEY (another value) and should \
                  be as planned (11 variables))";
    assert_eq!(
        told(&plan),
        [
            format!("stop container {bridge}"),
            format!("remove container {bridge}"),
            format!("create container {bridge}"),
            "start container demo-mcp-bridge-1 (it was created)".to_owned(),
        ]
    );
    let shown = format!("{plan} {plan:?} {}", plan_json(&plan));
    assert!(shown.contains("OPENAI_API_KEY") && !shown.contains("SECRET"), "{shown}");
}

#[test]
fn a_stopped_container_is_started_and_not_replaced() {
    let stack = stack(&[]);
    for status in ["exited", "created"] {
        let mut engine = brought_up(&stack, Profile::Bridge);
        engine.containers[0].state.running = false;
        engine.containers[0].state.status = status.to_owned();
        let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
        assert_eq!(told(&plan), [format!("start container demo-mcp-bridge-1 (it is {status})")]);
    }
}

#[test]
fn a_stopped_container_that_differs_is_not_stopped_again() {
    let stack = stack(&[]);
    let mut engine = brought_up(&stack, Profile::Bridge);
    engine.containers[0].state.running = false;
    engine.containers[0].live.pids = 512;
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    assert_eq!(told(&plan)[0], "remove container demo-mcp-bridge-1 (pids is 512 and should be 256)");
    assert_eq!(plan.steps.len(), 3);
}

#[test]
fn a_new_image_replaces_what_runs_from_the_old_one() {
    let stack = stack(&[]);
    let mut engine = brought_up(&stack, Profile::Bridge);
    let facts = engine.images.get_mut(&stack.bridge.image).expect("an image");
    facts.id = format!("sha256:{}", "f".repeat(64));
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    let cause = "(image is 020202020202 and should be ffffffffffff)";
    assert_eq!(told(&plan)[0], format!("stop container demo-mcp-bridge-1 {cause}"));
}

#[test]
fn a_container_that_compose_started_from_a_rendered_file_is_left_alone_while_it_matches() {
    let stack = stack(&[]);
    let mut engine = brought_up(&stack, Profile::Bridge);
    engine.containers[0].labels.remove(label::CONFIG_HASH);
    assert_eq!(told(&plan_on(&stack, Profile::Bridge, &engine).expect("a plan")), [""; 0]);
    engine.containers[0].live.user = "0:0".to_owned();
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    assert!(told(&plan)[0].ends_with("(user is 0:0 and should be 65532:65532)"), "{plan}");
}

#[test]
fn what_inspect_does_not_show_of_a_change_replaces_the_container_too() {
    let before = stack(&[]);
    let mut engine = brought_up(&before, Profile::Bridge);
    engine.containers[0].labels.insert(label::CONFIG_HASH.to_owned(), "sha256:00".to_owned());
    let plan = plan_on(&before, Profile::Bridge, &engine).expect("a plan");
    assert_eq!(told(&plan)[0], "stop container demo-mcp-bridge-1 (its configuration has changed)");
}

#[test]
fn a_weakened_copy_that_carries_our_labels_is_replaced_all_the_same() {
    let stack = stack(&[]);
    let mut engine = brought_up(&stack, Profile::Bridge);
    engine.containers[0].live.groups = ["0".to_owned()].into();
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    assert_eq!(told(&plan)[0], "stop container demo-mcp-bridge-1 (groups is 0 and should be none)");
}

#[test]
fn what_is_the_projects_and_not_of_this_profile_is_left_as_it_is_and_said() {
    let stack = stack(FULL);
    let plan = plan_on(&stack, Profile::Bridge, &brought_up(&stack, Profile::FullStack)).expect("a plan");
    assert_eq!(told(&plan), [""; 0]);
    assert_eq!(plan.notes, ["demo-app-1 belongs to this project too and was left as it is"]);
}

#[test]
fn a_container_of_a_verification_is_no_service() {
    let stack = stack(&[]);
    let mut engine = brought_up(&stack, Profile::Bridge);
    let probe = desired_on(&stack, Profile::Bridge, &engine).expect("a desired state").stdio;
    engine.containers = vec![created(&probe)];
    let plan = plan_on(&stack, Profile::Bridge, &engine).expect("a plan");
    assert_eq!(told(&plan)[0], "create container demo-mcp-bridge-1 (it does not exist)");
    assert_eq!(plan.notes, [""; 0]);
}

#[test]
fn down_takes_everything_of_the_project_and_keeps_volumes_unless_asked() {
    let stack = stack(FULL);
    let mut engine = brought_up(&stack, Profile::FullStack);
    engine.containers[1].state.running = false;
    let foreign = |name: &str, project: Option<&str>| OwnedObject {
        name: name.to_owned(),
        project: project.map(str::to_owned),
    };
    engine.networks.extend([foreign("bridge", None), foreign("shop_default", Some("shop (Compose)"))]);
    engine.volumes.extend([foreign("demo_old", Some("demo")), foreign("demo_x", Some("demo (Compose)"))]);
    let plan = removal(&stack.project, &engine, false);
    insta::assert_snapshot!(plan.to_string(), @"
    note: kept volume demo_mcp-logs and what is in it
    note: kept volume demo_old and what is in it
    - stop container demo-mcp-bridge-1 (down was asked for)
    - remove container demo-mcp-bridge-1 (down was asked for)
    - remove container demo-app-1 (down was asked for)
    - remove network demo_mcp (down was asked for)
    ");
    let plan = removal(&stack.project, &engine, true);
    insta::assert_snapshot!(plan.to_string(), @"
    - stop container demo-mcp-bridge-1 (down was asked for)
    - remove container demo-mcp-bridge-1 (down was asked for)
    - remove container demo-app-1 (down was asked for)
    - remove network demo_mcp (down was asked for)
    - remove volume demo_mcp-logs (--volumes was asked for)
    - remove volume demo_old (--volumes was asked for)
    ");
    assert!(plan.steps.iter().all(|step| step.op.is_destructive()));
}

#[test]
fn down_of_nothing_is_nothing() {
    let stack = stack(&[]);
    assert_eq!(removal(&stack.project, &observed(&stack), true).to_string(), "nothing to do\n");
}

#[test]
fn a_port_that_is_held_on_another_address_is_no_clash() {
    let stack = stack(&[]);
    let mut engine = observed(&stack);
    let held = |address: [u8; 4]| HeldPort {
        port: 8765,
        address: IpAddr::V4(Ipv4Addr::from(address)),
        container: "shop-web-1".to_owned(),
        project: None,
    };
    engine.held_ports = vec![held([192, 168, 0, 1])];
    assert!(plan_on(&stack, Profile::Bridge, &engine).is_ok());
    for address in [[127, 0, 0, 1], [0, 0, 0, 0]] {
        engine.held_ports = vec![held(address)];
        assert!(plan_on(&stack, Profile::Bridge, &engine).is_err(), "{address:?}");
    }
}
