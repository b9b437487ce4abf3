//! The table of settings: the one source of the keys of `mcpo.yaml`, the variables of the
//! environment, the JSON Schema, the reference and the file that `init` writes.

use super::kind::{Kind, Word};

/// One key of `mcpo.yaml`.
#[derive(Debug)]
pub(super) struct Setting {
    /// The path of the key, such as `hardening.memory`.
    pub(super) key: &'static str,
    /// What its value can be.
    pub(super) kind: Kind,
    /// The default as YAML; `None` where there is none, or where it depends on other settings.
    pub(super) default: Option<&'static str>,
    /// What holds where `default` does not; empty where it always does.
    pub(super) otherwise: &'static str,
    /// What it does, in one sentence.
    pub(super) doc: &'static str,
}

impl Setting {
    /// The variable of the environment that sets it, such as `MCPO_HARDENING_MEMORY`.
    #[must_use]
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// What it does, and what holds where the default does not.
    pub(super) fn described(&self) -> String {
        match (self.default, self.otherwise) {
            (_, "") => self.doc.to_owned(),
            (None, otherwise) => format!("{} Default: {otherwise}.", self.doc),
            (Some(_), otherwise) => format!("{} ({otherwise}).", self.doc.trim_end_matches('.')),
        }
    }

    /// Whether its values are never shown.
    #[must_use]
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Map { value: Kind::Value, .. })
    }
}

/// What the name of every variable of ours starts with.
pub(super) const PREFIX: &str = "MCPO_";

/// Variables of ours that are no settings: other parts read them. One that ends in `_` stands for
/// all that start with it.
pub(super) const VARIABLES_OF_OTHERS: [&str; 3] = ["MCPO_FILE", "MCPO_LOG_", "MCPO_TOKEN"];

/// The sections of `mcpo.yaml` and what each is about, in the order of the file.
pub(super) const SECTIONS: [(&str, &str); 7] = [
    ("orchestrator", "The stdio server."),
    ("orchestrator.build", "Builds the image from a folder of your own."),
    ("hardening", "What holds for every container."),
    ("logs", "Where logs go and how much of them is kept."),
    ("bridge", "The network bridge: WebSocket and REST."),
    ("app", "Your own application, in the full-stack profile."),
    ("app.build", "Builds the image from a folder of your own."),
];

/// The image of our own stdio server.
pub(crate) const ORCHESTRATOR_IMAGE: &str = "mcp-orchestrator:latest";
/// The image of the bridge to our own stdio server.
pub(crate) const BRIDGE_IMAGE: &str = "mcp-bridge:latest";
/// The ports that the bridge listens on inside its container.
pub(crate) const WEBSOCKET: u16 = 8765;
pub(crate) const REST: u16 = 5000;
/// The env file that is read where it exists and none is named.
pub(super) const ENV_FILE: &str = ".env";
/// The Dockerfile of a context that names none.
pub(super) const DOCKERFILE: &str = "Dockerfile";
/// The word for no env file at all.
pub(super) const NO_ENV_FILE: &str = "none";
/// The word for no limit.
pub(super) const UNLIMITED: &str = "unlimited";

const TEXTS: Kind = Kind::List(&Kind::Text);
const ENVIRONMENT: Kind = Kind::Map { key: &Kind::Variable, value: &Kind::Value };
const PORT: Kind = Kind::Number { min: 1, max: 65_535 };

/// Every setting, in the order of the file.
pub(super) static SETTINGS: [Setting; 45] = [
    Setting {
        key: "project",
        kind: Kind::Project,
        default: None,
        otherwise: "the folder's name",
        doc: "Whose everything is: in every label, and in front of every name.",
    },
    Setting {
        key: "orchestrator.image",
        kind: Kind::Image,
        default: Some(ORCHESTRATOR_IMAGE),
        otherwise: "`<project>-mcp-orchestrator:latest` with `orchestrator.build`",
        doc: "The image; the default is our own server, any other is used as it is or pulled.",
    },
    Setting {
        key: "orchestrator.build.context",
        kind: Kind::HostPath,
        default: None,
        otherwise: "nothing is built but our own server",
        doc: "The folder that is sent to the engine; its `.dockerignore` is respected.",
    },
    Setting {
        key: "orchestrator.build.dockerfile",
        kind: Kind::InnerPath,
        default: None,
        otherwise: "`Dockerfile`",
        doc: "The Dockerfile, by its path within the context.",
    },
    Setting {
        key: "orchestrator.command",
        kind: TEXTS,
        default: None,
        otherwise: "the image's own command",
        doc: "What the container runs, as a list of program and arguments.",
    },
    Setting {
        key: "orchestrator.env_file",
        kind: Kind::HostPath,
        default: None,
        otherwise: "`.env`, where there is one",
        doc: "The file with the secrets, read as `docker run --env-file` reads it; `none` for none.",
    },
    Setting {
        key: "orchestrator.environment",
        kind: ENVIRONMENT,
        default: None,
        otherwise: "nothing",
        doc: "Variables that beat those of the env file; one without a value is taken from the environment.",
    },
    Setting {
        key: "orchestrator.required_keys",
        kind: Kind::List(&Kind::Variable),
        default: Some("[OPENROUTER_API_KEY, OPENAI_API_KEY]"),
        otherwise: "`[]` for a server that is not ours",
        doc: "Variables that the server's work needs; one that is missing is a warning.",
    },
    Setting {
        key: "orchestrator.status_tool",
        kind: Kind::Text,
        default: Some("get_orchestrator_status"),
        otherwise: "",
        doc: "The tool whose answer proves that the server works.",
    },
    Setting {
        key: "orchestrator.max_clients",
        kind: Kind::Number { min: 1, max: 1024 },
        default: Some("32"),
        otherwise: "",
        doc: "The most containers that `run` and `call` may have for clients at a time.",
    },
    Setting {
        key: "hardening.read_only",
        kind: Kind::Flag,
        default: Some("true"),
        otherwise: "",
        doc: "Whether the root file system is read-only.",
    },
    Setting {
        key: "hardening.tmpfs",
        kind: Kind::Map { key: &Kind::ContainerPath, value: &Kind::MountOptions },
        default: Some("{/tmp: \"size=64m,mode=1777\"}"),
        otherwise: "",
        doc: "In-memory folders and their mount options; noexec, nosuid and nodev are added.",
    },
    Setting {
        key: "hardening.user",
        kind: Kind::User,
        default: None,
        otherwise: "the image's own user unless that is root, else 65532:65532",
        doc: "Who the processes run as, by number: uid or uid:gid.",
    },
    Setting {
        key: "hardening.cap_add",
        kind: Kind::List(&Kind::Word(Word::Capability)),
        default: Some("[]"),
        otherwise: "",
        doc: "Linux capabilities that are kept; all others are dropped.",
    },
    Setting {
        key: "hardening.no_new_privileges",
        kind: Kind::Flag,
        default: Some("true"),
        otherwise: "",
        doc: "Whether no process may gain rights that its parent lacks.",
    },
    Setting {
        key: "hardening.seccomp",
        kind: Kind::HostPath,
        default: Some("default"),
        otherwise: "",
        doc: "The filter of system calls: `default`, `unconfined`, or the path of a profile.",
    },
    Setting {
        key: "hardening.memory",
        kind: Kind::Limit(&Kind::Size { min: 6 << 20 }),
        default: Some("2g"),
        otherwise: "",
        doc: "The most memory of a container; there is no swap beyond it.",
    },
    Setting {
        key: "hardening.cpus",
        kind: Kind::Limit(&Kind::Cpus),
        default: Some("2"),
        otherwise: "lowered to what the engine has",
        doc: "The most processors of a container.",
    },
    Setting {
        key: "hardening.pids",
        kind: Kind::Limit(&Kind::Number { min: 1, max: 4_194_304 }),
        default: Some("256"),
        otherwise: "",
        doc: "The most processes and threads of a container.",
    },
    Setting {
        key: "hardening.network",
        kind: Kind::Network,
        default: Some("private"),
        otherwise: "",
        doc: "What a container can reach: `private`, `none` (all but the bridge), or a network's name.",
    },
    Setting {
        key: "hardening.accept_unenforced",
        kind: Kind::List(&Kind::Word(Word::Protection)),
        default: Some("[]"),
        otherwise: "",
        doc: "Protections that may stay unenforced where the engine cannot enforce them.",
    },
    Setting {
        key: "logs.volume",
        kind: Kind::Volume,
        default: Some("mcp-logs"),
        otherwise: "not used with `logs.folder`",
        doc: "The named volume that logs are kept in, by its name within the project.",
    },
    Setting {
        key: "logs.folder",
        kind: Kind::HostPath,
        default: None,
        otherwise: "the volume",
        doc: "A folder of the host that logs are kept in, in place of the volume.",
    },
    Setting {
        key: "logs.mount",
        kind: Kind::ContainerPath,
        default: Some("/app/logs"),
        otherwise: "",
        doc: "Where the logs are mounted in the container.",
    },
    Setting {
        key: "logs.max_size",
        kind: Kind::Size { min: 4 << 10 },
        default: Some("10m"),
        otherwise: "",
        doc: "The size at which a log file is rotated.",
    },
    Setting {
        key: "logs.max_files",
        kind: Kind::Number { min: 1, max: 1000 },
        default: Some("3"),
        otherwise: "",
        doc: "How many log files are kept.",
    },
    Setting {
        key: "logs.max_age",
        kind: Kind::Limit(&Kind::Duration { min: 1, max: 3650 * 86_400 }),
        default: Some("30d"),
        otherwise: "",
        doc: "How long the server's own log files are kept.",
    },
    Setting {
        key: "bridge.image",
        kind: Kind::Image,
        default: Some(BRIDGE_IMAGE),
        otherwise: "`<project>-mcp-bridge:latest` for a server that is not ours",
        doc: "The bridge's image; it is built on top of the orchestrator's.",
    },
    Setting {
        key: "bridge.websocket_port",
        kind: PORT,
        default: Some("8765"),
        otherwise: "",
        doc: "The published port of the WebSocket.",
    },
    Setting {
        key: "bridge.rest_port",
        kind: PORT,
        default: Some("5000"),
        otherwise: "",
        doc: "The published port of REST.",
    },
    Setting {
        key: "bridge.address",
        kind: Kind::Address,
        default: Some("127.0.0.1"),
        otherwise: "",
        doc: "The address of the host that ports are published on.",
    },
    Setting {
        key: "bridge.insecure",
        kind: Kind::Flag,
        default: Some("false"),
        otherwise: "",
        doc: "Whether an address beyond loopback is accepted without a token or TLS.",
    },
    Setting {
        key: "bridge.max_connections",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: Some("64"),
        otherwise: "",
        doc: "The most connections at a time.",
    },
    Setting {
        key: "bridge.max_children",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: None,
        otherwise: "64, or what the container's limits leave room for",
        doc: "The most server processes at a time.",
    },
    Setting {
        key: "bridge.max_message",
        kind: Kind::Size { min: 1 << 10 },
        default: Some("16m"),
        otherwise: "",
        doc: "The longest message.",
    },
    Setting {
        key: "bridge.call_timeout",
        kind: Kind::Duration { min: 1, max: 86_400 },
        default: Some("120s"),
        otherwise: "",
        doc: "How long a call may take.",
    },
    Setting {
        key: "bridge.allowed_origins",
        kind: Kind::List(&Kind::Origin),
        default: Some("[]"),
        otherwise: "",
        doc: "Origins of web pages that may connect; without any, no web page may.",
    },
    Setting {
        key: "bridge.allowed_hosts",
        kind: Kind::List(&Kind::Host),
        default: Some("[]"),
        otherwise: "",
        doc: "Host names that requests may name, besides loopback and the service's own.",
    },
    Setting {
        key: "app.image",
        kind: Kind::Image,
        default: None,
        otherwise: "`<project>-app:latest` with `app.build`",
        doc: "The image that the application runs from.",
    },
    Setting {
        key: "app.build.context",
        kind: Kind::HostPath,
        default: None,
        otherwise: "nothing is built",
        doc: "The folder that is sent to the engine; its `.dockerignore` is respected.",
    },
    Setting {
        key: "app.build.dockerfile",
        kind: Kind::InnerPath,
        default: None,
        otherwise: "`Dockerfile`",
        doc: "The Dockerfile, by its path within the context.",
    },
    Setting {
        key: "app.command",
        kind: TEXTS,
        default: None,
        otherwise: "the image's own command",
        doc: "What the container runs, as a list of program and arguments.",
    },
    Setting {
        key: "app.environment",
        kind: ENVIRONMENT,
        default: None,
        otherwise: "nothing",
        doc: "Variables; one without a value is taken from the environment.",
    },
    Setting {
        key: "app.ports",
        kind: Kind::Map { key: &PORT, value: &PORT },
        default: None,
        otherwise: "nothing is published",
        doc: "Published ports: port of the host to port of the container, on `bridge.address`.",
    },
    Setting {
        key: "app.spawns",
        kind: Kind::Flag,
        default: None,
        otherwise: "it speaks with the bridge",
        doc: "Whether it starts the server's containers itself, by `MCP_ORCHESTRATOR_COMMAND`.",
    },
];

/// The setting of a key.
#[must_use]
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether a path is that of a section.
pub(super) fn is_section(path: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == path)
}

/// The paths right below a section, or at the top for `""`, in the order of the file.
pub(super) fn children(section: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    for setting in &SETTINGS {
        let Some(rest) = below(setting.key, section) else { continue };
        let end = setting.key.len() - rest.len() + rest.find('.').unwrap_or(rest.len());
        let child = &setting.key[..end];
        if found.last() != Some(&child) {
            found.push(child);
        }
    }
    found
}

/// What of a path lies below a section.
pub(super) fn below<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}

/// The last word of a path.
pub(super) fn last_word(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_and_every_variable_is_one_settings_own() {
        let keys: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        let variables: BTreeSet<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert_eq!((keys.len(), variables.len()), (SETTINGS.len(), SETTINGS.len()));
        for variable in &variables {
            for other in VARIABLES_OF_OTHERS {
                assert!(!variable.starts_with(other), "{variable} is read by another part");
            }
        }
    }

    #[test]
    fn the_sections_are_those_of_the_keys() {
        for setting in &SETTINGS {
            if let Some((section, _)) = setting.key.rsplit_once('.') {
                assert!(is_section(section), "{section}");
            }
        }
        for (section, _) in SECTIONS {
            assert!(!children(section).is_empty(), "{section}");
        }
        assert_eq!(children(""), ["project", "orchestrator", "hardening", "logs", "bridge", "app"]);
        assert_eq!(children("app.build"), ["app.build.context", "app.build.dockerfile"]);
    }

    #[test]
    fn every_setting_says_its_default_and_what_it_does_in_one_sentence() {
        for setting in &SETTINGS {
            assert!(setting.default.is_some() || !setting.otherwise.is_empty(), "{}", setting.key);
            assert!(setting.doc.ends_with('.') && !setting.doc.contains(". "), "{}", setting.key);
        }
    }
}
