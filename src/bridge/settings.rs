//! What a bridge is told: the server, the bounds, the guests.

use std::time::Duration;

use super::auth::Doors;
use super::mark::Family;
use super::redaction::Redaction;
use super::rlimit::ChildLimits;
use super::telemetry::TelemetrySettings;

/// What large messages may take of memory where nothing is said, in bytes.
pub(crate) const MAX_BUFFERED: usize = 256 * 1024 * 1024;

/// The server that is started for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Everything that [`run`](super::run) needs besides its listeners.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server that is started for a client.
    pub command: Command,
    /// The most `WebSocket`s at a time.
    pub max_connections: usize,
    /// The most server processes at a time.
    pub max_children: usize,
    /// The most calls that wait for a server while all are busy.
    pub max_waiting: usize,
    /// The most sessions of MCP's over HTTP at a time.
    pub max_sessions: usize,
    /// The most requests of one session that are under way.
    pub max_session_requests: usize,
    /// The longest head of a request, in bytes; at least 8 KiB.
    pub max_head: usize,
    /// How many servers are kept started ahead of need.
    pub warm: usize,
    /// The tool that shows whether the server works, called without arguments.
    pub status_tool: Option<String>,
    /// What is shown of a server's words without: values of its environment.
    pub secrets: Redaction,
    /// The longest message, in bytes, in either direction; also the longest body.
    pub max_message: usize,
    /// The most bytes of large messages (over 64 KiB) that are held at once, half of them in each
    /// direction; more wait. Each counts as the longest that is allowed.
    pub max_buffered: usize,
    /// How long a REST call may take, the server's start included.
    pub call_timeout: Duration,
    /// How long a server may take to end before it is killed: half of it after its input was
    /// closed, half of it after SIGTERM.
    pub stop_grace: Duration,
    /// Origins of web pages that may connect and read answers, such as `https://app.example`; a
    /// request without an `Origin` is no web page's.
    pub allowed_origins: Vec<String>,
    /// Host names that requests may name, besides loopback's.
    pub allowed_hosts: Vec<String>,
    /// What lets clients in besides.
    pub doors: Doors,
    /// What an operator sees.
    pub telemetry: TelemetrySettings,
    /// How long a server that calls take turns on is kept without one.
    pub idle: Duration,
    /// How long a session of MCP's over HTTP is kept while its client neither asks nor listens.
    pub session_idle: Duration,
    /// How long clients may take.
    pub waits: Waits,
    /// What each server process may take of the system.
    pub limits: ChildLimits,
    /// What tells this bridge's servers from all other processes.
    pub family: Family,
    /// Whether this process is the one that orphans fall to (the first of a container, or a
    /// subreaper), and so has to reap processes that it never started.
    pub reaps_orphans: bool,
}

/// Deadlines that guard against clients that stall, on purpose or not.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// For the whole head of a request, counted from the connection or from its first byte.
    pub head: Duration,
    /// Between two requests on a connection.
    pub idle: Duration,
    /// For the whole body of a request.
    pub body: Duration,
    /// For a client to take any byte of what it is sent.
    pub write: Duration,
    /// Between pings on a WebSocket; a client that is silent for two of them has gone.
    pub ping: Duration,
    /// For an answer that is one object; past that, it is a stream that lives and can be resumed.
    pub stream_after: Duration,
    /// Between signs of life on a stream of events that carries nothing else.
    pub still_here: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            // Longer than most programs keep a connection, so that few are closed under a request.
            idle: Duration::from_mins(2),
            body: Duration::from_secs(30),
            write: Duration::from_mins(1),
            ping: Duration::from_secs(20),
            stream_after: Duration::from_secs(1),
            still_here: Duration::from_secs(15),
        }
    }
}

impl Settings {
    /// The defaults of every flag, for a server.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            max_connections: 10_000,
            max_children: 64,
            max_waiting: 1024,
            max_sessions: 64,
            max_session_requests: 256,
            max_head: 32 * 1024,
            warm: 0,
            status_tool: None,
            secrets: Redaction::default(),
            max_message: 16 * 1024 * 1024,
            max_buffered: MAX_BUFFERED,
            call_timeout: Duration::from_mins(2),
            stop_grace: Duration::from_secs(5),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            doors: Doors::default(),
            telemetry: TelemetrySettings::default(),
            idle: Duration::from_mins(1),
            session_idle: Duration::from_mins(15),
            waits: Waits::default(),
            limits: ChildLimits::default(),
            family: Family::new(),
            reaps_orphans: false,
        }
    }
}
