//! What lets clients in, as [`Settings`](super::super::Settings) say it.

use super::TokenFile;
use crate::bridge::tls::Tls;

/// Who may come in besides what `Host` and `Origin` decide, and how much of the bridge each of them
/// may use. By default everybody who can connect, with no limit of their own.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// The tokens that let clients in.
    pub tokens: Option<TokenFile>,
    /// The certificates; without them, all connections are in the clear.
    pub tls: Option<Tls>,
    /// The most connections and calls that one principal has at a time.
    pub max_connections_per_principal: Option<usize>,
    /// The most requests of one principal's in a second, and at once.
    pub max_requests_per_second: Option<u32>,
}
