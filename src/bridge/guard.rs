//! Who may come in: the `Host` and `Origin` of every request, on every wire.
//!
//! `Host` is what a page keeps when it points its own name at our address (DNS rebinding), and
//! `Origin` is what every web page sends with a WebSocket or a POST. A page on loopback is a web
//! page like any other, so an origin is accepted only by name.
//!
//! But for one: the bridge's own page ([`docs`](super::docs)) may POST to where it came from. Its
//! `Origin` is the scheme, name and port that the request's `Host` names, and the host is one of ours;
//! a page that points its own name at us fails at the host, another port of this machine's is another
//! origin, and no page can choose the `Origin` that its browser sends. A TLS proxy changes the scheme:
//! the origin that it shows has to be named. `WebSockets` and the streams of sessions stay closed to that
//! page, since it needs neither.

use std::net::IpAddr;

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::problem::Problem;

/// The hosts and origins that are accepted.
#[derive(Debug, Clone)]
pub(crate) struct Guests {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// What the origins of our own pages begin with.
    scheme: &'static str,
}

impl Guests {
    pub(crate) fn new(hosts: &[String], origins: &[String], is_tls: bool) -> Self {
        let scheme = if is_tls { "https://" } else { "http://" };
        Self { hosts: hosts.to_vec(), origins: origins.to_vec(), scheme }
    }

    /// Turns away what the guest list does not name.
    pub(crate) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = only(headers, &header::HOST)?.ok_or_else(|| bad("the request names no Host"))?;
        self.admit_host(host)?;
        // A request line may name its host too, and then counts for more than the header.
        if let Some(authority) = uri.authority() {
            self.admit_host(authority.as_str())?;
        }
        match only(headers, &header::ORIGIN)? {
            Some(origin) if !self.is_listed(origin) => {
                // No browser names the host in the request line of what it sends to its server.
                if method == Method::POST && uri.authority().is_none() && self.is_own(origin, host) {
                    return Ok(());
                }
                Err(Problem::new(StatusCode::FORBIDDEN, format!("the origin {origin:?} may not connect"))
                    .hint("start the bridge with --allow-origin and this origin, if the page is yours"))
            }
            _ => Ok(()),
        }
    }

    fn is_listed(&self, origin: &str) -> bool {
        self.origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin))
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        origin.strip_prefix(self.scheme).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }

    fn admit_host(&self, host: &str) -> Result<(), Problem> {
        let name = name_of(host);
        if is_loopback(name) || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name)) {
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
    name.eq_ignore_ascii_case("localhost") || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn admitted(headers: &[(&'static str, &str)]) -> u16 {
        admitted_to(&Method::GET, false, headers)
    }

    fn admitted_to(method: &Method, is_tls: bool, headers: &[(&'static str, &str)]) -> u16 {
        let guests = Guests::new(&["mcp-bridge".into()], &["https://App.example".into()], is_tls);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        guests.admit(method, &Uri::from_static("/ws"), &map).map_or_else(|problem| problem.status(), |()| 200)
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
        let guests = Guests::new(&[], &[], false);
        let problem = guests.admit(&Method::GET, &Uri::from_static("http://evil.example/ws"), &headers);
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

    #[test]
    fn our_own_page_may_post_to_where_it_came_from_and_do_nothing_else() {
        let post = |host: &str, origin: &str| {
            admitted_to(&Method::POST, false, &[("host", host), ("origin", origin)])
        };
        for host in ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "mcp-bridge:5000", "localhost"] {
            let origin = format!("http://{host}");
            assert_eq!(post(host, &origin), 200, "{host}");
            assert_eq!(post(host, &format!("https://{host}")), 403, "{host}");
            for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
                assert_eq!(
                    admitted_to(&method, false, &[("host", host), ("origin", &origin)]),
                    403,
                    "{method}"
                );
            }
            let tls = [("host", host), ("origin", &format!("https://{host}") as &str)];
            assert_eq!(admitted_to(&Method::POST, true, &tls), 200, "{host}");
        }
    }

    #[test]
    fn another_port_name_or_scheme_of_this_machine_s_is_another_origin() {
        for origin in [
            "http://127.0.0.1:5001",
            "http://127.0.0.1",
            "http://localhost:5000",
            "http://127.0.0.1:5000.evil.example",
            "http://evil.example@127.0.0.1:5000",
            "http://127.0.0.1:5000/",
            "127.0.0.1:5000",
            "null",
            "",
        ] {
            let headers = [("host", "127.0.0.1:5000"), ("origin", origin)];
            assert_eq!(admitted_to(&Method::POST, false, &headers), 403, "{origin}");
        }
        let rebound = [("host", "evil.example:5000"), ("origin", "http://evil.example:5000")];
        assert_eq!(admitted_to(&Method::POST, false, &rebound), 403);
    }
}
