//! How a server is entered: in the clear or with TLS, with a token or without.

use std::fmt;
use std::io;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::place::Place;

/// What it takes to be let in. By default nothing. Its `Debug` shows no token.
#[derive(Debug, Clone, Default)]
pub struct Door {
    tls: Option<Arc<ClientConfig>>,
    bearer: Option<HeaderValue>,
}

/// A connection, whatever is beneath it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Stream for T {}

impl Door {
    /// TLS with who has the first certificate of a PEM text, and with nobody else: whatever names,
    /// authorities and dates it has, for it is known as a file of this machine's.
    pub fn with_certificate(self, pem: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Pinned { certificate, provider: Arc::clone(&provider) });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(Self { tls: Some(Arc::new(config)), ..self })
    }

    /// TLS with who has a certificate for the name that was asked for, of an authority that the browsers
    /// trust; unless a certificate was given, which is then the only one that is trusted.
    pub fn with_tls(self) -> Result<Self, String> {
        if self.tls.is_some() {
            return Ok(self);
        }
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: Some(Arc::new(config)), ..self })
    }

    /// In the clear, whatever certificate was given.
    #[must_use]
    pub fn without_tls(self) -> Self {
        Self { tls: None, ..self }
    }

    /// Whether a token is shown.
    #[must_use]
    pub fn shows_token(&self) -> bool {
        self.bearer.is_some()
    }

    /// A bearer token; white space around it does not count.
    pub fn with_bearer(self, token: &str) -> Result<Self, String> {
        let token = token.trim();
        let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        let value = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| plain);
        let mut value = value.ok_or_else(|| "it is not one token and nothing else".to_owned())?;
        value.set_sensitive(true);
        Ok(Self { bearer: Some(value), ..self })
    }

    /// The headers that a request needs.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.bearer.iter().map(|bearer| (AUTHORIZATION, bearer.clone()))
    }

    /// Connects. Without a deadline of its own.
    pub(crate) async fn connect(&self, place: &Place) -> io::Result<Box<dyn Stream>> {
        let tcp = place.connect().await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = place.server_name()?;
                // On the heap, for whoever speaks without TLS carries its size too.
                Box::new(Box::pin(TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await?)
            }
        })
    }
}

/// Trusts one certificate, and asks for proof that its key is there.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_does_not_show() {
        let door = Door::default().with_bearer(" abc\n").expect("a token");
        assert_eq!(door.headers().next().expect("a header").1, "Bearer abc");
        assert!(!format!("{door:?}").contains("abc"), "{door:?}");
        for words in ["", " \n", "a b", "a\nb", "ü"] {
            assert!(Door::default().with_bearer(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_told() {
        assert!(Door::default().with_certificate(b"no PEM").is_err());
    }
}
