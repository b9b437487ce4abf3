//! TLS on the bridge's ports: what is agreed on, who is known by a certificate, and what changes
//! while it runs.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpo_deploy::bridge::{Settings, Tls, TlsFiles, TokenFile};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::Message;

use super::program::{end, output, program, serve};
use super::{Bridge, PATIENCE, of_fixture, settings};

/// One who signs, made up for one test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
type Shown = (String, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate for 127.0.0.1 whose subject has a common name.
    fn sign(&self, common_name: &str) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// The files of a bridge's TLS, for as long as their folder is kept.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(own: &Shown) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        files.write(own);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, (certificate, key): &Shown) {
        fs::write(self.path("cert.pem"), certificate).expect("a file");
        fs::write(self.path("key.pem"), key).expect("a file");
    }

    fn with(&self, mut settings: Settings, clients: Option<&Authority>) -> Settings {
        let clients = clients.map(|authority| {
            fs::write(self.path("clients.pem"), authority.0.pem()).expect("a file");
            self.path("clients.pem")
        });
        let files = TlsFiles { certificate: self.path("cert.pem"), key: self.path("key.pem"), clients };
        settings.doors.tls = Some(Tls::open(&files).expect("good files"));
        settings
    }
}

/// How a client speaks TLS.
struct Speaker {
    config: ClientConfig,
}

impl Speaker {
    fn new(
        trusted: &Authority,
        shown: Option<&Shown>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.0.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![certificate], key).expect("a certificate")
            }
        };
        Self { config }
    }

    async fn connect(&self, addr: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(addr).await?;
        let name = ServerName::IpAddress(addr.ip().into());
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        timeout(PATIENCE, connector.connect(name, tcp)).await.expect("in time")
    }

    /// The status and the whole answer to one request.
    async fn ask(&self, addr: SocketAddr, line: &str, body: &str) -> (u16, String) {
        let mut tls = self.connect(addr).await.expect("TLS");
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             x-request-id: a-request\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        tls.write_all(request.as_bytes()).await.expect("room");
        let mut answer = String::new();
        timeout(PATIENCE, tls.read_to_string(&mut answer)).await.expect("in time").expect("text");
        (answer.split(' ').nth(1).expect("a status line").parse().expect("a number"), answer)
    }
}

const BOTH: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;

fn certificate_of(tls: &TlsStream<TcpStream>) -> Vec<u8> {
    tls.get_ref().1.peer_certificates().expect("a certificate")[0].as_ref().to_vec()
}

#[tokio::test]
async fn every_wire_is_spoken_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    let bridge = Bridge::start(files.with(of_fixture("legacy"), None)).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let speaker = Speaker::new(&authority, None, &[version]);
        assert_eq!(speaker.ask(bridge.addr, "GET /healthz", "").await.0, 200);
        let (status, answer) = speaker.ask(bridge.addr, "POST /mcp", r#"{"method":"status"}"#).await;
        assert!(status == 200 && answer.contains("active"), "{answer}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_long_message_goes_over_a_websocket_and_back_byte_for_byte() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    let bridge = Bridge::start(files.with(settings("/bin/cat", &[]), None)).await;
    let tls = Speaker::new(&authority, None, BOTH).connect(bridge.addr).await.expect("TLS");
    let url = format!("wss://{}/ws", bridge.addr);
    let (mut socket, _) = tokio_tungstenite::client_async(url, tls).await.expect("a WebSocket");
    let line = "é".repeat(2 << 20);
    let (sent, heard) = {
        use futures_util::{SinkExt, StreamExt};
        let (mut sink, mut stream) = (&mut socket).split();
        let both = async { tokio::join!(sink.send(Message::text(line.as_str())), stream.next()) };
        timeout(PATIENCE, both).await.expect("in time")
    };
    sent.expect("room");
    let heard = heard.expect("an open connection").expect("a message");
    assert!(heard == Message::text(line.as_str()), "{} bytes", heard.len());
    drop(socket);
    bridge.finish().await;
}

#[tokio::test]
async fn http_1_1_is_agreed_on_and_nothing_else() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    let bridge = Bridge::start(files.with(settings("/bin/cat", &[]), None)).await;
    let mut speaker = Speaker::new(&authority, None, BOTH);
    speaker.config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = speaker.connect(bridge.addr).await.expect("TLS");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    speaker.config.alpn_protocols = vec![b"h2".to_vec()];
    speaker.connect(bridge.addr).await.expect_err("nothing in common");
    bridge.finish().await;
}

#[tokio::test]
async fn who_speaks_no_tls_or_says_nothing_is_hung_up_on() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    let mut settings = files.with(settings("/bin/cat", &[]), None);
    settings.waits.head = Duration::from_millis(200);
    let bridge = Bridge::start(settings).await;
    for words in ["GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", ""] {
        let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
        tcp.write_all(words.as_bytes()).await.expect("room");
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("hung up on");
        assert!(ended.is_err() || !answer.starts_with(b"HTTP"), "{words}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_certificate_of_the_authority_opens_and_no_other_does() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.sign("bridge"));
    let bridge = Bridge::start(files.with(of_fixture("legacy"), Some(&authority))).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let nobody = Speaker::new(&authority, None, &[version]);
        let (status, answer) = nobody.ask(bridge.addr, "POST /mcp", r#"{"method":"status"}"#).await;
        assert_eq!(status, 403, "{answer}");
        assert_eq!(nobody.ask(bridge.addr, "GET /ws", "").await.0, 403);
        assert_eq!(nobody.ask(bridge.addr, "GET /healthz", "").await.0, 200);
        let alice = Speaker::new(&authority, Some(&authority.sign("alice")), &[version]);
        assert_eq!(alice.ask(bridge.addr, "POST /mcp", r#"{"method":"status"}"#).await.0, 200);
        let stranger = Speaker::new(&authority, Some(&theirs.sign("alice")), &[version]);
        // With TLS 1.3 the refusal comes after what the client takes for the end of the handshake.
        let refused = match stranger.connect(bridge.addr).await {
            Ok(mut tls) => timeout(PATIENCE, tls.read_u8()).await.expect("in time").is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
    let (_, answer) =
        Speaker::new(&authority, None, BOTH).ask(bridge.addr, "POST /mcp", r#"{"method":"status"}"#).await;
    insta::assert_snapshot!("no_certificate", answer.split("\r\n\r\n").nth(1).expect("a body"));
    bridge.finish().await;
}

#[tokio::test]
async fn a_certificate_s_name_has_its_line_in_the_token_file() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    fs::write(files.path("tokens"), "alice certificate status\nbob bob-0123456789ab\n").expect("a file");
    let mut settings = files.with(of_fixture("legacy"), Some(&authority));
    settings.doors.tokens = Some(TokenFile::open(&files.path("tokens")).expect("tokens"));
    let bridge = Bridge::start(settings).await;
    let call = async |name: Option<&str>, tool: &str| {
        let shown = name.map(|name| authority.sign(name));
        let speaker = Speaker::new(&authority, shown.as_ref(), BOTH);
        let body = format!(r#"{{"method":"{tool}"}}"#);
        speaker.ask(bridge.addr, "POST /mcp", &body).await
    };
    assert_eq!(call(Some("alice"), "status").await.0, 200);
    let (status, answer) = call(Some("alice"), "echo").await;
    assert_eq!(status, 403);
    insta::assert_snapshot!("denied_by_certificate", answer.split("\r\n\r\n").nth(1).expect("a body"));
    // The name of somebody's token is not theirs in a certificate, and says nothing of its tools.
    assert_eq!(call(Some("bob"), "echo").await.0, 200);
    assert_eq!(call(None, "status").await.0, 401);
    bridge.finish().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let (first, second) = (authority.sign("first"), authority.sign("second"));
    let files = Files::new(&first);
    let bridge = Bridge::start(files.with(settings("/bin/cat", &[]), None)).await;
    let speaker = Speaker::new(&authority, None, BOTH);
    let shown = async || certificate_of(&speaker.connect(bridge.addr).await.expect("TLS"));
    let old = shown().await;
    // Between the two files of a rotation, certificate and key do not belong together.
    fs::write(files.path("cert.pem"), &second.0).expect("a file");
    assert_eq!(shown().await, old);
    fs::write(files.path("key.pem"), &second.1).expect("a file");
    let new = CertificateDer::from_pem_slice(second.0.as_bytes()).expect("PEM");
    let changed = async {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        while shown().await != new.as_ref() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, changed).await.expect("the files are read again");
    bridge.finish().await;
}

#[tokio::test]
async fn the_probe_trusts_the_bridge_s_own_certificate_and_shows_a_token() {
    let authority = Authority::new();
    let files = Files::new(&authority.sign("bridge"));
    let other = Files::new(&authority.sign("bridge"));
    fs::write(files.path("tokens"), "probe probe-0123456789\n").expect("a file");
    fs::write(files.path("bearer"), "probe-0123456789\n").expect("a file");
    let mut command = program();
    command
        .env("MCP_BRIDGE_TLS_CERT", files.path("cert.pem"))
        .env("MCP_BRIDGE_TLS_KEY", files.path("key.pem"));
    command.env("MCP_BRIDGE_TOKEN_FILE", files.path("tokens")).args(["--listen", "127.0.0.1:0", "--"]);
    let serving = serve(command.arg(super::fixture()).arg("legacy"), 1).await;
    let listen = serving.addrs[0].to_string();
    let probe = |certificate: Option<PathBuf>, flags: &[&str]| {
        let mut probe = program();
        probe.args(["probe", "--listen", &listen]).args(flags);
        if let Some(file) = certificate {
            probe.env("MCP_BRIDGE_TLS_CERT", file);
        }
        probe
    };
    let cert = || Some(files.path("cert.pem"));
    let (code, stdout, stderr) = output(&mut probe(cert(), &[])).await;
    assert_eq!((code, stdout), (Some(0), format!("{listen} is healthy\n")), "{stderr}");
    let bearer = files.path("bearer");
    let status = ["--status", "status", "--bearer-file", bearer.to_str().expect("text")];
    let (code, stdout, _) = output(&mut probe(cert(), &status)).await;
    assert_eq!(code, Some(0), "{stdout}");
    let (code, stdout, _) = output(&mut probe(cert(), &status[..2])).await;
    assert!(code == Some(1) && stdout.contains("status 401"), "{stdout}");
    for stranger in [Some(other.path("cert.pem")), None, Some(other.path("nothing"))] {
        let (code, _, stderr) = output(&mut probe(stranger.clone(), &[])).await;
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stranger:?}: {stderr}");
    }
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}
