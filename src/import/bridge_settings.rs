//! What the variables that our own renderings set mean, read back.

use super::description::Draft;
use super::service::{Service, Variable};
use super::writer::Value;
use crate::config::{BRIDGE_IMAGE, DECIDED};

/// The program of our own server in its image.
const OUR_PROGRAM: &str = "/mcp-orchestrator";

/// Whether a variable is set by every deployment, from other settings.
pub(super) fn is_ours(name: &str) -> bool {
    DECIDED.iter().any(|(known, _)| *known == name) || name == "MCP_BRIDGE_PUBLICATION_CHECKED"
}

/// Whether a variable of an application is given to every application.
pub(super) fn is_given(name: &str, value: &Variable) -> bool {
    let Variable::Written(value) = value else { return false };
    match name {
        "MCP_ORCHESTRATOR_URL" => value.expose() == "ws://mcp-bridge:8765",
        "MCP_ORCHESTRATOR_COMMAND" => is_run_line(value.expose()),
        _ => false,
    }
}

/// Whether an application starts the server's containers itself.
pub(super) fn spawns(app: &Service) -> bool {
    let command = app.environment.get("MCP_ORCHESTRATOR_COMMAND");
    command.is_some_and(|value| is_given("MCP_ORCHESTRATOR_COMMAND", value))
}

/// Whether a text starts a container.
pub(super) fn is_run_line(text: &str) -> bool {
    let mut words = text.split_whitespace();
    matches!(words.next(), Some("docker" | "podman")) && words.next() == Some("run")
}

/// Takes what the bridge is told by its variables. Where there is no service for the server,
/// the bridge tells what it is.
pub(super) fn of(draft: &mut Draft<'_>, bridge: &Service, alone: bool) {
    let at = |key: &str| bridge.at(key);
    let text = |name: &str| match bridge.environment.get(name) {
        Some(Variable::Written(value)) => Some(value.expose().to_owned()),
        Some(Variable::Passed | Variable::Unresolved(_)) | None => None,
    };
    for (name, key) in DECIDED {
        let Some(value) = text(name) else { continue };
        match key {
            // Below, since they mean more than one value.
            "logs.max_age" | "orchestrator.command" => {}
            "bridge.allowed_hosts" | "bridge.allowed_origins" => {
                let items: Vec<String> = value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty() && *item != "mcp-bridge")
                    .map(str::to_owned)
                    .collect();
                if !items.is_empty() {
                    draft.value(key, Value::List(items), bridge.line, &at(name), false);
                }
            }
            key => drop(draft.one(key, &value, bridge.line, &at(name))),
        }
    }
    if let Some(age) = text("MCPO_LOG_MAX_AGE") {
        draft.one("logs.max_age", &span(&age), bridge.line, &at("MCPO_LOG_MAX_AGE"));
    } else if bridge.ours {
        draft.one("logs.max_age", "unlimited", bridge.line, &at("MCPO_LOG_MAX_AGE"));
    }
    let of_ours =
        |image: &str| image == BRIDGE_IMAGE || image == "mcp-bridge" || image.ends_with("-mcp-bridge:latest");
    if let Some(image) = bridge.image.as_deref().filter(|image| !of_ours(image)) {
        if bridge.ours {
            draft.one("bridge.image", image, bridge.line, &at("image"));
        } else {
            draft.ledger.note(bridge.line, at("image"), "the bridge is ours, in front of the server's image");
        }
    }
    if !bridge.ours && (bridge.build.is_some() || bridge.command.is_some() || bridge.entrypoint.is_some()) {
        draft.ledger.note(
            bridge.line,
            at("build and command"),
            "the bridge is ours, built on the server's image",
        );
    }
    if !alone {
        return;
    }
    let image = bridge.build.as_ref().and_then(|build| build.orchestrator_image.clone());
    if let Some(image) = image.filter(|image| image != "orchestrator") {
        draft.one("orchestrator.image", &image, bridge.line, &at("build.args"));
    } else if !bridge.ours || bridge.image.as_deref().is_some_and(|image| image != BRIDGE_IMAGE) {
        let why = "the server behind the bridge is not in the file; it is our own unless you set `orchestrator.image`";
        draft.ledger.note(bridge.line, "orchestrator", why);
        if bridge.ours {
            // Its command starts with what that server's image starts with, and cannot be told apart.
            return;
        }
    }
    let command = text("MCP_BRIDGE_COMMAND").and_then(|json| serde_json::from_str::<Vec<String>>(&json).ok());
    if let Some(mut command) = command {
        if bridge.ours && command.first().is_some_and(|program| program == OUR_PROGRAM) {
            command.remove(0);
        }
        draft.command("orchestrator.command", &command, bridge, &at("MCP_BRIDGE_COMMAND"));
    }
}

/// A number of seconds in the largest unit that says it in full.
fn span(text: &str) -> String {
    let Some(seconds) = text.strip_suffix('s').and_then(|number| number.parse::<u64>().ok()) else {
        return text.to_owned();
    };
    for (size, unit) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds > 0 && seconds % size == 0 {
            return format!("{}{unit}", seconds / size);
        }
    }
    text.to_owned()
}
