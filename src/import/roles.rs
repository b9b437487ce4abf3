//! Which service is the bridge, which the stdio server, which the application.

use super::error::ImportError;
use super::ledger::Ledger;
use super::service::{Project, Service, Variable};
use crate::config::{REST, WEBSOCKET};

/// The services that are taken over, by their place in the project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) orchestrator: Option<usize>,
    pub(super) bridge: Option<usize>,
    pub(super) app: Option<usize>,
}

impl Roles {
    pub(super) fn of(project: &Project, file: &str, ledger: &mut Ledger) -> Result<Self, ImportError> {
        let services = &project.services;
        let mut roles = Self::default();
        let count = services.len();
        roles.bridge = best(services, "mcp-bridge", |service| bridge_rank(service, count), &roles);
        roles.orchestrator =
            best(services, "mcp-orchestrator", |service| orchestrator_rank(service, count), &roles);
        roles.app = best(services, "app", |service| app_rank(service, services, roles), &roles);
        let Some(first) = services.first() else { return Ok(roles) };
        if roles.orchestrator.is_none() && roles.bridge.is_none() {
            let names = services.iter().map(|service| super::ledger::clean(&service.name)).collect();
            return Err(ImportError::NoServer { file: file.to_owned(), line: first.line, names });
        }
        for (at, service) in services.iter().enumerate() {
            if !roles.has(at) {
                ledger.drop_below(&service.path);
                let why = "mcpo.yaml has a server, a bridge and an application, and this is none of them";
                ledger.note(service.line, service.path.clone(), why);
            }
        }
        Ok(roles)
    }

    fn has(self, at: usize) -> bool {
        [self.orchestrator, self.bridge, self.app].contains(&Some(at))
    }

    /// The services that are taken over: the server, the bridge, the application.
    pub(super) fn of_project(self, project: &Project) -> impl Iterator<Item = &Service> {
        [self.orchestrator, self.bridge, self.app]
            .into_iter()
            .flatten()
            .filter_map(|at| project.services.get(at))
    }
}

/// The first service of the highest rank that has no role yet; a rank of 0 is none. In a rendering of
/// ours a service's name is its role.
fn best(services: &[Service], name: &str, rank: impl Fn(&Service) -> u8, roles: &Roles) -> Option<usize> {
    let mut found: Option<(u8, usize)> = None;
    for (at, service) in services.iter().enumerate().filter(|(at, _)| !roles.has(*at)) {
        let rank = if service.ours { u8::from(service.name == name) } else { rank(service) };
        if rank > 0 && found.is_none_or(|(best, _)| rank > best) {
            found = Some((rank, at));
        }
    }
    found.map(|(_, at)| at)
}

fn bridge_rank(service: &Service, count: usize) -> u8 {
    let command = service
        .command
        .iter()
        .flatten()
        .any(|word| word.contains("mcp_bridge") || word.contains("mcp-bridge"));
    let dockerfile = service
        .build
        .iter()
        .filter_map(|build| build.dockerfile.as_deref())
        .any(|file| file.contains("bridge"));
    let publishes = |port: u16| service.ports.iter().any(|published| published.container == port);
    if is_build_only(service) {
        0
    } else if service.name == "mcp-bridge" || command {
        5
    } else if image_name(service).contains("mcp-bridge") || dockerfile {
        4
    } else if is_called(service, "bridge") {
        3
    } else if publishes(WEBSOCKET) {
        2
    } else {
        u8::from(publishes(REST) && (count == 1 || is_called(service, "mcp")) && !is_app(service))
    }
}

fn orchestrator_rank(service: &Service, count: usize) -> u8 {
    if is_app(service) && count > 1 && !is_called(service, "mcp") {
        0
    } else if is_build_only(service) || image_name(service).starts_with("mcp-orchestrator") {
        6
    } else if is_called(service, "orchestrator") {
        5
    } else if service.interactive && service.ports.is_empty() {
        4
    } else if is_called(service, "mcp") {
        3
    } else {
        u8::from(count == 1)
    }
}

fn app_rank(service: &Service, services: &[Service], roles: Roles) -> u8 {
    let chosen = [roles.orchestrator, roles.bridge].into_iter().flatten().filter_map(|at| services.get(at));
    let waits = chosen.into_iter().any(|other| service.depends_on.contains(&other.name));
    if service.image.is_none() && service.build.is_none() {
        0
    } else if is_app(service) {
        3
    } else if waits {
        2
    } else {
        u8::from(service.name == "app")
    }
}

/// Whether a service is told where a server is.
fn is_app(service: &Service) -> bool {
    service.environment.keys().any(|name| name.starts_with("MCP_ORCHESTRATOR_"))
        && !service
            .environment
            .iter()
            .any(|(name, value)| name == "MCP_BRIDGE_COMMAND" && *value != Variable::Passed)
}

fn is_build_only(service: &Service) -> bool {
    service.profiles.iter().any(|profile| profile == "build-only")
}

fn image_name(service: &Service) -> &str {
    service.image.as_deref().and_then(|image| image.rsplit('/').next()).unwrap_or_default()
}

/// Whether a word is in a service's name or in its image's, with what the image's folder is called.
fn is_called(service: &Service, word: &str) -> bool {
    let image = service.image.as_deref().unwrap_or_default();
    [service.name.as_str(), image].iter().any(|name| name.to_ascii_lowercase().contains(word))
}
