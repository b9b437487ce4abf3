//! Why an engine ended a connection over TLS. In TLS 1.3 the client's certificate is judged after
//! the handshake (RFC 8446, section 4.4.2.4), so that a request may find the connection closed
//! before anybody has read why.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use hyper::Uri;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::engine::endpoint::{Endpoint, TlsFiles};

/// Who takes the certificate says nothing until it is asked something.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why the first request over TLS failed: the engine's refusal, asked for on a connection of its own
/// where nothing is sent after the handshake, or else the error that there was.
pub(super) async fn cause(endpoint: &Endpoint, error: Error) -> Error {
    let Some(files) = &endpoint.tls else { return error };
    match tokio::time::timeout(TIMEOUT, listen(&endpoint.host, files)).await {
        Ok(Err(err)) if err.to_string().contains("received fatal alert") => Error::IOError { err },
        _ => error,
    }
}

async fn listen(host: &str, files: &TlsFiles) -> io::Result<()> {
    let uri: Uri = host.parse().map_err(io::Error::other)?;
    let name = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((name.as_str(), uri.port_u16().unwrap_or(2376))).await?;
    let connector = TlsConnector::from(Arc::new(config(files).map_err(io::Error::other)?));
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let mut stream = connector.connect(name, stream).await?;
    stream.read_u8().await.map(drop)
}

fn config(files: &TlsFiles) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(&files.ca).into_iter().flatten().flatten());
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let chain = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match (chain, PrivateKeyDer::from_pem_file(&files.key)) {
        (Ok(chain), Ok(key)) => builder.with_client_auth_cert(chain, key),
        _ => Ok(builder.with_no_client_auth()),
    }
}
