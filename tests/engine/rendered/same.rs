//! One deployment, started by Compose and by `up` from one folder: the same containers.

use std::fs;

use serde_json::Value;

use super::super::docker::{container, docker};
use super::super::rig::Rig;
use super::comparison::{ALWAYS, AS_MOUNTS, OF_COMPOSE, OF_COMPOSE_1, Remains, differences};
use super::generations::Compose;

/// What may differ from `up`'s container in one that this Compose made.
fn tables(compose: Compose) -> Vec<&'static [Remains]> {
    match compose {
        Compose::V5 => vec![&ALWAYS, &OF_COMPOSE],
        Compose::V2 => vec![&ALWAYS, &OF_COMPOSE, &AS_MOUNTS],
        Compose::V1_29 => vec![&ALWAYS, &OF_COMPOSE, &AS_MOUNTS, &OF_COMPOSE_1],
    }
}

/// Brings it up both ways and compares the containers of the services. Each file lies elsewhere. `up`
/// speaks with what it finds and leaves it; one verification adds a fresh container.
fn same(rig: &Rig, profile: &str, services: &[&str], composes: &[Compose]) {
    rig.run(&["up", profile]).ok();
    let ours: Vec<Value> =
        services.iter().map(|service| container(&rig.named(&format!("{service}-1")))).collect();
    rig.run(&["down"]).ok();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut found = Vec::new();
    for &compose in composes {
        let folder = match compose {
            Compose::V5 => rig.folder().join("compose"),
            Compose::V2 => elsewhere.path().join("files"),
            Compose::V1_29 => rig.folder().join("a/b"),
        };
        let file = compose.render(rig, profile, &folder);
        for service in services {
            compose.run(rig, &file, &["up", "-d", "--no-deps", service]).ok();
        }
        for (service, ours) in services.iter().zip(&ours) {
            let theirs = compose.container(rig, service);
            let differ = differences(ours, &theirs, &tables(compose));
            found
                .extend(differ.into_iter().map(|difference| format!("{compose:?}, {service}: {difference}")));
        }
        if compose == Compose::V5 {
            rig.run(&["verify"]).ok();
        }
        let again = rig.run(&["up", profile]).ok();
        assert!(again.out.starts_with("nothing to do"), "{compose:?}: {}", again.all());
        compose.run(rig, &file, &["down"]).ok();
    }
    assert!(found.is_empty(), "what differs, up / Compose:\n{}", found.join("\n"));
}

#[test]
fn compose_starts_the_bridge_that_up_starts() {
    let rig = Rig::new("rendered-same");
    rig.write(".env", "OPENAI_API_KEY=sk-1\n");
    same(&rig, "bridge", &["mcp-bridge"], &Compose::ALL);
}

#[test]
fn compose_starts_what_up_starts_where_every_setting_is_another() {
    let mut rig = Rig::new("rendered-changed");
    everything_changed(&mut rig);
    same(&rig, "bridge", &["mcp-bridge"], &Compose::ALL);
}

#[test]
fn compose_starts_a_foreign_server_s_bridge_and_an_application_as_up_does() {
    let rig = foreign("rendered-foreign");
    docker(&["network", "create", &rig.named("theirs")]).ok();
    let _network = Network(rig.named("theirs"));
    same(&rig, "full-stack", &["mcp-bridge", "app"], &[Compose::V5, Compose::V2]);
}

/// A network of somebody else's, until the end of a test.
struct Network(String);

impl Drop for Network {
    fn drop(&mut self) {
        let connected = [format!("network={}", self.0)];
        let ids = docker(&["ps", "-aq", "--filter", &connected[0]]).out;
        ids.lines().for_each(|id| drop(docker(&["rm", "-f", id])));
        docker(&["network", "rm", &self.0]);
    }
}

/// A deployment that has nothing at its default.
pub(super) fn everything_changed(rig: &mut Rig) {
    rig.write("profile.json", r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}"#);
    // Its user and its folders are the image's too, and the tests' is everybody's.
    let image = rig.named("mcp-bridge:latest");
    rig.set("MCPO_BRIDGE_IMAGE", &image);
    rig.owns_image(&image);
    rig.write("keys.env", "OPENAI_API_KEY=sk-1\nFROM_FILE=in the file\nBEATEN=file\nMCP_BRIDGE_MAX_CONNECTIONS=60000\nMCP_BRIDGE_ALLOW_HOST=evil.example\nMCPO_LOG_MAX_FILES=99\n");
    let logs = fs::canonicalize(rig.folder()).expect("a folder").join("kept logs");
    fs::create_dir(&logs).expect("a folder");
    std::os::unix::fs::chown(&logs, Some(1234), Some(1235)).expect("a chown");
    rig.write(
        "mcpo.yaml",
        r#"
orchestrator:
  env_file: keys.env
  environment: {BEATEN: by name, API_TOKEN: t0ken, PASSED: , NOT_HERE: }
hardening:
  tmpfs: {/tmp: "size=32m,mode=1777", "/var/tmp": "size=1m"}
  user: 1234:1235
  cap_add: [NET_BIND_SERVICE, CHOWN]
  seccomp: profile.json
  memory: 300m
  cpus: 0.75
  pids: 99
logs:
  folder: kept logs
  mount: /var/log/mcp
  max_size: 5m
  max_files: 7
  max_age: 3d
bridge:
  address: 127.0.0.2
  max_connections: 9
  max_children: 5
  max_message: 3m
  call_timeout: 33s
  allowed_origins: ["https://a.example", "http://b.example:8080"]
  allowed_hosts: [mcp.example]
"#,
    );
    rig.set("API_TOKEN", "t0ken");
    rig.set("PASSED", "of the $environment");
}

/// The fixture as a Python image would be, and an application that only waits.
pub(super) fn foreign(name: &str) -> Rig {
    let mut rig = Rig::new(name);
    let python = "FROM scratch\nCOPY stdio-fixture /server\nCOPY passwd /etc/passwd\nENV LANG=C.UTF-8\n\
         ENV PYTHON_VERSION=3.12\nWORKDIR /app\nUSER app\nENTRYPOINT [\"/server\"]\nCMD [\"legacy\"]\n\
         HEALTHCHECK --interval=7s CMD [\"/server\"]\n";
    let image = rig.image("server", python);
    rig.use_image(&image, "status");
    let app = rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 77\nHEALTHCHECK CMD [\"/app\", \"die\", \"0\", \"\"]\n");
    let port = super::super::rig::free_port();
    let has_ipv6 = std::net::TcpListener::bind(("::1", 0)).is_ok();
    rig.write(".env", "OPENAI_API_KEY=sk-1\n");
    rig.write(
        "mcpo.yaml",
        &format!(
            "orchestrator:\n  command: [legacy]\nhardening:\n  network: {}\nbridge:\n  address: '{}'\napp:\n  image: {app}\n  command: [say, 'it''s $HOME']\n  \
             environment: {{COLOUR: blue}}\n  ports: {{{port}: 80}}\n  spawns: true\n",
            rig.named("theirs"),
            if has_ipv6 { "::1" } else { "127.0.0.3" },
        ),
    );
    rig
}
