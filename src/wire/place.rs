//! Where a server is: by name or by address, and a port.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long one of several addresses may take: of a name that has one nobody answers at, another may work.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);

/// A host, by its name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    host: String,
    port: u16,
}

impl Place {
    /// A place; an IPv6 address may be in brackets.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.to_owned(), port }
    }

    /// Whether what is sent there does not leave this machine. A name is taken at its word.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let loopback = self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        loopback || self.host.eq_ignore_ascii_case("localhost")
    }

    /// The name that a certificate is to be for.
    pub(super) fn server_name(&self) -> io::Result<ServerName<'static>> {
        let unfit = |_| io::Error::other(format!("no certificate can be for {:?}", self.host));
        ServerName::try_from(self.host.clone()).map_err(unfit)
    }

    /// Connects to the first of its addresses that answers. Without a deadline of its own.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port)).await?.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (at, address) in addresses.iter().enumerate() {
            let connected = TcpStream::connect(address);
            // The last one has all the time that is left.
            let connected = if at + 1 == addresses.len() {
                connected.await
            } else {
                timeout(ADDRESS_PATIENCE, connected)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            };
            match connected {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl From<SocketAddr> for Place {
    fn from(addr: SocketAddr) -> Self {
        Self { host: addr.ip().to_string(), port: addr.port() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_as_it_is_written_in_a_url() {
        for (place, shown) in [
            (Place::new("a.example", 80), "a.example:80"),
            (Place::new("[::1]", 8080), "[::1]:8080"),
            (Place::from(SocketAddr::from(([127, 0, 0, 1], 1))), "127.0.0.1:1"),
        ] {
            assert_eq!(place.to_string(), shown);
        }
    }

    #[test]
    fn loopback_is_here_and_nothing_else() {
        for (host, here) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("LocalHost", true),
            ("10.0.0.1", false),
            ("a.example", false),
        ] {
            assert_eq!(Place::new(host, 1).is_here(), here, "{host}");
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        // Of `localhost`, which may have an address of each kind, one alone is listened at.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Place::new("localhost", port).connect().await.expect("a connection");
        Place::new("localhost", 1).connect().await.expect_err("nobody listens at port 1");
    }
}
