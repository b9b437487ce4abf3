//! What a request is called in the log and in its answer.

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::trace::random;

/// Where a request is given its name, and an answer says it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that a client may give, in bytes.
const ID_BYTES: usize = 64;
/// What a name of our own is made of, in bytes.
const RANDOM_BYTES: usize = 8;

/// A short word of letters, digits and `-._`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    bytes: [u8; ID_BYTES],
    length: usize,
}

impl RequestId {
    /// The client's, where it gave one that is safe to repeat; else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            (1..=ID_BYTES).contains(&id.len()) && id.bytes().all(plain)
        });
        let (mut bytes, mut made) = ([0; ID_BYTES], [0; 2 * RANDOM_BYTES]);
        let id = given.map_or_else(
            || {
                HEXLOWER.encode_mut(&random().to_be_bytes(), &mut made);
                &made[..]
            },
            str::as_bytes,
        );
        bytes[..id.len()].copy_from_slice(id);
        Self { bytes, length: id.len() }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }

    /// As a header says it.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.bytes[..self.length]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(id.as_bytes()).expect("a value"));
        RequestId::of(&headers).as_str() == id
    }

    #[test]
    fn a_short_word_of_the_client_s_is_taken_and_everything_else_replaced() {
        for id in ["a", "7b4c-1.x_Y", &"a".repeat(ID_BYTES)] {
            assert!(given(id), "{id}");
        }
        for id in ["", "a b", "a=b", "\"", "a,b", "é", &"a".repeat(ID_BYTES + 1)] {
            assert!(!given(id), "{id}");
        }
        let made = RequestId::of(&HeaderMap::new());
        assert!(made.as_str().len() == 16 && made != RequestId::of(&HeaderMap::new()));
    }
}
