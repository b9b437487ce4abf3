//! The user that a container's processes run as.

use std::fmt;
use std::str::FromStr;

/// Why a text is no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a user; write numbers, uid or uid:gid, such as 65532:65532")]
pub struct InvalidUser(pub String);

/// A user and group by number. Names are refused: what a name means is the image's to say, and
/// the owner of a volume must be known before the image runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl User {
    /// `nonroot` of the distroless images, ours too.
    pub const NONROOT: Self = Self { uid: 65532, gid: 65532 };

    /// Whether this is the superuser.
    #[must_use]
    pub const fn is_root(self) -> bool {
        self.uid == 0
    }
}

impl FromStr for User {
    type Err = InvalidUser;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |_| InvalidUser(text.to_owned());
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !plain(uid) || !plain(gid) {
            return Err(InvalidUser(text.to_owned()));
        }
        Ok(Self { uid: uid.parse().map_err(wrong)?, gid: gid.parse().map_err(wrong)? })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_number_or_two() {
        assert_eq!("1000".parse(), Ok(User { uid: 1000, gid: 1000 }));
        assert_eq!("0:5".parse(), Ok(User { uid: 0, gid: 5 }));
        for text in ["", "root", "1:", ":1", "+1", "99999999999"] {
            assert!(text.parse::<User>().is_err(), "{text}");
        }
    }
}
