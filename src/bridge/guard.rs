//! Who may come in: the `Host` and `Origin` of every request, on every wire.
//!
//! `Host` is what a page keeps when it points its own name at our address (DNS rebinding), and
//! `Origin` is what every web page sends with a WebSocket or a POST. A page on loopback is a web
//! page like any other, so an origin is accepted only by name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::serve::Bridge;

/// Turns away what the guest list does not name.
pub(crate) async fn check(State(bridge): State<Arc<Bridge>>, request: Request, next: Next) -> Response {
    match bridge.guests.admit(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The hosts and origins that are accepted.
#[derive(Debug, Clone)]
pub(crate) struct Guests {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guests {
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { hosts: lower(hosts), origins: lower(origins) }
    }

    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = only(headers, &header::HOST)?.ok_or_else(|| bad("the request names no Host"))?;
        self.admit_host(host)?;
        // A request line may name its host too, and then counts for more than the header.
        if let Some(authority) = uri.authority() {
            self.admit_host(authority.as_str())?;
        }
        match only(headers, &header::ORIGIN)? {
            Some(origin) if !self.origins.contains(&origin.to_ascii_lowercase()) => {
                Err(Problem::new(StatusCode::FORBIDDEN, format!("the origin {origin:?} may not connect"))
                    .hint("start the bridge with --allow-origin and this origin, if the page is yours"))
            }
            _ => Ok(()),
        }
    }

    fn admit_host(&self, host: &str) -> Result<(), Problem> {
        let name = name_of(host).to_ascii_lowercase();
        if is_loopback(&name) || self.hosts.contains(&name) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, format!("the host {host:?} is not one of this bridge's"))
            .hint("start the bridge with --allow-host and this name, if it is its name"))
    }
}

/// The one value of a header; two are as good as none.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value)),
        _ => Err(bad(&format!("the request's {name} is not one plain value"))),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// `host`, `host:port` or `[v6]:port`, without its port; whatever else there is stays in the name,
/// which then is nobody's.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    let ip = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn admitted(headers: &[(&'static str, &str)]) -> u16 {
        let guests = Guests::new(&["mcp-bridge".into()], &["https://App.example".into()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        guests.admit(&Uri::from_static("/ws"), &map).map_or_else(|problem| problem.status(), |()| 200)
    }

    #[test]
    fn loopback_by_any_name_and_port_and_listed_hosts_are_let_in() {
        for host in
            ["localhost", "LOCALHOST:1", "127.0.0.1:8765", "127.9.9.9", "[::1]:5000", "mcp-bridge:8765"]
        {
            assert_eq!(admitted(&[("host", host)]), 200, "{host}");
        }
    }

    #[test]
    fn every_other_host_is_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.0.7:8765",
            "user@localhost:1",
            "localhost:80:80",
            "0.0.0.0",
            "",
            "::1x",
        ] {
            assert_eq!(admitted(&[("host", host)]), 403, "{host}");
        }
    }

    #[test]
    fn a_request_with_no_host_or_two_is_no_request() {
        assert_eq!(admitted(&[]), 400);
        assert_eq!(admitted(&[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn a_request_line_that_names_another_host_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let guests = Guests::new(&[], &[]);
        let problem = guests.admit(&Uri::from_static("http://evil.example/ws"), &headers);
        assert_eq!(problem.expect_err("evil").status(), 403);
    }

    #[test]
    fn an_origin_is_let_in_only_by_name() {
        for (origin, status) in [
            ("https://app.example", 200),
            ("https://app.example:444", 403),
            ("http://app.example", 403),
            ("http://localhost:8765", 403),
            ("null", 403),
        ] {
            assert_eq!(admitted(&[("host", "localhost"), ("origin", origin)]), status, "{origin}");
        }
    }
}
