//! TLS on every port, with certificates from PEM files that are read again when they change.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConnection};

use super::auth::watched::{Problems, Watched, read, warn_if_open};
use super::certificate;

/// The longest PEM file, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// All that is spoken inside.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where the certificates are; all are PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The bridge's own certificate, and those between it and its authority's.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients' certificates, where those are asked for. Clients without one are
    /// still heard: what they may do is decided for each request.
    pub clients: Option<PathBuf>,
}

/// TLS 1.2 and 1.3, as the files say now.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<Watched<Arc<ServerConfig>>>,
    knows_clients: bool,
}

impl Tls {
    /// Reads the files. The error is a line for each thing that is wrong, with its file.
    pub fn open(files: &TlsFiles) -> Result<Self, Vec<String>> {
        let paths = [&files.certificate, &files.key].into_iter().chain(&files.clients).cloned();
        let named = files.clone();
        let config = Watched::open(paths.collect(), move || load(&named))?;
        Ok(Self { config: Arc::new(config), knows_clients: files.clients.is_some() })
    }

    /// Whether clients' certificates are asked for.
    pub(crate) fn knows_clients(&self) -> bool {
        self.knows_clients
    }

    /// For the next connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.current())
    }
}

/// Whom a connection's client certificate names.
pub(crate) fn client_of(connection: &ServerConnection) -> Option<Arc<str>> {
    let leaf = connection.peer_certificates()?.first()?;
    Some(certificate::name_of(leaf).into())
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, Problems> {
    let own = certificates(&files.certificate);
    let key = read(&files.key, FILE_BYTES).and_then(|pem| {
        warn_if_open(&files.key);
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| of(&files.key, "no private key", &error))
    });
    let clients = files.clients.as_deref().map(authorities).transpose();
    let (own, key, clients) = match (own, key, clients) {
        (Ok(own), Ok(key), Ok(clients)) => (own, key, clients),
        (own, key, clients) => {
            return Err([own.err(), key.err(), clients.err()].into_iter().flatten().collect());
        }
    };
    configure(own, key, clients)
        .map_err(|error| vec![of(&files.certificate, "not usable with its key", &error)])
}

fn configure(
    own: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<RootCertStore>,
) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let knows_clients = clients.is_some();
    let builder = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(own, key)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    if knows_clients {
        // A session that is resumed shows no certificate, and might be one that has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(file, FILE_BYTES)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| of(file, "no certificate", &error))?;
    if found.is_empty() { Err(format!("{}: no certificate", file.display())) } else { Ok(found) }
}

fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| of(file, "not an authority's certificate", &error))?;
    }
    Ok(roots)
}

fn of(file: &Path, what: &str, error: &dyn Display) -> String {
    format!("{}: {what}: {error}", file.display())
}
