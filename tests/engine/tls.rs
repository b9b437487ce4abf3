//! An engine behind TLS, as `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` mean it: both sides show a
//! certificate of one authority's.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::docker::run;
use super::remote::{socket, up_verify_down};
use super::rig::Rig;

/// One who signs, made up for one test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate of this authority's, for a name, and its key; both as PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The folder that `DOCKER_CERT_PATH` names, for a client that this authority knows.
    pub(crate) fn client(&self) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = self.sign("client");
        for (name, text) in [("ca.pem", self.0.pem()), ("cert.pem", certificate), ("key.pem", key)] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }
}

/// A port that leads to the engine's socket for those who show a certificate of the authority's.
pub(crate) fn proxy(authority: &Authority) -> u16 {
    proxy_named(authority, "127.0.0.1")
}

/// As [`proxy`], where the certificate is for some name.
fn proxy_named(authority: &Authority, name: &str) -> u16 {
    let (certificate, key) = authority.sign(name);
    let mut clients = RootCertStore::empty();
    clients.add(authority.0.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(clients.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
        )
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("a listener");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever is refused is hung up on, as an engine does it: with a request under way, the
                    // alert before it is lost.
                    if let Ok(mut client) = acceptor.accept(client).await {
                        let mut engine = UnixStream::connect(socket()).await.expect("the engine's socket");
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
                    }
                });
            }
        });
    });
    port
}

/// What says that an engine is behind a port, for a client with the certificates in a folder.
pub(crate) fn settings(port: u16, certificates: &TempDir) -> [(&'static str, String); 3] {
    [
        ("DOCKER_HOST", format!("tcp://127.0.0.1:{port}")),
        ("DOCKER_TLS_VERIFY", "1".to_owned()),
        ("DOCKER_CERT_PATH", certificates.path().display().to_string()),
    ]
}

/// What is said where the engine is not reached, without what differs from run to run.
#[track_caller]
fn refused(port: u16, certificates: &TempDir, verify: bool) -> String {
    let rig = Rig::new("tls-refused");
    let mut command = rig.command(&["up"]);
    command.envs(settings(port, certificates));
    if !verify {
        command.env_remove("DOCKER_TLS_VERIFY");
    }
    let ran = run(&mut command, "").ended(69);
    assert_eq!(ran.out, "");
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
    let folder = certificates.path().display().to_string();
    ran.err.replace(&port.to_string(), "[PORT]").replace(&folder, "[FOLDER]")
}

#[test]
fn an_engine_behind_tls_is_brought_up_and_proved() {
    let authority = Authority::new("theirs");
    let client = authority.client();
    let port = proxy(&authority);
    let mut rig = Rig::new("tls");
    for (name, value) in settings(port, &client) {
        rig.set(name, &value);
    }
    up_verify_down(&rig, &format!("tcp://127.0.0.1:{port}"));
}

#[test]
fn a_certificate_of_another_authority_s_is_told_on_either_side() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (port, client) = (proxy(&theirs), ours.client());
    insta::assert_snapshot!("engine_of_another_authority", refused(port, &client, true));
    // The engine is known to the client, and the client not to the engine.
    fs::write(client.path().join("ca.pem"), theirs.0.pem()).expect("a file");
    insta::assert_snapshot!("client_of_another_authority", refused(port, &client, true));
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let authority = Authority::new("theirs");
    let port = proxy_named(&authority, "engine.example");
    insta::assert_snapshot!("engine_of_another_name", refused(port, &authority.client(), true));
}

#[test]
fn a_certificate_that_is_missing_is_told_with_its_file() {
    let authority = Authority::new("theirs");
    let (port, client) = (proxy(&authority), authority.client());
    for (name, file) in [("no_certificate", "cert.pem"), ("no_authority", "ca.pem")] {
        fs::remove_file(client.path().join(file)).expect("a file");
        insta::assert_snapshot!(name, refused(port, &client, true));
    }
}

#[test]
fn tls_where_none_is_spoken_and_none_where_it_is_are_told() {
    let authority = Authority::new("theirs");
    let client = authority.client();
    insta::assert_snapshot!("plain_to_tls", refused(proxy(&authority), &client, false));
    insta::assert_snapshot!("tls_to_plain", refused(super::remote::proxy(), &client, true));
}
