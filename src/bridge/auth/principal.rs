//! Whom a request comes from.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::access::Access;
use super::entries::Fingerprint;

/// What is known of a connection before its first request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The other end of the connection; behind a proxy, the proxy.
    pub(crate) address: IpAddr,
    /// Whom the client's certificate names, where it showed one that was accepted.
    pub(crate) certificate: Option<Arc<str>>,
}

/// Who somebody is; whatever outlives a request belongs to one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// Nobody was asked who they are: the network that they come from.
    Address(IpAddr),
    /// A name in the token file.
    Token(Arc<str>),
    /// A name in a client certificate. Not that of a token, even where they are spelt alike.
    Certificate(Arc<str>),
}

impl Identity {
    /// What tells names of different kinds apart.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Token(_) => "token",
            Self::Certificate(_) => "certificate",
        }
    }

    /// The name, which is unique within its kind.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Address(address) => address.to_string().into(),
            Self::Token(name) | Self::Certificate(name) => Cow::Borrowed(name),
        }
    }

    /// Somebody known by nothing else: their address, or, of IPv6, the network of 64 bits that one
    /// customer has for themselves.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = v6.to_bits() >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from_bits(if v6.is_loopback() { v6.to_bits() } else { network }))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Token(name) => write!(f, "{name:?}"),
            Self::Certificate(name) => write!(f, "{name:?} (by certificate)"),
        }
    }
}

/// Somebody who has been let in: whom every request is from, but those to `/healthz`
/// and `/docs`.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    identity: Identity,
    access: Arc<Access>,
    /// The digest of the token that was shown, where one was.
    token: Option<Fingerprint>,
}

impl Principal {
    pub(crate) fn new(identity: Identity, access: Arc<Access>) -> Self {
        Self { identity, access, token: None }
    }

    pub(crate) fn by_token(name: Arc<str>, access: Arc<Access>, digest: Fingerprint) -> Self {
        Self { identity: Identity::Token(name), access, token: Some(digest) }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    pub(crate) fn token(&self) -> Option<&Fingerprint> {
        self.token.as_ref()
    }

    /// Whether this principal may call a tool of this name.
    pub(crate) fn may_call(&self, tool: &str) -> bool {
        self.access.permits(tool)
    }

    /// Whether there are tools that this principal may not call.
    pub(crate) fn is_restricted(&self) -> bool {
        self.access.is_restricted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_its_customer() {
        for (address, customer) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::1"),
        ] {
            let identity = Identity::of_address(address.parse().expect("an address"));
            assert_eq!(identity.to_string(), customer, "{address}");
        }
    }

    #[test]
    fn a_token_and_a_certificate_of_one_name_are_two_principals() {
        assert_ne!(Identity::Token("a".into()), Identity::Certificate("a".into()));
    }
}
