//! Services → the keys of a `mcpo.yaml` that differ from their defaults.

use std::collections::BTreeMap;

use super::ledger::{Ledger, clean};
use super::paths::{is_beside, relocated};
use super::reader::variable_path;
use super::roles::Roles;
use super::service::{Build, MountKind, Project, Service, Variable};
use super::writer::{Entries, Value, flow};
use super::{Origin, bridge_settings, hardening};
use crate::config::{self, REST, WEBSOCKET};
use crate::model::{is_known_secret, is_secret_name, is_secret_value, secret_argument};

/// What is written so far.
pub(super) struct Draft<'a> {
    pub(super) origin: &'a Origin<'a>,
    pub(super) ledger: &'a mut Ledger,
    pub(super) entries: Entries,
}

/// A variable that is not written, for a reason that was noted.
struct LeftOut;

/// Decides what is written.
pub(super) fn entries(project: &Project, roles: &Roles, origin: &Origin<'_>, ledger: &mut Ledger) -> Entries {
    let mut draft = Draft { origin, ledger, entries: Entries::default() };
    if let Some(name) = &project.name {
        draft.one("project", name, 1, "name");
    }
    let service = |at: Option<usize>| at.and_then(|at| project.services.get(at));
    let (server, bridge, app) = (service(roles.orchestrator), service(roles.bridge), service(roles.app));
    if let Some(bridge) = bridge {
        bridge_settings::of(&mut draft, bridge, server.is_none());
    }
    if let Some(server) = server {
        draft.server(server);
    }
    draft.variables(server, bridge);
    draft.logs(server, bridge);
    hardening::of(&mut draft, project, &roles.of_project(project).collect::<Vec<_>>());
    if let Some(bridge) = bridge {
        draft.bridge_ports(bridge);
    }
    if let Some(app) = app {
        draft.app(app);
    }
    for service in roles.of_project(project) {
        if service.restart.as_deref().is_some_and(|policy| policy == "no" || policy.starts_with("on-failure"))
            && !service.profiles.iter().any(|p| p == "build-only")
        {
            let what = service.at("restart");
            draft.ledger.note(service.line, what, "services are started again unless they were stopped");
        }
    }
    draft.entries
}

impl Draft<'_> {
    /// Writes a value, unless it is the default, or is none that the key takes. Whether it holds.
    pub(super) fn one(&mut self, key: &'static str, text: &str, line: usize, what: &str) -> bool {
        self.value(key, Value::One(text.to_owned()), line, what, false)
    }

    /// As [`Draft::one`], for any value; the default is written too where it is `wanted`.
    pub(super) fn value(
        &mut self,
        key: &'static str,
        value: Value,
        line: usize,
        what: &str,
        wanted: bool,
    ) -> bool {
        let texts: Vec<&str> = match &value {
            Value::One(text) => vec![text],
            Value::List(items) => items.iter().map(String::as_str).collect(),
            Value::Map(entries) => entries.values().filter_map(Option::as_deref).collect(),
        };
        if texts.iter().any(|text| is_known_secret(text)) {
            self.ledger.note(line, what, "it may hold a secret, which belongs into the env file");
            return false;
        }
        let yaml = flow(&value);
        if let Some(fault) = config::fault(key, &yaml) {
            self.ledger.note(line, what, format!("`{key}` {fault}"));
            return false;
        }
        if wanted || !config::is_default(key, &yaml) {
            self.entries.insert(key, value);
        }
        true
    }

    /// The stdio server: where its image comes from and what it runs.
    fn server(&mut self, server: &Service) {
        let at = |key: &str| server.at(key);
        let built = self.build(server, "orchestrator.build.context", "orchestrator.build.dockerfile");
        if let Some(image) = &server.image {
            self.value("orchestrator.image", Value::One(image.clone()), server.line, &at("image"), built);
        }
        let ours = !built && self.entries.get("orchestrator.image").is_none();
        if server.entrypoint.is_some() {
            let why = super::run_options::ENTRYPOINT;
            self.ledger.note(server.line, at("entrypoint"), why);
        }
        let guide = |command: &[String]| command.join(" ") == "python -m src.mcp_server";
        if let Some(command) = &server.command
            && !(ours && guide(command))
        {
            self.command("orchestrator.command", command, server, &at("command"));
        }
        if !server.ports.is_empty() {
            let why = "the server speaks stdio; what is published is the bridge's";
            self.ledger.note(server.line, at("ports"), why);
        }
    }

    pub(super) fn command(&mut self, key: &'static str, command: &[String], service: &Service, what: &str) {
        if command.is_empty() {
            return;
        }
        if let Some(position) = secret_argument(command) {
            let why = format!(
                "its argument {position} may hold a secret; pass that in a variable of the env file and set `{key}`"
            );
            return self.ledger.note(service.line, what, why);
        }
        self.value(key, Value::List(command.to_vec()), service.line, what, true);
    }

    /// Whether an image is built from a context.
    fn build(&mut self, service: &Service, context_key: &'static str, file_key: &'static str) -> bool {
        let Some(Build { context, dockerfile, .. }) = &service.build else { return false };
        let what = service.at("build");
        if context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/") {
            self.ledger.note(service.line, what, "a context must be a folder of this machine");
            return false;
        }
        if !self.one(context_key, &relocated(context, self.origin), service.line, &what) {
            return false;
        }
        if let Some(dockerfile) =
            dockerfile.as_deref().filter(|file| file.trim_start_matches("./") != "Dockerfile")
        {
            self.one(file_key, dockerfile, service.line, &service.at("dockerfile"));
        }
        true
    }

    /// The server's variables: its own, and those of the bridge, which starts it.
    fn variables(&mut self, server: Option<&Service>, bridge: Option<&Service>) {
        let mut taken = BTreeMap::new();
        for service in [bridge, server].into_iter().flatten() {
            for (name, value) in &service.environment {
                if bridge_settings::is_ours(name) {
                    continue;
                }
                if let Ok(value) = self.variable(service, name, value, "put it into .env") {
                    taken.insert(name.clone(), value);
                }
            }
            self.env_file(service);
        }
        if !taken.is_empty() {
            self.value("orchestrator.environment", Value::Map(taken), 0, "environment", true);
        }
    }

    /// A variable as it is written: with a value, without, or not at all.
    fn variable(
        &mut self,
        service: &Service,
        name: &str,
        value: &Variable,
        advice: &str,
    ) -> Result<Option<String>, LeftOut> {
        let what = variable_path(&service.at("environment"), name);
        let written = match value {
            Variable::Passed => None,
            Variable::Unresolved(names) => {
                let why =
                    format!("its value is made of {}, which mcpo.yaml does not replace", names.join(", "));
                self.ledger.note(service.line, what, why);
                return Err(LeftOut);
            }
            Variable::Written(value) if may_be_secret(name, value.expose()) => {
                let why = format!("its value may be a secret and is not copied; {advice}");
                self.ledger.note(service.line, what, why);
                return Err(LeftOut);
            }
            Variable::Written(value) => Some(value.expose().to_owned()),
        };
        let one = Value::Map(BTreeMap::from([(name.to_owned(), written.clone())]));
        if let Some(fault) = config::fault("orchestrator.environment", &flow(&one)) {
            self.ledger.note(service.line, what, fault);
            return Err(LeftOut);
        }
        Ok(written)
    }

    fn env_file(&mut self, service: &Service) {
        let what = service.at("env_file");
        let Some(file) = service.env_files.last() else {
            if service.ours {
                self.one("orchestrator.env_file", "none", service.line, &what);
            }
            return;
        };
        if service.env_files.len() > 1 {
            self.ledger.note(
                service.line,
                &*what,
                "one file is read; the last one, which beats the others, is taken",
            );
        }
        if !is_beside(file, ".env", self.origin) {
            self.one("orchestrator.env_file", &relocated(file, self.origin), service.line, &what);
        }
    }

    fn logs(&mut self, server: Option<&Service>, bridge: Option<&Service>) {
        let mounts = |service: &Service| service.mounts.iter().find(|mount| service.is_log(mount)).cloned();
        let services = || [server, bridge].into_iter().flatten();
        if let Some((service, mount)) = services().find_map(|service| Some((service, mounts(service)?))) {
            let what = service.at("volumes");
            match &mount.kind {
                MountKind::Host(path) => {
                    self.one("logs.folder", &relocated(path, self.origin), service.line, &what);
                }
                MountKind::Volume(name) => {
                    let name = hardening::own_volume(name, service);
                    self.one("logs.volume", name, service.line, &what);
                }
                MountKind::Anonymous | MountKind::Other(_) => {}
            }
            self.one("logs.mount", &mount.target, service.line, &what);
        }
        if let Some(service) =
            services().find(|service| service.logs.max_size.is_some() || service.logs.max_files.is_some())
        {
            let what = service.at("logging");
            if let Some(size) = service.logs.max_size.as_deref().and_then(hardening::size) {
                self.one("logs.max_size", &size, service.line, &what);
            }
            if let Some(count) = &service.logs.max_files {
                self.one("logs.max_files", count, service.line, &what);
            }
        }
        for service in services() {
            if let Some(driver) =
                service.logs.driver.as_deref().filter(|driver| !matches!(*driver, "json-file" | "local"))
            {
                let why = format!("output is kept by the engine's json-file driver, not by {driver}");
                self.ledger.note(service.line, service.at("logging"), why);
            }
            for mount in service.mounts.iter().filter(|mount| !service.is_log(mount)) {
                let what = format!("{} ({})", service.at("volumes"), mount.target);
                self.ledger.note(service.line, what, "nothing is mounted but the logs");
            }
        }
    }

    fn bridge_ports(&mut self, bridge: &Service) {
        let what = bridge.at("ports");
        let mut hosts = BTreeMap::from([(WEBSOCKET, WEBSOCKET), (REST, REST)]);
        for port in &bridge.ports {
            match (port.container, port.host) {
                (WEBSOCKET | REST, Some(host)) if !port.not_tcp => drop(hosts.insert(port.container, host)),
                (WEBSOCKET | REST, None) if !port.not_tcp => {
                    self.ledger.note(
                        bridge.line,
                        &*what,
                        "a port of the host's choice becomes the default one",
                    );
                }
                (other, _) => {
                    let why = format!("the bridge listens on {WEBSOCKET} and {REST}, not on {other}");
                    self.ledger.note(bridge.line, &*what, why);
                }
            }
        }
        let mut addresses = bridge.ports.iter().filter_map(|port| port.address.as_deref());
        if let Some(address) = addresses.next() {
            self.address(address, bridge, &what);
            if addresses.any(|other| other != address) {
                let why = "both ports are published on one address; that of the first is taken";
                self.ledger.note(bridge.line, &*what, why);
            }
        }
        if hosts[&WEBSOCKET] == hosts[&REST] {
            let why = "its ports must differ from the default of the other; the defaults are taken";
            return self.ledger.note(bridge.line, what, why);
        }
        self.one("bridge.websocket_port", &hosts[&WEBSOCKET].to_string(), bridge.line, &what);
        self.one("bridge.rest_port", &hosts[&REST].to_string(), bridge.line, &what);
    }

    /// The address that ports are published on: all addresses are what nobody asks for by name,
    /// unless a rendering of ours has them.
    fn address(&mut self, address: &str, service: &Service, what: &str) {
        let Ok(ip) = address.parse::<std::net::IpAddr>() else {
            return self.ledger.note(service.line, what, "ports are published on an IP address alone");
        };
        if ip.is_unspecified() && !service.ours || !self.one("bridge.address", address, service.line, what) {
            return;
        }
        if ip.is_loopback() {
            return;
        }
        if service.ours {
            self.one("bridge.insecure", "true", service.line, what);
        }
        let what = "ports are published beyond this machine; `up` refuses that unless it is accepted (`bridge.insecure`)";
        self.ledger.keep("bridge.address", address, what);
    }

    fn app(&mut self, app: &Service) {
        let at = |key: &str| app.at(key);
        let built = self.build(app, "app.build.context", "app.build.dockerfile");
        let mut imaged = false;
        if let Some(image) = &app.image {
            imaged = self.value("app.image", Value::One(image.clone()), app.line, &at("image"), true);
        }
        if !built && !imaged {
            return self.ledger.note(
                app.line,
                app.path.clone(),
                "an application needs an image or a folder to build it from",
            );
        }
        if app.entrypoint.is_some() {
            self.ledger.note(
                app.line,
                at("entrypoint"),
                "the image's own is used; `app.command` is what it is handed",
            );
        }
        if let Some(command) = &app.command {
            self.command("app.command", command, app, &at("command"));
        }
        self.app_variables(app);
        self.app_ports(app);
        let spawns = bridge_settings::spawns(app);
        if spawns {
            self.one("app.spawns", "true", app.line, &at("MCP_ORCHESTRATOR_COMMAND"));
        }
        // Who starts the server hands it the server's keys.
        if !(app.env_files.is_empty() || app.ours && spawns) {
            let why = "an application has no env file; name its variables in `app.environment`";
            self.ledger.note(app.line, at("env_file"), why);
        }
        for mount in &app.mounts {
            let what = format!("{} ({})", app.at("volumes"), mount.target);
            self.ledger.note(app.line, what, "nothing is mounted into an application");
        }
    }

    fn app_variables(&mut self, app: &Service) {
        let mut taken = BTreeMap::new();
        for (name, value) in &app.environment {
            if bridge_settings::is_given(name, value) {
                continue;
            }
            match self.variable(app, name, value, "export it before `mcpo-deploy up`") {
                Ok(value) => drop(taken.insert(name.clone(), value)),
                // It has a name, so that its owner need only give it a value.
                Err(LeftOut) if matches!(value, Variable::Written(_)) && is_taken(name) => {
                    taken.insert(name.clone(), None);
                }
                Err(LeftOut) => {}
            }
        }
        if taken.values().any(Option::is_none) {
            let why =
                "variables without a value come from the environment of `mcpo-deploy up`, not from .env";
            self.ledger.note(app.line, app.at("environment"), why);
        }
        if !taken.is_empty() {
            self.value("app.environment", Value::Map(taken), app.line, "app.environment", true);
        }
    }

    fn app_ports(&mut self, app: &Service) {
        let what = app.at("ports");
        let bridge = ["bridge.websocket_port", "bridge.rest_port"].map(|key| self.entries.effective(key));
        let mut taken = BTreeMap::new();
        for port in &app.ports {
            let Some(host) = port.host.filter(|_| !port.not_tcp) else {
                self.ledger.note(app.line, &*what, "only TCP ports with a port of the host are published");
                continue;
            };
            if bridge.contains(&host.to_string()) {
                let why = format!("{host} is the bridge's port; publish the application on another one");
                self.ledger.note(app.line, &*what, why);
                continue;
            }
            if let Some(address) = port.address.as_deref() {
                self.app_address(address, app, &what);
            }
            taken.insert(host.to_string(), Some(port.container.to_string()));
        }
        if !taken.is_empty() {
            self.value("app.ports", Value::Map(taken), app.line, &what, true);
        }
    }

    /// An application's ports are published where the bridge's are.
    fn app_address(&mut self, address: &str, app: &Service, what: &str) {
        if address != self.entries.effective("bridge.address") && !matches!(address, "0.0.0.0" | "::") {
            let why = format!(
                "ports are published on {}, the bridge's address",
                self.entries.effective("bridge.address")
            );
            self.ledger.note(app.line, clean(what), why);
        }
    }
}

/// Whether a name is one that a variable can have.
fn is_taken(name: &str) -> bool {
    let alone = Value::Map(BTreeMap::from([(name.to_owned(), None)]));
    config::fault("app.environment", &flow(&alone)).is_none()
}

/// Whether a variable may hold a secret, by its name or by its value.
pub(super) fn may_be_secret(name: &str, value: &str) -> bool {
    let plain = matches!(value, "" | "true" | "false" | "none");
    !plain && (is_secret_name(name) || is_secret_value(value))
}
