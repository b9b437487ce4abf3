//! What is wrong where an engine was to be reached over TLS, or should have been: rustls names the
//! rule that was broken, and not the file that mends it.

use super::endpoint::Endpoint;

/// A way in which TLS fails before the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The engine's certificate was signed by somebody else.
    Engine,
    /// The engine's certificate is for another name than the one it was called by.
    Name,
    /// The engine wants a certificate of the client's, and got none.
    Client,
    /// The engine does not take the client's certificate.
    Refused,
    /// TLS was spoken to what does not speak it.
    PlainEngine,
    /// No TLS was spoken to what may want it.
    PlainClient,
}

impl Trouble {
    fn of(endpoint: &Endpoint, said: &str) -> Option<Self> {
        let says = |words: &str| said.contains(words);
        if endpoint.tls.is_none() {
            // A TLS server answers plain HTTP with an alert, which is no line of HTTP.
            let spoke = endpoint.host.starts_with("tcp://") || endpoint.host.starts_with("http://");
            return (spoke && says("invalid HTTP version parsed")).then_some(Self::PlainClient);
        }
        if says("invalid peer certificate") {
            let signed_by_another = says("UnknownIssuer") || says("BadSignature");
            let other = says("not valid for name").then_some(Self::Name);
            return if signed_by_another { Some(Self::Engine) } else { other };
        }
        if says("received fatal alert: CertificateRequired") {
            return Some(Self::Client);
        }
        let refusals =
            ["UnknownCA", "DecryptError", "BadCertificate", "CertificateUnknown", "CertificateExpired"];
        if refusals.iter().any(|alert| says(&format!("received fatal alert: {alert}"))) {
            return Some(Self::Refused);
        }
        says("InvalidContentType").then_some(Self::PlainEngine)
    }
}

/// What was said about TLS, in words that name what is wrong first.
pub(super) fn in_words(endpoint: &Endpoint, said: &str) -> Option<String> {
    let words = match Trouble::of(endpoint, said)? {
        Trouble::Engine => "the engine's certificate is not one that ca.pem vouches for",
        Trouble::Name => "the engine's certificate is for another name",
        Trouble::Client => "the engine asks for a client certificate, and none was sent",
        Trouble::Refused => "the engine refuses the client certificate in cert.pem",
        Trouble::PlainEngine => "TLS is asked for, and what answers there does not speak it",
        Trouble::PlainClient => "what answers there does not speak plain HTTP",
    };
    // What the HTTP library adds before its cause says nothing to a reader.
    let cause = said.rsplit("(SendRequest): ").next().unwrap_or(said);
    Some(format!("{words} ({cause})"))
}

/// What to do about it.
pub(super) fn hint(endpoint: &Endpoint, said: &str) -> Option<String> {
    let trouble = Trouble::of(endpoint, said);
    if trouble == Some(Trouble::PlainClient) {
        return Some("if the engine wants TLS: DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH=FOLDER with its ca.pem and your cert.pem and key.pem".into());
    }
    let files = endpoint.tls.as_ref()?;
    let shown = |path: &std::path::Path| path.display().to_string();
    let paths = [&files.ca, &files.cert, &files.key];
    let missing: Vec<String> = paths.iter().filter(|path| !path.exists()).map(|path| shown(path)).collect();
    if !missing.is_empty() {
        return Some(format!(
            "not there: {}; DOCKER_CERT_PATH names the folder with ca.pem, cert.pem and key.pem",
            missing.join(", ")
        ));
    }
    Some(match trouble? {
        Trouble::Engine => {
            format!("put the certificate of the authority that signed the engine's into {}", shown(&files.ca))
        }
        Trouble::Name => "call the engine in DOCKER_HOST by a name that its certificate has".into(),
        Trouble::Client | Trouble::Refused => format!(
            "put a certificate that the engine's authority signed into {}, and its key into {}",
            shown(&files.cert),
            shown(&files.key)
        ),
        Trouble::PlainEngine => {
            "unset DOCKER_TLS_VERIFY, or name the port where the engine speaks TLS (by custom 2376)".into()
        }
        Trouble::PlainClient => return None,
    })
}
