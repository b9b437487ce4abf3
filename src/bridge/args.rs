//! The command line of `mcp-bridge`. Every flag has a variable; the flag wins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::auth::args::Entry;
use super::auth::watched::read;
use super::bounds::Bounds;
use super::ceiling::Room;
use super::error::StartError;
use super::patience::Patience;
use super::settings::{Command, MAX_BUFFERED, Settings};
use super::telemetry::args::Observe;
use crate::mcp::StatusTool;
use crate::model::Bytes;
use crate::wire::door::Door;

const ABOUT: &str = "Puts a server that speaks MCP over stdio on the network: WebSocket and REST";
const USAGE: &str = "mcp-bridge [OPTIONS] -- COMMAND [ARGUMENTS]...\n       mcp-bridge probe [OPTIONS]";
const LONG_ABOUT: &str = "\
Puts a server that speaks MCP over stdio on the network: WebSocket and REST.

A program of its own: it needs neither Docker nor a configuration file.

    mcp-bridge -- my-server --stdio

Every port serves every wire:

    ws://…/ and /ws     one text frame is one message, one connection one server process
    /mcp                MCP's Streamable HTTP of every revision, whatever the server speaks
    POST /mcp           {\"method\": \"<tool>\", \"params\": {…}} calls that tool, answers with its JSON
    /tools              the tools; POST /tools/<tool> calls one with the body as its arguments
    /openapi.json       their description; /docs is a page to try them on
    /healthz, /readyz   whether the bridge is alive, and whether the server behind it works
    /metrics            what was counted, for Prometheus

Only clients on this machine are let in, unless the flags say otherwise: beyond it, with tokens
(--token-file) or client certificates (--tls-client-ca). A token is sent as Authorization: Bearer
<token>; a web page, which can set no headers, opens its WebSocket with the subprotocols \"mcp\" and
\"bearer.<token>\". A web page is let in only by its origin's name, even one of this machine's; the
bridge's own /docs may call tools.";

/// The longest file that a probe reads, in bytes.
const PROBE_FILE_BYTES: u64 = 1024 * 1024;

/// What was asked on the command line.
#[derive(Debug, Clone, Parser)]
#[command(name = "mcp-bridge", version, about = ABOUT, long_about = LONG_ABOUT, override_usage = USAGE, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub task: Option<Task>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// What the program can do besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Asks the bridge on this machine whether it works; exits 0 or 1. For a health check.
    Probe(Probe),
    /// Ends the servers of a bridge that was killed: the bridge's own affair.
    #[command(hide = true)]
    Guardian {
        /// What the marks of its servers begin with.
        family: String,
    },
}

/// Where a bridge listens.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// The addresses; several with commas or with several flags.
    #[arg(
        long,
        env = "MCP_BRIDGE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:8765,127.0.0.1:5000"
    )]
    pub listen: Vec<SocketAddr>,
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
    /// How many there are of everything.
    #[command(flatten)]
    pub bounds: Bounds,
    /// How long a client may take.
    #[command(flatten)]
    pub patience: Patience,
    /// The longest message in either direction; units as in Docker, at least 1k.
    #[arg(long, env = "MCP_BRIDGE_MAX_MESSAGE", value_name = "SIZE", default_value = "16m", value_parser = message_bytes)]
    pub max_message: usize,
    /// The most bytes of large messages (over 64k) that the bridge holds at once, half of them in each
    /// direction; further ones wait, small ones do not. Each counts as --max-message, and two of those
    /// must fit. 256m, or twice --max-message where that is more.
    #[arg(long, env = "MCP_BRIDGE_MAX_BUFFERED", value_name = "SIZE", value_parser = buffered_bytes)]
    pub max_buffered: Option<usize>,
    /// How long a REST call may take, the server's start included: 90s, 5m, 500ms.
    #[arg(long, env = "MCP_BRIDGE_CALL_TIMEOUT", value_name = "TIME", default_value = "120s", value_parser = duration)]
    pub call_timeout: Duration,
    /// The tool that /readyz calls, without arguments, to see whether the server works. Without it, the
    /// server lists its tools; one of the bare dialect has to be alive.
    #[arg(long, env = "MCP_BRIDGE_STATUS_TOOL", value_name = "TOOL")]
    pub status_tool: Option<String>,
    /// How long a server may take to end: half after its input closed, half after SIGTERM.
    #[arg(long, env = "MCP_BRIDGE_STOP_GRACE", value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub stop_grace: Duration,
    /// A web page's origin that may connect and read answers (CORS), such as `https://app.example`;
    /// repeat, or use commas.
    #[arg(long, env = "MCP_BRIDGE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,
    /// A host name, without port, that requests may name besides localhost; repeat, or use commas.
    #[arg(long, env = "MCP_BRIDGE_ALLOW_HOST", value_name = "HOST", value_delimiter = ',')]
    pub allow_host: Vec<String>,
    /// Who may come in.
    #[command(flatten)]
    pub entry: Entry,
    /// Listen beyond loopback although anyone who can reach it can run the server.
    #[arg(long, env = "MCP_BRIDGE_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
    /// Listen beyond loopback because this is a container's own network, and what is published of
    /// it is decided outside. Our image sets it.
    #[arg(long, env = "MCP_BRIDGE_BEHIND_PUBLICATION", value_parser = BoolishValueParser::new())]
    pub behind_publication: bool,
    /// Whoever started the container looked at what it publishes; without that, what is published
    /// is warned of. `mcpo-deploy` sets it.
    #[arg(long, env = "MCP_BRIDGE_PUBLICATION_CHECKED", value_parser = BoolishValueParser::new())]
    pub publication_checked: bool,
    /// What an operator sees.
    #[command(flatten)]
    pub observe: Observe,
    /// How much is said on stderr.
    #[arg(long, env = "MCP_BRIDGE_LOG", value_name = "LEVEL", default_value = "info")]
    pub log: Level,
    /// The server, for where there is no command line: a JSON array of its program and arguments.
    #[arg(long, env = "MCP_BRIDGE_COMMAND", value_name = "JSON", hide_env_values = true, value_parser = json_command)]
    pub command: Option<Command>,
    /// The server and its arguments. `python -m mcp_bridge`, this program's name in Python images'
    /// Compose files, stands for the server of --command.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub server: Vec<String>,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// What failed.
    Error,
    /// Also what looks wrong.
    Warn,
    /// Also each request's end, and what the servers say on their stderr.
    Info,
    /// Also each connection's end, and health checks.
    Debug,
}

/// How to ask.
#[derive(Debug, Clone, Args)]
pub struct Probe {
    /// Where the bridge listens; the first of several is asked.
    #[command(flatten)]
    pub listen: Listen,
    /// Call this tool over WebSocket and over REST, and print both results as one line of JSON.
    #[arg(long, value_name = "TOOL")]
    pub status: Option<String>,
    /// A server that does not list the tool works too: its tools are counted.
    #[arg(long, requires = "status")]
    pub if_listed: bool,
    /// Where the bridge speaks TLS: the PEM file with its certificate, the only one that is trusted.
    #[arg(long, env = "MCP_BRIDGE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Where the bridge asks for tokens and --status is given: a file with one, and nothing else.
    #[arg(long, env = "MCP_BRIDGE_BEARER_FILE", value_name = "FILE")]
    pub bearer_file: Option<PathBuf>,
    /// How long the answers may take; 3s, or 60s with --status.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

impl Probe {
    /// How the bridge is entered. The error is one line.
    pub fn door(&self) -> Result<Door, String> {
        let of = |file: &PathBuf, error: String| format!("{}: {error}", file.display());
        let mut door = Door::default();
        if let Some(file) = &self.tls_cert {
            door = door.with_certificate(&read(file, PROBE_FILE_BYTES)?).map_err(|error| of(file, error))?;
        }
        if let Some(file) = self.bearer_file.as_ref().filter(|_| self.status.is_some()) {
            let bytes = read(file, PROBE_FILE_BYTES)?;
            door = door.with_bearer(&String::from_utf8_lossy(&bytes)).map_err(|error| of(file, error))?;
        }
        Ok(door)
    }

    /// The tool that is to be called.
    #[must_use]
    pub fn tool(&self) -> Option<StatusTool<'_>> {
        self.status.as_ref().map(|name| StatusTool { name, required: !self.if_listed })
    }
}

impl Serve {
    /// The checked form, with the server that is to be run.
    pub(crate) fn settings(&self, room: &Room) -> Result<Settings, StartError> {
        let guarded = self.insecure || self.behind_publication || self.entry.asks();
        if let Some(open) = self.listen.listen.iter().find(|addr| !guarded && !addr.ip().is_loopback()) {
            return Err(StartError::BeyondLoopback(*open));
        }
        let metrics = self.observe.metrics_listen;
        let trusted = self.insecure || self.behind_publication;
        if let Some(open) = metrics.filter(|addr| !trusted && !addr.ip().is_loopback()) {
            return Err(StartError::MetricsBeyondLoopback(open));
        }
        let telemetry = self.observe.settings().map_err(StartError::Collector)?;
        let least = self.max_message.saturating_mul(2);
        let max_buffered = self.max_buffered.unwrap_or(MAX_BUFFERED.max(least));
        if max_buffered < least {
            return Err(StartError::SmallBuffer { max_buffered, least });
        }
        let ceilings = self.bounds.ceilings(room)?;
        // An address that it listens on by name is a name of its own.
        let addresses = self.listen.listen.iter().chain(&metrics).filter(|addr| !addr.ip().is_unspecified());
        let own = addresses.map(|addr| match addr {
            SocketAddr::V4(addr) => addr.ip().to_string(),
            SocketAddr::V6(addr) => format!("[{}]", addr.ip()),
        });
        Ok(Settings {
            max_connections: ceilings.connections,
            max_children: ceilings.children,
            max_waiting: self.bounds.max_waiting,
            max_sessions: self.bounds.max_sessions.unwrap_or(ceilings.children),
            max_session_requests: self.bounds.max_session_requests,
            max_head: self.bounds.max_head,
            waits: self.patience.waits(),
            warm: self.bounds.warm,
            idle: self.bounds.server_idle,
            session_idle: self.bounds.session_idle,
            limits: self.bounds.limits(),
            status_tool: self.status_tool.clone().filter(|tool| !tool.is_empty()),
            max_message: self.max_message,
            max_buffered,
            call_timeout: self.call_timeout,
            stop_grace: self.stop_grace,
            telemetry,
            allowed_origins: named(&self.allow_origin).collect(),
            allowed_hosts: named(&self.allow_host).chain(own).collect(),
            ..Settings::new(self.server()?)
        })
    }

    /// Whether nobody has looked at who reaches the ports.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        let open = self.listen.listen.iter().any(|addr| !addr.ip().is_loopback());
        open && self.behind_publication && !self.publication_checked && !self.entry.asks()
    }

    /// Whether tokens cross a network that nobody has looked at, for everybody on it to read.
    #[must_use]
    pub fn shows_tokens(&self) -> bool {
        let open = self.listen.listen.iter().any(|addr| !addr.ip().is_loopback());
        open && !self.behind_publication && self.entry.sends_tokens_in_clear()
    }

    fn server(&self) -> Result<Command, StartError> {
        let words: Vec<&str> = self.server.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["python", "-m", "mcp_bridge"] => self.command.clone().ok_or(StartError::NoCommand),
            [program, ref args @ ..] => Ok(Command {
                program: program.to_owned(),
                args: args.iter().map(|&arg| arg.to_owned()).collect(),
            }),
        }
    }
}

/// The names in a list. A variable that is set but empty names nobody.
fn named(list: &[String]) -> impl Iterator<Item = String> {
    list.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    // A million is a slip of the hand.
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("write a number from 1 to 1000000".to_owned()),
    }
}

fn message_bytes(text: &str) -> Result<usize, String> {
    match usize::try_from(bytes(text)?) {
        Ok(bytes @ 1024..=0x4000_0000) => Ok(bytes),
        _ => Err("write a size from 1k to 1g".to_owned()),
    }
}

pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let bytes: Bytes = text.parse().map_err(|error: crate::model::InvalidSize| error.to_string())?;
    Ok(bytes.0)
}

fn buffered_bytes(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| "write a size that fits into memory".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit, such as 500ms, 90s or 5m; at most a day".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    let within = millis.filter(|millis| (1..=86_400_000).contains(millis));
    within.map(Duration::from_millis).ok_or_else(wrong)
}

fn json_command(text: &str) -> Result<Command, String> {
    let words: Vec<String> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON array of strings: {error}"))?;
    let mut words = words.into_iter();
    let program = words.next().filter(|program| !program.is_empty()).ok_or("the array names no program")?;
    Ok(Command { program, args: words.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(args: &[&str]) -> Result<Settings, String> {
        let parsed =
            Arguments::try_parse_from([&["mcp-bridge"], args].concat()).map_err(|e| e.to_string())?;
        parsed.serve.settings(&Room::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_the_dashes_is_the_server() {
        let command =
            serve(&["--max-connections", "2", "--", "cat", "--listen", "x"]).expect("settings").command;
        assert_eq!(command, Command { program: "cat".into(), args: vec!["--listen".into(), "x".into()] });
    }

    #[test]
    fn the_python_invocation_stands_for_the_configured_server() {
        let configured = ["--command", r#"["srv","-x"]"#];
        for words in [&["python", "-m", "mcp_bridge"][..], &[]] {
            let command = serve(&[&configured, words].concat()).expect("settings").command;
            assert_eq!(command, Command { program: "srv".into(), args: vec!["-x".into()] });
        }
        assert!(serve(&["python", "-m", "mcp_bridge"]).expect_err("none").contains("no server"));
        let other = serve(&["--", "python", "-m", "server"]).expect("settings").command;
        assert_eq!(other.program, "python");
    }

    #[test]
    fn listening_beyond_loopback_needs_a_word_for_it() {
        for listen in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.0.0.1:1,192.168.0.1:1"] {
            let refused = serve(&["--listen", listen, "--", "cat"]).expect_err(listen);
            assert!(refused.starts_with("refusing to listen on "), "{refused}");
            let (tokens, clients) = ("--token-file=tokens", "--tls-client-ca=clients.pem");
            for word in ["--insecure", "--behind-publication", tokens, clients] {
                assert!(serve(&["--listen", listen, word, "--", "cat"]).is_ok(), "{listen} {word}");
            }
            // It hides what is said, and keeps nobody out.
            let tls = ["--listen", listen, "--tls-cert=cert.pem", "--tls-key=key.pem", "--", "cat"];
            assert!(serve(&tls).is_err(), "{listen}");
        }
        let own = serve(&["--listen", "10.0.0.1:1", "--insecure", "--", "cat"]).expect("settings");
        assert_eq!(own.allowed_hosts, ["10.0.0.1"]);
    }

    #[test]
    fn a_list_without_names_names_nobody() {
        let args = ["--allow-host", "", "--allow-origin", " ,https://a", "--", "cat"];
        let settings = serve(&args).expect("settings");
        assert_eq!(settings.allowed_hosts, ["127.0.0.1", "127.0.0.1"]);
        assert_eq!(settings.allowed_origins, ["https://a"]);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused_by_its_flag() {
        for (flag, value) in [
            ("--max-connections", "0"),
            ("--max-message", "12"),
            ("--max-message", "2g"),
            ("--max-buffered", "much"),
            ("--call-timeout", "0s"),
            ("--call-timeout", "soon"),
            ("--stop-grace", "2d"),
            ("--command", "cat"),
            ("--command", "[]"),
            ("--listen", "8765"),
        ] {
            let refused = serve(&[flag, value, "--", "cat"]).expect_err(value);
            assert!(refused.contains(flag), "{refused}");
        }
    }

    #[test]
    fn what_is_held_is_bounded_and_has_room_for_the_longest_message_in_each_direction() {
        let held = |args: &[&str]| serve(&[args, &["--", "cat"]].concat()).map(|all| all.max_buffered);
        assert_eq!(held(&[]), Ok(256 << 20));
        assert_eq!(held(&["--max-message", "200m"]), Ok(400 << 20));
        assert_eq!(held(&["--max-buffered", "32m"]), Ok(32 << 20));
        let refused = held(&["--max-message", "1m", "--max-buffered", "2047k"]).expect_err("too small");
        assert!(refused.contains("too few to hold"), "{refused}");
    }

    #[test]
    fn times_are_read_with_their_units() {
        for (text, millis) in
            [("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000), ("7", 7000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }
}
