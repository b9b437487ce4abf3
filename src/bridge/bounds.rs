//! The flags that bound how many there are of everything, and what each server takes.

use std::time::Duration;

use clap::Args;

use super::args::{bytes, count, duration};
use super::ceiling::{Ceilings, Room};
use super::error::StartError;
use super::rlimit::ChildLimits;

/// How many there are of everything, and what each server takes.
#[derive(Debug, Clone, Args)]
pub struct Bounds {
    /// The most WebSocket connections at a time. One takes little before its first message, which starts its
    /// server. 10000, or what open files and the container's memory allow.
    #[arg(long, env = "MCP_BRIDGE_MAX_CONNECTIONS", value_name = "N", value_parser = count)]
    pub max_connections: Option<usize>,
    /// The most server processes at a time. 64, or what the container's limits on processes and memory
    /// allow, or --max-connections, where that is less.
    #[arg(long, env = "MCP_BRIDGE_MAX_CHILDREN", value_name = "N", value_parser = count)]
    pub max_children: Option<usize>,
    /// The most HTTP calls that wait for a server while all are busy; more are refused at once.
    #[arg(long, env = "MCP_BRIDGE_MAX_WAITING", value_name = "N", default_value = "1024", value_parser = count)]
    pub max_waiting: usize,
    /// The most sessions of MCP's over HTTP at a time, each of which has a server; another is refused with 503.
    /// As many as there may be servers, where nothing is said.
    #[arg(long, env = "MCP_BRIDGE_MAX_SESSIONS", value_name = "N", value_parser = count)]
    pub max_sessions: Option<usize>,
    /// The most requests of one session that are under way; another is refused with 429.
    #[arg(long, env = "MCP_BRIDGE_MAX_SESSION_REQUESTS", value_name = "N", default_value = "256", value_parser = count)]
    pub max_session_requests: usize,
    /// The longest head of a request, from 8k to 1m; a longer one is refused with 431.
    #[arg(long, env = "MCP_BRIDGE_MAX_HEAD", value_name = "SIZE", default_value = "32k", value_parser = head_bytes)]
    pub max_head: usize,
    /// Keep so many servers started ahead of need, for those that start slowly. They count as server
    /// processes and go first when room is needed.
    #[arg(long, env = "MCP_BRIDGE_WARM", value_name = "N", default_value = "0")]
    pub warm: usize,
    /// How long a session of MCP's over HTTP is kept while its client neither asks nor listens: 90s, 15m.
    #[arg(long, env = "MCP_BRIDGE_SESSION_IDLE", value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub session_idle: Duration,
    /// How long a server that calls take turns on is kept without one.
    #[arg(long, env = "MCP_BRIDGE_SERVER_IDLE", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub server_idle: Duration,
    /// The most files that a server has open.
    #[arg(long, env = "MCP_BRIDGE_CHILD_FILES", value_name = "N", default_value = "4096", value_parser = count)]
    pub child_files: usize,
    /// The most address space of a server, such as 2g. Not what it uses: Node and Go reserve far more
    /// than that. Without it, no limit.
    #[arg(long, env = "MCP_BRIDGE_CHILD_MEMORY", value_name = "SIZE", value_parser = bytes)]
    pub child_memory: Option<u64>,
    /// The largest file that a server may write, such as 1g. Without it, no limit.
    #[arg(long, env = "MCP_BRIDGE_CHILD_FILE_SIZE", value_name = "SIZE", value_parser = bytes)]
    pub child_file_size: Option<u64>,
}

fn head_bytes(text: &str) -> Result<usize, String> {
    // With less than 8k nothing could be read.
    match usize::try_from(bytes(text)?) {
        Ok(bytes @ 0x2000..=0x10_0000) => Ok(bytes),
        _ => Err("write a size from 8k to 1m".to_owned()),
    }
}

impl Bounds {
    /// The ceilings that hold in this room.
    pub(crate) fn ceilings(&self, room: &Room) -> Result<Ceilings, StartError> {
        let settled = room.settle(self.max_connections, self.max_children);
        let ceilings = settled
            .map_err(|fit| StartError::FewFiles { asked: self.max_connections.unwrap_or(fit), fit })?;
        if self.warm > ceilings.children {
            return Err(StartError::ManySpares { warm: self.warm, children: ceilings.children });
        }
        Ok(ceilings)
    }

    pub(crate) fn limits(&self) -> ChildLimits {
        ChildLimits {
            files: self.child_files as u64,
            memory: self.child_memory,
            file_size: self.child_file_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bounds: Bounds,
    }

    fn ceilings(flags: &[&str], room: &Room) -> Result<Ceilings, StartError> {
        let line = Line::try_parse_from([&["x"], flags].concat()).expect("flags");
        line.bounds.ceilings(room)
    }

    #[test]
    fn more_spares_than_servers_and_more_connections_than_files_are_refused() {
        let room = Room { files: Some(1000), pids: Some(100), memory: None };
        assert_eq!(ceilings(&["--warm", "28"], &room).expect("room").children, 28);
        let error = ceilings(&["--warm", "29"], &room).expect_err("more than there may be");
        assert!(matches!(error, StartError::ManySpares { warm: 29, children: 28 }), "{error}");
        let error = ceilings(&["--max-connections", "900"], &room).expect_err("more than there are files");
        assert!(matches!(error, StartError::FewFiles { asked: 900, fit: 760 }), "{error}");
    }

    #[test]
    fn a_limit_is_given_in_the_units_of_docker() {
        let flags = ["x", "--child-memory", "2g", "--child-files", "100"];
        let limits = Line::try_parse_from(flags).expect("flags").bounds.limits();
        assert_eq!(limits, ChildLimits { files: 100, memory: Some(2 << 30), file_size: None });
        assert!(Line::try_parse_from(["x", "--child-files", "0"]).is_err());
    }
}
