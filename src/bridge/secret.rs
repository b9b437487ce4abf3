//! Names that nobody guesses.

use data_encoding::BASE64URL_NOPAD;
use rustix::rand::{GetRandomFlags, getrandom};

const BYTES: usize = 24;

/// 24 bytes of the system's randomness, as visible ASCII; `None` where the system has none.
pub(crate) fn secret() -> Option<String> {
    let mut bytes = [0; BYTES];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty()).ok()?;
    (filled == BYTES).then(|| BASE64URL_NOPAD.encode(&bytes))
}
