//! Whom a client certificate names. Pure; the certificate has been verified before.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// The longest name, in bytes; RFC 5280 allows 64 characters for a common name.
const NAME_BYTES: usize = 256;
/// `id-at-commonName`, 2.5.4.3, as DER.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTF8String`, `PrintableString`, `IA5String`: those whose bytes are UTF-8.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The subject's common name, where there is exactly one; else the first DNS name or URI; else the
/// certificate's SHA-256.
pub(crate) fn name_of(certificate: &CertificateDer<'_>) -> String {
    let named = EndEntityCert::try_from(certificate).ok().and_then(|parsed| {
        let common = common_name(parsed.subject());
        let other = || parsed.valid_dns_names().chain(parsed.valid_uri_names()).find(|name| is_name(name));
        common.or_else(other).map(str::to_owned)
    });
    named.unwrap_or_else(|| {
        let digest = Sha256::digest(certificate.as_ref());
        digest.iter().fold("sha256:".to_owned(), |mut hex, byte| {
            // A string takes whatever is written.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    })
}

/// The one common name in a `RDNSequence`'s content (RFC 5280 §4.1.2.4).
fn common_name(mut subject: &[u8]) -> Option<&str> {
    let mut found = None;
    while !subject.is_empty() {
        let (mut set, rest) = value(subject, SET)?;
        subject = rest;
        while !set.is_empty() {
            let (attribute, rest) = value(set, SEQUENCE)?;
            set = rest;
            let (kind, text) = value(attribute, OBJECT_IDENTIFIER)?;
            if kind != COMMON_NAME {
                continue;
            }
            let text = TEXTS.iter().find_map(|&tag| value(text, tag))?.0;
            let name = str::from_utf8(text).ok().filter(|name| is_name(name))?;
            if found.replace(name).is_some() {
                return None;
            }
        }
    }
    found
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control)
}

/// The content of the DER value with this tag at the beginning, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&seen, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // A length of one byte, or of one or two bytes behind their count: no name is longer.
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&low, rest)| (usize::from(low), rest))?,
        0x82 => {
            rest.split_first_chunk().map(|(&wide, rest)| (usize::from(u16::from_be_bytes(wide)), rest))?
        }
        _ => return None,
    };
    if seen == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn named(common: &[&str], others: &[&str]) -> String {
        let mut params =
            CertificateParams::new(others.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
                .expect("names");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "of an organization".repeat(9));
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let key = KeyPair::generate().expect("a key");
        name_of(params.self_signed(&key).expect("a certificate").der())
    }

    #[test]
    fn the_common_name_comes_before_the_first_other_name() {
        assert_eq!(named(&["älice"], &["alice.example"]), "älice");
        assert_eq!(named(&[], &["alice.example", "b.example"]), "alice.example");
    }

    #[test]
    fn a_common_name_that_is_none_does_not_count() {
        let long = "x".repeat(NAME_BYTES + 1);
        for common in ["", "a\nb", long.as_str()] {
            assert_eq!(named(&[common], &["alice.example"]), "alice.example", "{common:?}");
        }
    }

    #[test]
    fn a_certificate_without_names_is_known_by_its_digest() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().expect("a key");
        let nameless = name_of(params.self_signed(&key).expect("a certificate").der());
        assert!(nameless.starts_with("sha256:") && nameless.len() == 71, "{nameless}");
        params.subject_alt_names = vec![SanType::URI("spiffe://a/b".try_into().expect("a URI"))];
        assert_eq!(name_of(params.self_signed(&key).expect("a certificate").der()), "spiffe://a/b");
    }

    #[test]
    fn bytes_that_are_no_name_have_none() {
        let attribute = [0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, b'a'];
        let one = [&[SET, 10][..], &attribute].concat();
        assert_eq!(common_name(&one), Some("a"));
        assert_eq!(common_name(&[one.as_slice(), &one].concat()), None, "two are none");
        for cut in 0..one.len() {
            assert_eq!(common_name(&one[..cut]), None, "{cut}");
        }
    }
}
