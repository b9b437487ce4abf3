//! Where spans are sent: the OTLP receiver that an endpoint's URL names. Pure.

use http::Uri;

/// The path of an OTLP receiver for traces, beneath its base.
const TRACES: &str = "v1/traces";

/// An OTLP receiver over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With the port, where the URL has one.
    pub(crate) authority: String,
    pub(crate) path: String,
    /// What the bridge calls itself there.
    pub(crate) service: String,
}

impl Collector {
    /// Reads a base URL, such as `http://127.0.0.1:4318`, as the OTLP exporter's specification has it:
    /// traces go to `v1/traces` beneath it. The error is one line.
    pub fn parse(url: &str, service: &str) -> Result<Self, String> {
        let wrong = || "write a base URL such as http://127.0.0.1:4318".to_owned();
        let uri: Uri = url.trim().parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "only http is spoken: name a collector on this machine or network, which may pass \
                            on over TLS"
                        .to_owned(),
                );
            }
            _ => return Err(wrong()),
        }
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            path: format!("{}/{TRACES}", uri.path().trim_end_matches('/')),
            service: service.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_names_host_port_and_path() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces"),
            ("http://collector/", "collector", 80, "/v1/traces"),
            (" http://[::1]:4318/otlp/ ", "::1", 4318, "/otlp/v1/traces"),
        ] {
            let collector = Collector::parse(url, "s").expect(url);
            let seen = (collector.host.as_str(), collector.port, collector.path.as_str());
            assert_eq!(seen, (host, port, path), "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_what_would_be_one() {
        for url in ["", "127.0.0.1:4318", "http://", "ftp://a", "http://u:p@a", "http://a/?b=c", "a b"] {
            assert!(Collector::parse(url, "s").expect_err(url).contains("http://127.0.0.1:4318"), "{url}");
        }
        assert!(Collector::parse("https://a", "s").expect_err("https").contains("only http"));
    }
}
