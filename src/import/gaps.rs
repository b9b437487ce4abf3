//! What the deployment does better than what was read.

use super::bridge_settings::is_run_line;
use super::description::may_be_secret;
use super::hardening::UNLIMITED;
use super::ledger::clean;
use super::roles::Roles;
use super::service::{MountKind, Project, Service, Variable};
use super::writer::{Entries, Value};
use crate::config::ORCHESTRATOR_IMAGE;

/// A gap in somebody's hardening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// A stable id; that of the check in `verify`, where there is one.
    pub id: &'static str,
    /// The service, as the text calls it; empty for the whole of it.
    pub service: String,
    /// The line that the service starts in, from 1.
    pub line: usize,
    /// What it was.
    pub was: String,
    /// What it is now, or, where it is open, what closes it.
    pub now: String,
    /// Whether the deployment closes it by itself.
    pub closed: bool,
    /// The document that asks for it.
    pub follows: &'static str,
}

/// Compares what was read with what is written.
pub(super) fn gaps(project: &Project, roles: &Roles, entries: &Entries) -> Vec<Gap> {
    let mut found = Found { gaps: Vec::new(), entries };
    if let Some(line) = project.version {
        found.gaps.push(Gap {
            id: "version",
            service: String::new(),
            line,
            was: "`version:`, which Compose no longer reads and warns of".to_owned(),
            now: "none".to_owned(),
            closed: true,
            follows: "Compose specification",
        });
    }
    for service in roles.of_project(project) {
        found.identity(service);
        found.privileges(service);
        found.limits(service);
        found.reach(service);
        found.upkeep(service);
        found.secrets(service);
    }
    found.gaps
}

struct Found<'e> {
    gaps: Vec<Gap>,
    entries: &'e Entries,
}

impl Found<'_> {
    fn add(
        &mut self,
        service: &Service,
        id: &'static str,
        was: impl Into<String>,
        now: impl Into<String>,
        follows: &'static str,
    ) {
        self.gaps.push(Gap {
            id,
            service: clean(&service.name),
            line: service.line,
            was: clean(&was.into()),
            now: clean(&now.into()),
            closed: true,
            follows,
        });
    }

    fn identity(&mut self, service: &Service) {
        if service.user.is_none() {
            let now = match self.entries.get("hardening.user") {
                Some(Value::One(user)) => format!("user {user}"),
                _ => "the image's own user unless that is root, else 65532".to_owned(),
            };
            self.add(
                service,
                "user",
                "no user: root, unless the image says otherwise",
                now,
                "OWASP Docker 2",
            );
        }
        if service.read_only.is_none() && self.entries.get("hardening.read_only").is_none() {
            self.add(
                service,
                "read-only",
                "the root file system can be written",
                "read-only, /tmp in memory",
                "CIS 5.13",
            );
        }
    }

    fn privileges(&mut self, service: &Service) {
        let privileges = &service.privileges;
        if privileges.privileged {
            self.add(
                service,
                "privileged",
                "privileged: as good as root on the host",
                "not privileged",
                "CIS 5.5",
            );
        }
        if !privileges.drops_all() {
            let now = match self.entries.get("hardening.cap_add") {
                Some(Value::List(names)) => format!("all dropped but {}", names.join(", ")),
                _ => "all dropped".to_owned(),
            };
            let was = if privileges.cap_drop.is_empty() {
                "none of the capabilities dropped"
            } else {
                "only some of the capabilities dropped"
            };
            self.add(service, "cap-drop", was, now, "CIS 5.4");
        }
        if privileges.cap_add.iter().any(|name| name.eq_ignore_ascii_case("all")) {
            self.add(service, "cap-add", "every capability added", "all dropped", "CIS 5.4");
        }
        if privileges.no_new_privileges().is_none()
            && self.entries.get("hardening.no_new_privileges").is_none()
        {
            self.add(
                service,
                "no-new-privileges",
                "processes may gain rights",
                "none gains rights",
                "CIS 5.26",
            );
        }
        let label = ["label=disable", "label:disable", "systempaths=unconfined"];
        if privileges.option("apparmor") == Some("unconfined")
            || privileges.security_opt.iter().any(|option| label.contains(&option.as_str()))
        {
            let now = "the engine's own AppArmor or SELinux policy";
            self.add(
                service,
                "confinement",
                "AppArmor, SELinux or masked paths turned off",
                now,
                "CIS 5.2, 5.3",
            );
        }
    }

    fn limits(&mut self, service: &Service) {
        let limits = &service.limits;
        let memory = self.entries.effective("hardening.memory");
        if limits.memory.is_none() {
            self.add(service, "memory", "no limit of memory", memory.clone(), "CIS 5.11");
        }
        let limited = self.entries.effective("hardening.memory") != UNLIMITED;
        if limited && (limits.swap.is_none() || limits.swap != limits.memory) {
            let was = if limits.memory.is_some() { "swap on top of the memory" } else { "no limit of swap" };
            self.add(service, "swap", was, "no swap", "CIS 5.11");
        }
        if limits.cpus.is_none() {
            let now = self.entries.effective("hardening.cpus");
            self.add(service, "cpus", "no limit of processors", now, "CIS 5.12");
        }
        if limits.pids.is_none() {
            let now = self.entries.effective("hardening.pids");
            self.add(service, "pids", "no limit of processes", now, "CIS 5.29");
        }
    }

    /// What the service reaches, and who reaches it.
    fn reach(&mut self, service: &Service) {
        let open = |address: &Option<String>| !matches!(address.as_deref(), Some(address) if !matches!(address, "0.0.0.0" | "::" | "*"));
        let ports: Vec<String> = service
            .ports
            .iter()
            .filter(|port| open(&port.address) && !port.not_tcp)
            .map(|port| port.container.to_string())
            .collect();
        if !ports.is_empty() && !service.ours {
            let now = self.entries.effective("bridge.address");
            let was = format!("port {} published on every address of the host", ports.join(", "));
            self.add(service, "published", was, format!("on {now} alone"), "CIS 5.14");
        }
        let mut shared = service.namespaces.of_host.clone();
        if service.network_mode.as_deref().is_some_and(|mode| !matches!(mode, "none" | "bridge" | "default"))
        {
            shared.insert(0, "network".to_owned());
        }
        if !shared.is_empty() {
            let was = format!("namespaces of the host or of another container: {}", shared.join(", "));
            self.add(service, "host-namespaces", was, "all its own", "CIS 5.10, 5.16, 5.17, 5.21");
        }
        let on_docker0 = service.is_run_line() && service.networks.is_empty();
        if matches!(service.network_mode.as_deref(), Some("bridge" | "default"))
            || on_docker0 && service.network_mode.is_none()
        {
            let was = "on the network that every container shares";
            self.add(service, "networks", was, "on a network of its own", "CIS 5.30");
        }
        if !service.devices.is_empty() {
            self.add(service, "devices", "devices of the host", "none", "CIS 5.18");
        }
        for mount in &service.mounts {
            let MountKind::Host(source) = &mount.kind else { continue };
            if source.ends_with("docker.sock") || source.ends_with("podman.sock") {
                let was = "the engine's socket mounted: as good as root on the host";
                self.add(service, "docker-socket", was, "not mounted", "CIS 5.32, OWASP Docker 1");
            } else if !service.is_log(mount) {
                let was = format!("a path of the host mounted at {}", mount.target);
                self.add(service, "mounts", was, "nothing is mounted but the logs", "CIS 5.6");
            }
        }
    }

    fn upkeep(&mut self, service: &Service) {
        if service.restart.as_deref() == Some("always") {
            self.add(
                service,
                "restart",
                "restarted even after it was stopped",
                "restarted unless it was stopped",
                "CIS 5.15",
            );
        }
        let unlimited = |driver: &Option<String>| matches!(driver.as_deref(), None | Some("json-file"));
        if service.logs.max_size.is_none() && unlimited(&service.logs.driver) {
            let (count, size) =
                (self.entries.effective("logs.max_files"), self.entries.effective("logs.max_size"));
            self.add(
                service,
                "logs",
                "the log grows without a limit",
                format!("{count} files of {size}"),
                "",
            );
        }
        let floating = service.image.as_deref().filter(|image| {
            !image.contains('@')
                && (image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or(image).contains(':'))
        });
        let own = ["mcp-bridge", ORCHESTRATOR_IMAGE.trim_end_matches(":latest")];
        if let Some(image) = floating
            .filter(|image| service.build.is_none() && !own.contains(&image.trim_end_matches(":latest")))
        {
            let now = "open: name a version, or the digest (`name@sha256:…`)";
            self.add(service, "image", format!("{image} is whatever it is today"), now, "CIS 5.28");
            if let Some(gap) = self.gaps.last_mut() {
                gap.closed = false;
            }
        }
        let spawns = |value: &Variable| matches!(value, Variable::Written(value) if is_run_line(value.expose()) && !value.expose().contains("--read-only"));
        if service.environment.get("MCP_ORCHESTRATOR_COMMAND").is_some_and(spawns) {
            let was =
                "MCP_ORCHESTRATOR_COMMAND starts containers with no hardening, and needs the engine's socket";
            self.add(service, "spawned", was, "the full line (app.spawns); no socket is mounted", "CIS 5.32");
        }
    }

    fn secrets(&mut self, service: &Service) {
        let inline = |value: &(&String, &Variable)| matches!(value.1, Variable::Written(text) if may_be_secret(value.0, text.expose()));
        let count = service.environment.iter().filter(inline).count();
        if count > 0 {
            let was = format!("{count} of its variables may be secrets, and are written into the file");
            self.add(service, "secrets", was, "not in mcpo.yaml: .env is for them", "OWASP Docker 12");
        }
    }
}
