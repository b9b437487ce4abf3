//! The flags that say how long a client may take.

use std::time::Duration;

use clap::Args;

use super::args::duration;
use super::settings::Waits;

/// How long a client may take.
#[derive(Debug, Clone, Args)]
pub struct Patience {
    /// For the whole head of a request and, with TLS, for the handshake; a connection is closed after.
    #[arg(long, env = "MCP_BRIDGE_HEAD_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub head_timeout: Duration,
    /// Between two requests on a connection over HTTP, which is closed after.
    #[arg(long, env = "MCP_BRIDGE_IDLE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub idle_timeout: Duration,
    /// For the whole body of a request, which is answered with 408 after; where others wait for its room, for
    /// a large message on a WebSocket too, which is closed with 1008.
    #[arg(long, env = "MCP_BRIDGE_BODY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub body_timeout: Duration,
    /// To take any byte of what it is sent; a connection is cut off after.
    #[arg(long, env = "MCP_BRIDGE_WRITE_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub write_timeout: Duration,
    /// Between two pings on a WebSocket. A client that answers none of two is closed with 1008.
    #[arg(long, env = "MCP_BRIDGE_PING_INTERVAL", value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub ping_interval: Duration,
}

impl Patience {
    pub(crate) fn waits(&self) -> Waits {
        Waits {
            head: self.head_timeout,
            idle: self.idle_timeout,
            body: self.body_timeout,
            write: self.write_timeout,
            ping: self.ping_interval,
            ..Waits::default()
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
        patience: Patience,
    }

    #[test]
    fn without_a_flag_the_waits_are_the_default_ones() {
        let of = |flags: &[&str]| {
            let line = Line::try_parse_from([&["x"], flags].concat()).expect("flags");
            format!("{:?}", line.patience.waits())
        };
        assert_eq!(of(&[]), format!("{:?}", Waits::default()));
        let shorter = Waits { ping: Duration::from_millis(500), ..Waits::default() };
        assert_eq!(of(&["--ping-interval", "500ms"]), format!("{shorter:?}"));
    }
}
