//! The flags that say who may come in.

use std::path::PathBuf;

use clap::Args;

use super::super::error::StartError;
use super::super::tls::{Tls, TlsFiles};
use super::{Doors, TokenFile};

/// Who may come in.
#[derive(Debug, Clone, Default, Args)]
pub struct Entry {
    /// Let in only who shows a token of this file, which is read again when it changes. A line for
    /// each: a name and a token, or sha256: and the token's SHA-256; or a name and `certificate`, for
    /// whom a client certificate names; after it, if some tools only may be called, their names with
    /// commas, such as `read_*,!read_secrets`.
    #[arg(long, env = "MCP_BRIDGE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Speak TLS, with the certificates of this PEM file, the bridge's own first. It is read again
    /// when it changes.
    #[arg(long, env = "MCP_BRIDGE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file.
    #[arg(long, env = "MCP_BRIDGE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Let in who shows a certificate of one of this PEM file's authorities; with --token-file, a
    /// token or a certificate is enough.
    #[arg(long, env = "MCP_BRIDGE_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// The most connections and calls that one client has at a time. A client is a token, a certificate's
    /// name, or, where neither is asked for, an address.
    #[arg(long, env = "MCP_BRIDGE_MAX_CONNECTIONS_PER_PRINCIPAL", value_name = "N", value_parser = connections)]
    pub max_connections_per_principal: Option<usize>,
    /// The most requests that one client sends in a second. A WebSocket counts once.
    #[arg(long, env = "MCP_BRIDGE_MAX_REQUESTS_PER_SECOND", value_name = "N", value_parser = requests)]
    pub max_requests_per_second: Option<u32>,
}

impl Entry {
    /// Whether clients are asked who they are.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.token_file.is_some() || self.tls_client_ca.is_some()
    }

    /// Whether tokens are sent for everybody on the way to read.
    #[must_use]
    pub fn sends_tokens_in_clear(&self) -> bool {
        self.token_file.is_some() && self.tls_cert.is_none()
    }

    /// Reads the files. Whatever is wrong with any of them is told at once.
    pub fn doors(&self) -> Result<Doors, StartError> {
        let tokens = self.token_file.as_deref().map(TokenFile::open).transpose();
        let tls = self.tls_files().and_then(|files| files.as_ref().map(Tls::open).transpose());
        match (tokens, tls) {
            (Ok(tokens), Ok(tls)) => Ok(Doors {
                tokens,
                tls,
                max_connections_per_principal: self.max_connections_per_principal,
                max_requests_per_second: self.max_requests_per_second,
            }),
            (tokens, tls) => {
                let mut problems = tokens.err().unwrap_or_default();
                problems.extend(tls.err().unwrap_or_default());
                Err(StartError::Doors(problems))
            }
        }
    }

    // Not by clap: a probe reads the certificate's variable too, and has no use for the key.
    fn tls_files(&self) -> Result<Option<TlsFiles>, Vec<String>> {
        let missing = |flag: &str, other: &str| Err(vec![format!("{flag} needs {other}")]);
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(certificate), Some(key), clients) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                clients: clients.clone(),
            })),
            (Some(_), None, _) => missing("--tls-cert", "--tls-key"),
            (None, Some(_), _) => missing("--tls-key", "--tls-cert"),
            (None, None, Some(_)) => missing("--tls-client-ca", "--tls-cert and --tls-key"),
            (None, None, None) => Ok(None),
        }
    }
}

fn connections(text: &str) -> Result<usize, String> {
    requests(text).map(|count| count as usize)
}

fn requests(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("write a number from 1 to 1000000".to_owned()),
    }
}
