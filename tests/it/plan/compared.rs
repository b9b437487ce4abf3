//! Field by field: what was promised, and what `inspect` says.

use std::collections::{BTreeMap, BTreeSet};

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
    let changes: [Change; 45] = [
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
        ("host-namespaces", |live| live.shared_namespaces = ["pid".to_owned()].into()),
        ("host-namespaces", |live| live.shared_namespaces = ["cgroup".to_owned()].into()),
        ("ports", |live| live.ports.extend([(String::new(), 22, 22)])),
        ("ports", |live| live.ports.clear()),
        ("restart", |live| live.restart = "always".to_owned()),
        ("log-driver", |live| live.log_driver = "syslog".to_owned()),
        ("log-limits", |live| live.log_options.iter_mut().for_each(BTreeMap::clear)),
        ("log-limits", |live| {
            live.log_options = Some([("max-size".to_owned(), "1".to_owned())].into());
        }),
        ("devices", |live| live.devices = ["rule a *:* rwm".to_owned()].into()),
        ("command", |live| live.entrypoint = vec!["/evil".to_owned()]),
        ("command", |live| live.command = vec!["serve".to_owned()]),
        ("workdir", |live| live.working_dir = "/evil".to_owned()),
        ("environment", |live| {
            live.environment.insert("LD_PRELOAD".to_owned(), "/evil/x.so".to_owned().into());
        }),
        ("environment", |live| {
            live.environment.insert("MCP_BRIDGE_ALLOW_HOST".to_owned(), "evil.example".to_owned().into());
        }),
        ("environment", |live| {
            live.environment.remove("LANG");
        }),
        ("environment", |live| {
            live.environment.insert("sk-SECRET+/value".to_owned(), String::new().into());
        }),
        ("groups", |live| live.groups = ["0".to_owned()].into()),
        ("security-options", |live| live.security_opt.push("apparmor=unconfined".to_owned())),
        ("security-options", |live| live.security_opt.push("label=disable".to_owned())),
        ("system-paths", |live| live.system_paths = Some([].into())),
        ("sysctls", |live| {
            live.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
        }),
        ("tmpfs", |live| {
            live.tmpfs.insert("/evil".to_owned(), "rw,noexec".to_owned());
        }),
    ];
    let mut container = bridge(&[]);
    container.private_cgroups = true;
    let mut told = Vec::new();
    for (id, change) in changes {
        let mut engine = live(&container);
        change(&mut engine);
        let found = differing(&container, &engine);
        assert_eq!(found.iter().map(|field| field.id).collect::<Vec<_>>(), [id]);
        told.push(format!("{id}: {} and should be {}", found[0].found, found[0].promised));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert!(!told.join(" ").contains("SECRET") && !told.join(" ").contains("evil.example"), "{told:?}");
    let ids: BTreeSet<_> = compare(&container, &live(&container)).iter().map(|field| field.id).collect();
    let tested = changes.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, tested, "every field has a change of its own here");
}

#[test]
fn a_command_is_the_one_asked_for_or_the_images_own_word_by_word() {
    let stack = stack(&[("orchestrator.command", "[--fast, two words]")]);
    let stdio = desired_on(&stack, Profile::Bridge, &observed(&stack)).expect("a desired state").stdio;
    let mut changed = live(&stdio);
    changed.command = ["--fast", "two", "words"].map(str::to_owned).into();
    let found = differing(&stdio, &changed);
    assert_eq!((found[0].id, found.len()), ("command", 1));
    assert_eq!(found[0].promised, "/mcp-orchestrator --fast \"two words\"");
    // Where the words are cut into entrypoint and command changes nothing of what runs.
    changed.entrypoint = ["/mcp-orchestrator", "--fast"].map(str::to_owned).into();
    changed.command = vec!["two words".to_owned()];
    assert_eq!(differing(&stdio, &changed), []);
}

#[test]
fn of_an_image_that_nobody_has_seen_yet_nothing_is_promised() {
    let stack = stack(&[]);
    let mut engine = observed(&stack);
    engine.images.clear();
    let desired = desired_on(&stack, Profile::Bridge, &engine).expect("a desired state");
    let fields = compare(&desired.containers[0], &Live::default());
    assert!(fields.iter().all(|field| !["image", "command", "environment"].contains(&field.id)));
}

#[test]
fn cgroups_of_the_hosts_are_no_difference_where_that_is_the_engines_default() {
    let container = bridge(&[]);
    let engine = Live { shared_namespaces: ["cgroup".to_owned()].into(), ..live(&container) };
    assert_eq!(differing(&container, &engine), []);
}

#[test]
fn spellings_that_mean_the_same_differ_in_nothing() {
    let container = bridge(&[("hardening.cap_add", "CAP_CHOWN, KILL")]);
    let mut engine = live(&container);
    // Docker adds a path to an image without one.
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    engine.environment.insert("PATH".to_owned(), path.to_owned().into());
    engine.entrypoint = vec!["/mcp-orchestrator".to_owned()];
    engine.working_dir = "/".to_owned();
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
    engine.system_paths = None;
    engine.working_dir = "/".to_owned();
    engine.hostname = "8004a80b38c2".to_owned();
    let added = [("TERM", "xterm"), ("container", "podman"), ("HOSTNAME", "8004a80b38c2")];
    engine.environment.extend(added.map(|(name, value)| (name.to_owned(), value.to_owned().into())));
    engine.security_opt = vec!["no-new-privileges".to_owned()];
    assert_eq!(differing(&container, &engine), []);
    let log =
        compare(&container, &engine).into_iter().find(|field| field.id == "log-limits").expect("a field");
    assert_eq!(log.found, "not shown by this engine");

    engine.cap_drop.remove("NET_RAW");
    assert_eq!(differing(&container, &engine).len(), 1, "a capability that is kept is a difference");
}
