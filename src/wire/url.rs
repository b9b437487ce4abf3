//! A server's URL: which wire it is reached over, where, and under which path.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

use super::place::Place;

/// What a server is spoken to over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// One text frame, one message.
    WebSocket,
    /// MCP's Streamable HTTP.
    Http,
}

/// `ws://…`, `wss://…`, `http://…` or `https://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// By its scheme.
    pub wire: Wire,
    /// Whether it asks for TLS.
    pub tls: bool,
    /// Where it leads.
    pub place: Place,
    /// What the `Host` header says.
    pub authority: String,
    /// Path and query, as they are given; without any, `/mcp` over HTTP and `/` for a WebSocket.
    pub path: String,
}

/// Why a text is no URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read.
    #[error("{0:?} is no URL such as http://127.0.0.1:5000/mcp")]
    Malformed(String),
    /// Its scheme is nobody's.
    #[error("{0:?} is none of ws, wss, http and https")]
    Scheme(String),
    /// It holds a name or a password, which would be shown wherever it is. Not repeated.
    #[error("a URL must not hold credentials")]
    Credentials,
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| UrlError::Malformed(text.to_owned()))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let malformed = || UrlError::Malformed(text.to_owned());
        let (wire, tls) = match scheme.to_ascii_lowercase().as_str() {
            "ws" => (Wire::WebSocket, false),
            "wss" => (Wire::WebSocket, true),
            "http" => (Wire::Http, false),
            "https" => (Wire::Http, true),
            _ => return Err(UrlError::Scheme(scheme.to_owned())),
        };
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| malformed())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        // A port that is none would be passed over.
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if has_port && uri.port_u16().is_none() {
            return Err(malformed());
        }
        let place = Place::new(host, uri.port_u16().unwrap_or(if tls { 443 } else { 80 }));
        let path = match (path.starts_with('/'), wire) {
            (true, _) => uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            (false, wire) => {
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                format!("{}{query}", if wire == Wire::Http { "/mcp" } else { "/" })
            }
        };
        Ok(Self { wire, tls, place, authority: authority.to_owned(), path })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.wire, self.tls) {
            (Wire::WebSocket, false) => "ws",
            (Wire::WebSocket, true) => "wss",
            (Wire::Http, false) => "http",
            (Wire::Http, true) => "https",
        };
        // A query may be a secret.
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_wire_place_and_path() {
        for (text, wire, tls, place, path) in [
            ("http://127.0.0.1:5000/mcp", Wire::Http, false, "127.0.0.1:5000", "/mcp"),
            ("https://a.example", Wire::Http, true, "a.example:443", "/mcp"),
            ("http://a.example/", Wire::Http, false, "a.example:80", "/"),
            ("https://a.example/x/y?z=1", Wire::Http, true, "a.example:443", "/x/y?z=1"),
            ("http://a.example?z=1", Wire::Http, false, "a.example:80", "/mcp?z=1"),
            ("WS://[::1]:8765", Wire::WebSocket, false, "[::1]:8765", "/"),
            ("wss://[::1]/ws", Wire::WebSocket, true, "[::1]:443", "/ws"),
        ] {
            let url: Url = text.parse().expect(text);
            assert_eq!((url.wire, url.tls, url.path.as_str()), (wire, tls, path), "{text}");
            assert_eq!(url.place.to_string(), place, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_told() {
        for (text, error) in [
            ("a.example", UrlError::Malformed("a.example".into())),
            ("http://", UrlError::Malformed("http://".into())),
            ("http://a.example:x/", UrlError::Malformed("http://a.example:x/".into())),
            ("http://a.example:70000/", UrlError::Malformed("http://a.example:70000/".into())),
            ("http://a b/", UrlError::Malformed("http://a b/".into())),
            ("ftp://a.example/", UrlError::Scheme("ftp".into())),
            ("http://user:secret@a.example/", UrlError::Credentials),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let url: Url = "https://a.example/mcp?key=secret".parse().expect("a URL");
        assert_eq!(url.to_string(), "https://a.example/mcp");
    }
}
