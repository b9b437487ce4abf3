//! What a container of ours may and may not do, as the engine and the kernel say it.

use std::fs;

use serde_json::{Value, json};

use super::docker::{container, id_of, inspect, until};
use super::rig::Rig;

/// Every field of the hardening that is the same for all containers.
#[track_caller]
pub(crate) fn assert_hardened(inspected: &Value) {
    let host = &inspected["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{}", host["CapAdd"]);
    // No seccomp option at all: the engine's own filter is in place.
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    let memory = host["Memory"].as_i64().expect("a limit");
    assert_eq!((memory, &host["MemorySwap"]), (2 << 30, &json!(2_i64 << 30)));
    let cpus = host["NanoCpus"].as_i64().expect("a limit");
    assert!(cpus > 0 && cpus <= 2_000_000_000, "{cpus}");
    assert_eq!(host["PidsLimit"], 256);
    let tmpfs = host["Tmpfs"]["/tmp"].as_str().expect("a folder in memory");
    for option in ["noexec", "nosuid", "nodev", "size=64m"] {
        assert!(tmpfs.split(',').any(|set| set == option), "{tmpfs}");
    }
    let log = &host["LogConfig"];
    assert_eq!(log["Type"], "json-file");
    assert_eq!(log["Config"], json!({"max-file": "3", "max-size": "10m"}));
    for namespace in ["PidMode", "UTSMode", "UsernsMode"] {
        assert_ne!(host[namespace], "host", "{namespace}");
    }
    assert_ne!(host["NetworkMode"], "host");
    assert_ne!(host["IpcMode"], "host");
    assert!(host["Devices"].as_array().is_none_or(Vec::is_empty));
    let mounts = inspected["Mounts"].to_string();
    assert!(!mounts.contains("docker.sock"), "{mounts}");
}

#[test]
fn up_from_nothing_ends_in_verified_containers() {
    let _ours = super::rig::lock("ours");
    let rig = Rig::of_ours("nothing");
    let up = rig.up();
    assert!(up.out.contains("0 failed"), "{}", up.all());

    let bridge = container(&rig.bridge());
    assert_hardened(&bridge);
    assert_eq!(bridge["State"]["Running"], true);
    assert_eq!(bridge["Config"]["User"], "65532:65532");
    // The bridge reaps its own children.
    assert_eq!(bridge["HostConfig"]["Init"], false);
    assert_eq!(bridge["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    let published = |port: u16| json!([{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]);
    let ports = json!({"8765/tcp": published(rig.websocket), "5000/tcp": published(rig.rest)});
    assert_eq!(bridge["HostConfig"]["PortBindings"], ports);
    let mounts = bridge["Mounts"].as_array().expect("mounts");
    assert_eq!(mounts.len(), 1);
    assert_eq!((&mounts[0]["Type"], &mounts[0]["Destination"]), (&json!("volume"), &json!("/app/logs")));

    let labels = &bridge["Config"]["Labels"];
    let folder = rig.folder();
    for (label, value) in [
        ("com.docker.compose.project", rig.project.as_str()),
        ("com.docker.compose.service", "mcp-bridge"),
        ("com.docker.compose.container-number", "1"),
        ("com.docker.compose.oneoff", "False"),
        ("com.docker.compose.project.working_dir", &folder.display().to_string()),
        ("com.docker.compose.project.config_files", &folder.join("mcpo.yaml").display().to_string()),
        ("io.mcpo-deploy.project", &rig.project),
    ] {
        assert_eq!(labels[label], value, "{label}");
    }
    assert_eq!(labels["com.docker.compose.config-hash"].as_str().map(str::len), Some(64));

    let network = inspect("network", &format!("{}_mcp", rig.project)).expect("a network");
    let volume = inspect("volume", &format!("{}_mcp-logs", rig.project)).expect("a volume");
    for (labels, key, name) in [
        (&network["Labels"], "com.docker.compose.network", "mcp"),
        (&volume["Labels"], "com.docker.compose.volume", "mcp-logs"),
    ] {
        assert_eq!(labels[key], name);
        assert_eq!(labels["com.docker.compose.project"], rig.project.as_str());
        // With one, Compose would offer to make it anew, and the logs would be lost.
        assert_eq!(labels["com.docker.compose.config-hash"], Value::Null);
    }

    // Only what keeps running is left.
    let only = [rig.bridge(), format!("{}_mcp", rig.project), format!("{}_mcp-logs", rig.project)];
    assert_eq!(rig.what_there_is(), only);
    assert_eq!(rig.rest_status("get_orchestrator_status")["status"], "active");

    for image in ["mcp-orchestrator:latest", "mcp-bridge:latest"] {
        let image = inspect("image", image).expect("an image");
        let config = &image["Config"];
        assert_eq!(config["User"], "65532:65532");
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert!(config["Labels"]["io.mcpo-deploy.input"].is_string());
    }
}

#[test]
fn the_kernel_says_of_the_running_process_what_was_promised() {
    let rig = Rig::new("kernel");
    rig.up();
    let pid = container(&rig.bridge())["State"]["Pid"].as_i64().expect("a process");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("an engine on this machine");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).split_whitespace().collect::<Vec<_>>()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs"), ["1"]);
    // 2 is a filter (seccomp(2)).
    assert_eq!(field("Seccomp"), ["2"]);
    assert_eq!(field("Uid"), ["65532"; 4]);
    assert_eq!(field("Gid"), ["65532"; 4]);
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).expect("its mounts");
    let options = |folder: &str| {
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(folder));
        line.and_then(|line| line.split(' ').nth(3)).unwrap_or_else(|| panic!("no {folder}: {mounts}"))
    };
    assert!(options("/").split(',').any(|option| option == "ro"));
    let tmp: Vec<&str> = options("/tmp").split(',').collect();
    assert!(["noexec", "nosuid", "nodev"].iter().all(|option| tmp.contains(option)), "{tmp:?}");
    let unique = |namespace: &str| {
        let of =
            |process: &str| fs::read_link(format!("/proc/{process}/ns/{namespace}")).expect("a namespace");
        of(&pid.to_string()) != of("self")
    };
    assert!(["net", "pid", "ipc", "uts", "mnt"].into_iter().all(unique));
}

#[test]
fn a_verification_speaks_with_a_container_that_is_hardened_too() {
    let rig = Rig::new("verifies");
    rig.up();
    let mut verify = rig.start(&["verify", "--quiet"]);
    let mut seen = None;
    until("a container of the verification's", || {
        seen = seen.take().or_else(|| rig.probes().first().and_then(|name| inspect("container", name)));
        seen.is_some() || verify.try_wait().expect("a state").is_some()
    });
    assert!(verify.wait().expect("an end").success());
    let probe = seen.expect("a container was seen while the verification ran");
    assert_hardened(&probe);
    assert_eq!(probe["Config"]["User"], "65532:65532");
    assert_eq!(probe["HostConfig"]["RestartPolicy"]["Name"], "no");
    assert_eq!(probe["Config"]["Labels"]["com.docker.compose.oneoff"], "True");
    assert!(probe["HostConfig"]["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty));
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn health_is_the_image_s_own_and_becomes_healthy() {
    let rig = Rig::new("health");
    rig.up();
    let id = id_of(&rig.bridge());
    let bridge = container(&id);
    assert_eq!(bridge["Config"]["Healthcheck"]["Test"], json!(["CMD", "/mcp-bridge", "probe"]));
    assert_eq!(bridge["Config"]["Healthcheck"]["Interval"], 30_000_000_000_i64);
    let probe = super::docker::docker(&["exec", &id, "/mcp-bridge", "probe"]);
    assert_eq!(probe.code, Some(0), "{}", probe.all());
}
