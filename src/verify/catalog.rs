//! Every check there is: its id, what it is about, how bad a failure is, what to do about it.

use std::fmt::Write;

/// How bad a failed check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The server can be reached by others, or get out of its container.
    High,
    /// It does not work as promised, or one protection of several is missing.
    Medium,
    /// It works, and something about it is not as promised.
    Low,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What is known of a check before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckInfo {
    /// Its id; never changes.
    pub id: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// How bad a failure is.
    pub severity: Severity,
    /// What to do about a failure.
    pub fix: &'static str,
    /// The document that asks for it.
    pub follows: &'static str,
}

const fn check(
    id: &'static str,
    what: &'static str,
    severity: Severity,
    fix: &'static str,
    follows: &'static str,
) -> CheckInfo {
    CheckInfo { id, what, severity, fix, follows }
}

const REPLACE: &str = "run `mcpo-deploy up`: it replaces the container";
const SERVER: &str = "run `mcpo-deploy logs` for what the server says";

use Severity::{High, Low, Medium};

/// Every check, in the order in which they are shown.
pub const CATALOG: [CheckInfo; 31] = [
    check(
        "running",
        "the services run, none is unhealthy",
        Medium,
        "run `mcpo-deploy up`, then `mcpo-deploy logs`",
        "",
    ),
    check("stdio", "a fresh container answers over stdio", Medium, SERVER, "MCP stdio"),
    check("websocket", "the bridge answers over WebSocket", Medium, SERVER, ""),
    check("rest", "the bridge answers over REST", Medium, SERVER, ""),
    check(
        "published",
        "ports are published on loopback alone",
        High,
        "set bridge.address to 127.0.0.1 and run `mcpo-deploy up`",
        "CIS 5.14",
    ),
    check("ports", "the published ports are the promised ones", Medium, REPLACE, "CIS 5.9"),
    check("image", "the image is the planned one", High, REPLACE, "CIS 5.28"),
    check("command", "the command is the planned one", High, REPLACE, ""),
    check("environment", "the variables are the planned ones", High, REPLACE, ""),
    check("user", "it runs as the promised user", High, REPLACE, "OWASP Docker 2"),
    check("groups", "it is in no further group", High, REPLACE, "OWASP Docker 2"),
    check("privileged", "the container is not privileged", High, REPLACE, "CIS 5.5"),
    check("cap-drop", "all capabilities are dropped", High, REPLACE, "CIS 5.4"),
    check("cap-add", "none is kept but the promised ones", High, REPLACE, "CIS 5.4"),
    check("no-new-privileges", "no process gains rights", High, REPLACE, "CIS 5.26"),
    check("seccomp", "system calls are filtered", High, REPLACE, "CIS 5.22"),
    check("security-options", "no protection is switched off by an option", High, REPLACE, "CIS 5.2, 5.3"),
    check("system-paths", "the kernel's own files are protected", High, REPLACE, ""),
    check("sysctls", "no setting of the kernel's is changed", Medium, REPLACE, ""),
    check("read-only", "the root file system is read-only", Medium, REPLACE, "CIS 5.13"),
    check("tmpfs", "in-memory folders are the promised ones", Medium, REPLACE, ""),
    check("memory", "memory is limited", Medium, REPLACE, "CIS 5.11"),
    check("swap", "there is no swap on top", Low, REPLACE, "CIS 5.11"),
    check("cpus", "processors are limited", Medium, REPLACE, "CIS 5.12"),
    check("pids", "processes are limited", Medium, REPLACE, "CIS 5.29"),
    check("mounts", "nothing is mounted but the logs", High, REPLACE, "CIS 5.6, 5.32"),
    check("networks", "it is on the promised network alone", Medium, REPLACE, "CIS 5.30"),
    check(
        "host-namespaces",
        "no namespace of others' is shared",
        High,
        REPLACE,
        "CIS 5.10, 5.16, 5.17, 5.21",
    ),
    check("devices", "no device of the host's is given", High, REPLACE, "CIS 5.18"),
    check("lifecycle", "restart, init and log limits are as promised", Low, REPLACE, "CIS 5.15"),
    check(
        "log-owner",
        "the log folder is the writer's own",
        Low,
        "remove the volume (`mcpo-deploy down --volumes`) and run `mcpo-deploy up`",
        "",
    ),
];

/// What is known of the check `id`.
pub(super) fn info(id: &'static str) -> &'static CheckInfo {
    const UNKNOWN: CheckInfo = check("", "", Low, "", "");
    CATALOG.iter().find(|check| check.id == id).unwrap_or(&UNKNOWN)
}

/// The check's place in the order.
pub(super) fn place(id: &str) -> usize {
    CATALOG.iter().position(|check| check.id == id).unwrap_or(CATALOG.len())
}

/// The catalogue as Markdown, for `docs/reference/checks.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = "# Checks\n\nWhat `mcpo-deploy verify` looks at. Generated from the code.\n\n\
        | id | what | severity | fix | follows |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for check in &CATALOG {
        let CheckInfo { id, what, severity, fix, follows } = check;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{id}` | {what} | {} | {fix} | {follows} |", severity.name());
    }
    text
}
