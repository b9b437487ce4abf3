//! Field by field: what was promised, and what `inspect` says.

use std::collections::BTreeMap;

use mcpo_deploy::plan::{Container, Live, LiveMount, Mismatch, Profile, compare};

use super::rig::{desired_on, live, observed, stack};

fn bridge(settings: &[(&str, &str)]) -> Container {
    let stack = stack(settings);
    let desired = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state");
    desired.containers.into_iter().next().expect("a container")
}

fn differing(container: &Container, live: &Live) -> Vec<Mismatch> {
    compare(container, live).into_iter().filter(|field| field.differs).collect()
}

#[test]
fn what_was_created_as_promised_differs_in_nothing_and_every_field_is_evidence() {
    let container = bridge(&[]);
    let fields = compare(&container, &live(&container));
    let told: Vec<String> =
        fields.iter().map(|field| format!("{}: {} ({})", field.id, field.found, field.differs)).collect();
    insta::assert_snapshot!(told.join("\n"));
    assert!(fields.iter().all(|field| !field.differs && field.found == field.promised));
}

/// One change of what `inspect` says, and the check that it must fail.
type Change = (&'static str, fn(&mut Live));

#[test]
fn every_field_that_is_changed_behind_our_back_is_noticed_by_its_own_check() {
    let insert = |set: &mut std::collections::BTreeSet<String>, word: &str| {
        set.insert(word.to_owned());
    };
    let changes: [Change; 31] = [
        ("image", |live| live.image_id = "sha256:fefefefefefefefefefe".to_owned()),
        ("user", |live| live.user = "0:0".to_owned()),
        ("user", |live| live.user = String::new()),
        ("privileged", |live| live.privileged = true),
        ("cap-drop", |live| live.cap_drop.clear()),
        ("cap-add", |live| live.cap_add = ["SYS_ADMIN".to_owned()].into()),
        ("read-only", |live| live.read_only = false),
        ("no-new-privileges", |live| live.security_opt.clear()),
        ("no-new-privileges", |live| live.security_opt = vec!["no-new-privileges:false".to_owned()]),
        ("seccomp", |live| live.security_opt.push("seccomp=unconfined".to_owned())),
        ("seccomp", |live| {
            live.security_opt.push("seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}".to_owned());
        }),
        ("memory", |live| (live.memory, live.memory_swap) = (1 << 30, 1 << 30)),
        ("swap", |live| live.memory_swap = live.memory * 2),
        ("swap", |live| live.memory_swap = -1),
        ("cpus", |live| live.nano_cpus = 0),
        ("pids", |live| live.pids = -1),
        ("init", |live| live.init = true),
        ("tmpfs", |live| live.tmpfs.clear()),
        ("tmpfs", |live| {
            live.tmpfs.insert("/tmp".to_owned(), "rw,exec".to_owned());
        }),
        ("mounts", |live| live.mounts[0].writable = false),
        ("mounts", |live| {
            let socket = "/var/run/docker.sock".to_owned();
            live.mounts.push(LiveMount {
                kind: "bind".to_owned(),
                source: socket.clone(),
                target: socket,
                writable: true,
            });
        }),
        ("networks", |live| live.networks.clear()),
        ("networks", |live| live.networks.extend(["lan".to_owned()])),
        ("host-namespaces", |live| live.host_namespaces = ["pid".to_owned()].into()),
        ("ports", |live| live.ports.extend([(String::new(), 22, 22)])),
        ("ports", |live| live.ports.clear()),
        ("restart", |live| live.restart = "always".to_owned()),
        ("log-driver", |live| live.log_driver = "syslog".to_owned()),
        ("log-limits", |live| live.log_options.iter_mut().for_each(BTreeMap::clear)),
        ("log-limits", |live| {
            live.log_options = Some([("max-size".to_owned(), "1".to_owned())].into());
        }),
        ("devices", |live| live.devices = 1),
    ];
    let container = bridge(&[]);
    let mut told = Vec::new();
    for (id, change) in changes {
        let mut engine = live(&container);
        change(&mut engine);
        let found = differing(&container, &engine);
        assert_eq!(found.iter().map(|field| field.id).collect::<Vec<_>>(), [id]);
        told.push(format!("{id}: {} and should be {}", found[0].found, found[0].promised));
    }
    insta::assert_snapshot!(told.join("\n"));
    let mut ids: std::collections::BTreeSet<String> =
        compare(&container, &live(&container)).iter().map(|field| field.id.to_owned()).collect();
    insert(&mut ids, "command");
    let tested = changes.iter().map(|(id, _)| (*id).to_owned()).chain(["command".to_owned()]);
    assert_eq!(ids, tested.collect(), "every field has a change of its own here");
}

#[test]
fn a_command_is_compared_where_one_was_asked_for() {
    let stack = stack(&[("orchestrator.command", "[/server, --fast]")]);
    let stdio = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state").stdio;
    let mut changed = live(&stdio);
    changed.command = vec!["/server".to_owned()];
    let found = differing(&stdio, &changed);
    assert_eq!((found[0].id, found[0].found.as_str(), found.len()), ("command", "/server", 1));
}

#[test]
fn spellings_that_mean_the_same_differ_in_nothing() {
    let container = bridge(&[("hardening.cap_add", "CAP_CHOWN, KILL")]);
    let mut engine = live(&container);
    engine.security_opt = vec!["no-new-privileges".to_owned(), "seccomp=builtin".to_owned()];
    let options = engine.tmpfs["/tmp"].split(',').rev().collect::<Vec<_>>().join(",");
    engine.tmpfs.insert("/tmp".to_owned(), options);
    engine.log_options.get_or_insert_default().insert("labels".to_owned(), "x".to_owned());
    assert_eq!(differing(&container, &engine), []);
    let unlimited = bridge(&[("hardening.memory", "unlimited"), ("hardening.pids", "unlimited")]);
    for (memory_swap, pids) in [(0, 0), (-1, -1)] {
        let engine = Live { memory_swap, pids, ..live(&unlimited) };
        assert_eq!(differing(&unlimited, &engine), [], "{memory_swap} {pids}");
    }
}

#[test]
fn a_seccomp_profile_is_compared_as_a_value_and_shown_by_its_digest() {
    let mut container = bridge(&[]);
    container.seccomp = Some("{ \"defaultAction\" : \"SCMP_ACT_ERRNO\" }".to_owned());
    let mut engine = live(&container);
    engine.security_opt = vec![
        "no-new-privileges:true".to_owned(),
        "seccomp={\"defaultAction\":\"SCMP_ACT_ERRNO\"}".to_owned(),
    ];
    assert_eq!(differing(&container, &engine), []);
    engine.security_opt.pop();
    let found = differing(&container, &engine);
    assert_eq!((found[0].id, found[0].found.as_str()), ("seccomp", "default"));
    assert!(found[0].promised.starts_with("profile ") && found[0].promised.len() == 20, "{found:?}");
}

#[test]
fn what_podman_shows_of_the_same_container_differs_in_nothing() {
    let container = bridge(&[]);
    let mut engine = live(&container);
    // Podman 4.3.1's answers: `ALL` spelt out, tmpfs of its own beside ours, log limits kept back.
    let dropped = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT";
    engine.cap_drop = dropped.split(' ').map(str::to_owned).collect();
    engine.tmpfs = [
        ("/run", "rw,rprivate,nosuid,nodev,tmpcopyup"),
        ("/var/tmp", "rw,rprivate,nosuid,nodev,tmpcopyup"),
        ("/tmp", "rw,noexec,nosuid,nodev,size=64m,mode=1777,rprivate,tmpcopyup"),
    ]
    .map(|(path, options)| (path.to_owned(), options.to_owned()))
    .into();
    engine.log_options = None;
    engine.security_opt = vec!["no-new-privileges".to_owned()];
    assert_eq!(differing(&container, &engine), []);
    let log =
        compare(&container, &engine).into_iter().find(|field| field.id == "log-limits").expect("a field");
    assert_eq!(log.found, "not shown by this engine");

    engine.cap_drop.remove("NET_RAW");
    assert_eq!(differing(&container, &engine).len(), 1, "a capability that is kept is a difference");
}
