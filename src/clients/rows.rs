//! The table of clients.

use super::homes::{At, Base, Where};
use super::language::Language;
use super::remote::{Reference, Remote};
use super::shape::{Command, Fresh, Shape};
use super::table::{Client, Other, Place, Variant};
use super::value::Value;

/// Every client that is known, in the order of their ids.
#[must_use]
pub fn clients() -> &'static [Client] {
    &CLIENTS
}

/// The client of an id.
#[must_use]
pub fn client(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}

/// `{"command", "args", "env"}` and no URL.
const STDIO: Shape = Shape {
    name: None,
    inner: None,
    kind: None,
    command: Command::Split("command"),
    env: "env",
    url: None,
    fresh: &[],
};

/// `{"url", "headers"}`.
const REMOTE: Remote = Remote { kind: None, url: "url", headers: &["headers"], bearer: Reference::None };

const fn with(remote: Remote) -> Shape {
    Shape { url: Some(remote), ..STDIO }
}

/// A `type` for both.
const fn typed(program: &'static str, http: &'static str, bearer: Reference) -> Shape {
    Shape { kind: Some(program), ..with(Remote { kind: Some(("type", http)), bearer, ..REMOTE }) }
}

const fn map(container: &'static [Place], shape: Shape) -> Variant {
    Variant { container, listed: None, shape, sign: |_| false }
}

const SERVERS: &[Place] = &[Place::Key("mcpServers")];
const ENV: Reference = Reference::Text("${env:", "}");
const DOLLAR: Reference = Reference::Text("${", "}");

/// A row of what most clients agree on.
const fn usual(
    id: &'static str,
    title: &'static str,
    user: Where,
    project: &'static [&'static str],
    sign: Where,
    variants: &'static [Variant],
) -> Client {
    Client { id, title, language: Language::Json, user, project, sign, variants, other: None, preamble: &[] }
}

const fn home(places: &'static [At]) -> Where {
    Where::everywhere(places)
}

const CODE_STORAGE: &str = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";

const CLINE: At = At(Base::Home, ".cline/data/settings/cline_mcp_settings.json");

static CLIENTS: [Client; 20] = [
    usual(
        "antigravity",
        "Antigravity",
        home(&[
            At(Base::Home, ".gemini/config/mcp_config.json"),
            At(Base::Home, ".gemini/antigravity/mcp_config.json"),
        ]),
        &[".agents/mcp_config.json"],
        home(&[At(Base::Home, ".gemini/config"), At(Base::Home, ".gemini/antigravity")]),
        &[map(SERVERS, with(Remote { url: "serverUrl", ..REMOTE }))],
    ),
    usual(
        "claude-code",
        "Claude Code",
        home(&[At(Base::Claude, ".claude.json")]),
        &[".mcp.json"],
        home(&[At(Base::Home, ".claude"), At(Base::Claude, ".claude.json")]),
        &[map(SERVERS, typed("stdio", "http", DOLLAR))],
    ),
    usual(
        "claude-desktop",
        "Claude Desktop",
        Where {
            linux: &[At(Base::Config, "Claude/claude_desktop_config.json")],
            mac: &[At(Base::Support, "Claude/claude_desktop_config.json")],
            // From the Store, its `%APPDATA%` is within its package, or has a folder of its own.
            windows: &[
                At(Base::LocalAppData, "Claude-Data/claude_*/claude_desktop_config.json"),
                At(
                    Base::LocalAppData,
                    "Packages/*Claude*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                ),
                At(Base::AppData, "Claude/claude_desktop_config.json"),
            ],
        },
        &[],
        Where {
            linux: &[At(Base::Config, "Claude")],
            mac: &[At(Base::Support, "Claude")],
            windows: &[
                At(Base::LocalAppData, "Claude-Data"),
                At(Base::LocalAppData, "Packages/*Claude*/LocalCache/Roaming/Claude"),
                At(Base::AppData, "Claude"),
            ],
        },
        &[map(SERVERS, STDIO)],
    ),
    usual(
        "cline",
        "Cline",
        Where {
            // What older versions kept in the editor's folder is read once, and never again.
            linux: &[CLINE, At(Base::Config, CODE_STORAGE)],
            mac: &[CLINE, At(Base::Support, CODE_STORAGE)],
            windows: &[CLINE, At(Base::AppData, CODE_STORAGE)],
        },
        &[],
        Where {
            linux: &[
                At(Base::Config, "Code/User/globalStorage/saoudrizwan.claude-dev"),
                At(Base::Home, ".cline"),
            ],
            mac: &[
                At(Base::Support, "Code/User/globalStorage/saoudrizwan.claude-dev"),
                At(Base::Home, ".cline"),
            ],
            windows: &[
                At(Base::AppData, "Code/User/globalStorage/saoudrizwan.claude-dev"),
                At(Base::Home, ".cline"),
            ],
        },
        &[map(
            SERVERS,
            Shape {
                fresh: &[("disabled", Fresh::Flag(false))],
                ..with(Remote { kind: Some(("type", "streamableHttp")), ..REMOTE })
            },
        )],
    ),
    Client {
        id: "codex",
        title: "Codex",
        language: Language::Toml,
        user: home(&[At(Base::Codex, "config.toml")]),
        project: &[".codex/config.toml"],
        sign: home(&[At(Base::Codex, "")]),
        variants: &[map(
            &[Place::Key("mcp_servers")],
            with(Remote {
                headers: &["http_headers"],
                bearer: Reference::Key("bearer_token_env_var"),
                ..REMOTE
            }),
        )],
        other: None,
        preamble: &[],
    },
    Client {
        id: "continue",
        title: "Continue",
        language: Language::Yaml,
        user: home(&[At(Base::Home, ".continue/config.yaml")]),
        project: &[".continue/mcpServers/mcpo-deploy.yaml"],
        sign: home(&[At(Base::Home, ".continue")]),
        variants: &[Variant {
            container: SERVERS,
            listed: Some("name"),
            shape: Shape {
                name: Some("name"),
                ..with(Remote {
                    kind: Some(("type", "streamable-http")),
                    headers: &["requestOptions", "headers"],
                    bearer: Reference::Text("${{ secrets.", " }}"),
                    ..REMOTE
                })
            },
            sign: |_| false,
        }],
        // Where this one is there, that one is not read.
        other: Some(Other {
            client: "continue-json",
            file: home(&[At(Base::Home, ".continue/config.json")]),
            is_first: false,
        }),
        preamble: &[("name", None), ("version", Some("0.0.1")), ("schema", Some("v1"))],
    },
    Client {
        id: "continue-json",
        title: "Continue (config.json)",
        language: Language::Json,
        user: home(&[At(Base::Home, ".continue/config.json")]),
        project: &[".continue/config.json"],
        sign: home(&[At(Base::Home, ".continue/config.json")]),
        variants: &[
            Variant {
                container: &[Place::Key("experimental"), Place::Key("modelContextProtocolServers")],
                listed: Some("name"),
                shape: Shape {
                    name: Some("name"),
                    inner: Some("transport"),
                    kind: Some("stdio"),
                    ..with(Remote {
                        kind: Some(("type", "streamable-http")),
                        headers: &["requestOptions", "headers"],
                        ..REMOTE
                    })
                },
                sign: |_| false,
            },
            // As a context provider of a model: only where a file has such.
            Variant {
                container: &[Place::Key("models"), Place::First, Place::Key("contextProviders")],
                listed: Some("name"),
                shape: Shape { name: Some("name"), inner: Some("params"), command: Command::Line, ..STDIO },
                sign: |file| {
                    let model = file.get("models").and_then(|models| models.items().first());
                    model.is_some_and(|model| model.get("contextProviders").is_some())
                },
            },
        ],
        other: Some(Other {
            client: "continue",
            file: home(&[At(Base::Home, ".continue/config.yaml")]),
            is_first: true,
        }),
        preamble: &[],
    },
    usual(
        "copilot-cli",
        "GitHub Copilot CLI",
        home(&[At(Base::Home, ".copilot/mcp-config.json")]),
        &[".github/mcp.json"],
        home(&[At(Base::Home, ".copilot")]),
        &[map(SERVERS, Shape { fresh: &[("tools", Fresh::Everything)], ..typed("stdio", "http", DOLLAR) })],
    ),
    usual(
        "cursor",
        "Cursor",
        home(&[At(Base::Home, ".cursor/mcp.json")]),
        &[".cursor/mcp.json"],
        home(&[At(Base::Home, ".cursor")]),
        &[map(SERVERS, with(Remote { bearer: ENV, ..REMOTE }))],
    ),
    usual(
        "devin",
        "Devin Desktop",
        Where {
            linux: &[At(Base::Config, "devin/mcp_config.json")],
            mac: &[At(Base::Home, ".config/devin/mcp_config.json")],
            windows: &[At(Base::AppData, "devin/mcp_config.json")],
        },
        &[".devin/mcp_config.json"],
        Where {
            linux: &[At(Base::Config, "devin")],
            mac: &[At(Base::Home, ".config/devin")],
            windows: &[At(Base::AppData, "devin")],
        },
        &[map(SERVERS, with(Remote { kind: Some(("transport", "http")), ..REMOTE }))],
    ),
    usual(
        "gemini-cli",
        "Gemini CLI",
        home(&[At(Base::Home, ".gemini/settings.json")]),
        &[".gemini/settings.json"],
        home(&[At(Base::Home, ".gemini")]),
        &[map(SERVERS, with(Remote { url: "httpUrl", bearer: DOLLAR, ..REMOTE }))],
    ),
    Client {
        id: "goose",
        title: "Goose",
        language: Language::Yaml,
        user: Where {
            linux: &[At(Base::Config, "goose/config.yaml")],
            mac: &[At(Base::Home, ".config/goose/config.yaml")],
            windows: &[At(Base::AppData, "Block/goose/config/config.yaml")],
        },
        project: &[],
        sign: Where {
            linux: &[At(Base::Config, "goose")],
            mac: &[At(Base::Home, ".config/goose")],
            windows: &[At(Base::AppData, "Block/goose")],
        },
        variants: &[map(
            &[Place::Key("extensions")],
            Shape {
                name: Some("name"),
                kind: Some("stdio"),
                command: Command::Split("cmd"),
                env: "envs",
                fresh: &[("enabled", Fresh::Flag(true)), ("timeout", Fresh::Number("300"))],
                ..with(Remote {
                    kind: Some(("type", "streamable_http")),
                    url: "uri",
                    bearer: Reference::Listed("${", "}", "env_keys"),
                    ..REMOTE
                })
            },
        )],
        other: None,
        preamble: &[],
    },
    usual(
        "junie",
        "JetBrains Junie",
        home(&[At(Base::Home, ".junie/mcp/mcp.json")]),
        &[".junie/mcp/mcp.json"],
        home(&[At(Base::Home, ".junie")]),
        &[map(SERVERS, with(REMOTE))],
    ),
    usual(
        "kiro",
        "Kiro",
        home(&[At(Base::Home, ".kiro/settings/mcp.json")]),
        &[".kiro/settings/mcp.json"],
        home(&[At(Base::Home, ".kiro")]),
        &[map(SERVERS, with(Remote { bearer: DOLLAR, ..REMOTE }))],
    ),
    usual(
        "lm-studio",
        "LM Studio",
        home(&[At(Base::Home, ".lmstudio/mcp.json"), At(Base::Home, ".cache/lm-studio/mcp.json")]),
        &[],
        home(&[At(Base::Home, ".lmstudio"), At(Base::Home, ".cache/lm-studio")]),
        &[map(SERVERS, with(REMOTE))],
    ),
    usual(
        "opencode",
        "opencode",
        Where {
            linux: &[At(Base::Config, "opencode/opencode.json"), At(Base::Config, "opencode/opencode.jsonc")],
            mac: &[
                At(Base::Home, ".config/opencode/opencode.json"),
                At(Base::Home, ".config/opencode/opencode.jsonc"),
            ],
            windows: &[
                At(Base::Home, ".config/opencode/opencode.json"),
                At(Base::Home, ".config/opencode/opencode.jsonc"),
            ],
        },
        &["opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"],
        Where {
            linux: &[At(Base::Config, "opencode")],
            mac: &[At(Base::Home, ".config/opencode")],
            windows: &[At(Base::Home, ".config/opencode")],
        },
        // Both versions read the first one's form.
        &[
            map(&[Place::Key("mcp")], Shape { fresh: &[("enabled", Fresh::Flag(true))], ..OPENCODE }),
            Variant {
                sign: |file| {
                    let servers = file.get("mcp").and_then(|mcp| mcp.get("servers"));
                    servers.is_some_and(|servers| servers.get("type").is_none_or(Value::is_collection))
                },
                ..map(&[Place::Key("mcp"), Place::Key("servers")], OPENCODE)
            },
        ],
    ),
    usual(
        "vscode",
        "VS Code",
        Where {
            linux: &[At(Base::Config, "Code/User/mcp.json")],
            mac: &[At(Base::Support, "Code/User/mcp.json")],
            windows: &[At(Base::AppData, "Code/User/mcp.json")],
        },
        &[".vscode/mcp.json"],
        Where {
            linux: &[At(Base::Config, "Code")],
            mac: &[At(Base::Support, "Code")],
            windows: &[At(Base::AppData, "Code")],
        },
        &[map(&[Place::Key("servers")], typed("stdio", "http", Reference::Input))],
    ),
    usual(
        "warp",
        "Warp",
        home(&[At(Base::Home, ".warp/.mcp.json")]),
        &[".warp/.mcp.json"],
        home(&[At(Base::Home, ".warp")]),
        &[map(SERVERS, with(Remote { bearer: DOLLAR, ..REMOTE }))],
    ),
    usual(
        "windsurf",
        "Windsurf",
        home(&[At(Base::Home, ".codeium/windsurf/mcp_config.json")]),
        &[],
        home(&[At(Base::Home, ".codeium/windsurf")]),
        &[map(SERVERS, with(Remote { url: "serverUrl", bearer: ENV, ..REMOTE }))],
    ),
    usual(
        "zed",
        "Zed",
        Where {
            linux: &[At(Base::Config, "zed/settings.json")],
            mac: &[At(Base::Home, ".config/zed/settings.json")],
            windows: &[At(Base::AppData, "Zed/settings.json")],
        },
        &[".zed/settings.json"],
        Where {
            linux: &[At(Base::Config, "zed")],
            mac: &[At(Base::Home, ".config/zed")],
            windows: &[At(Base::AppData, "Zed")],
        },
        &[map(&[Place::Key("context_servers")], with(REMOTE))],
    ),
];

const OPENCODE: Shape = Shape {
    command: Command::Joined,
    env: "environment",
    ..typed("local", "remote", Reference::Text("{env:", "}"))
};
