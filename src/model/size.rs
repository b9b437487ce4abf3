//! Sizes and shares: memory in bytes, processors in billionths.

use std::fmt;
use std::str::FromStr;

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSize {
    /// Neither a number nor a number with a unit.
    #[error("{0:?} is not a size; write a number and a unit, such as 512m or 2g")]
    NotASize(String),
    /// Neither a number nor a decimal fraction.
    #[error("{0:?} is not a number of processors; write a number such as 2 or 0.5")]
    NotCpus(String),
    /// Larger than the engine's field can hold.
    #[error("{0} is larger than any machine")]
    TooLarge(String),
}

/// A number of bytes, spelt as Docker spells it: `b`, `k`, `m`, `g`, `t` are powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The number as the engine's API takes it.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl FromStr for Bytes {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidSize::NotASize(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
        let (number, unit) = lower.split_at(digits);
        let shift = match unit.trim_start() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(wrong()),
        };
        if number.is_empty() {
            return Err(wrong());
        }
        let too_large = || InvalidSize::TooLarge(text.to_owned());
        let number: u64 = number.parse().map_err(|_| too_large())?;
        let bytes = number.checked_mul(1 << shift).ok_or_else(too_large)?;
        if i64::try_from(bytes).is_err() {
            return Err(too_large());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "t"), (30, "g"), (20, "m"), (10, "k")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}b", self.0)
    }
}

/// A share of the machine's processors, in billionths of one (the engine's `NanoCpus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(pub u64);

impl Cpus {
    const ONE: u64 = 1_000_000_000;

    /// Whole processors.
    #[must_use]
    pub const fn whole(count: u64) -> Self {
        Self(count * Self::ONE)
    }

    /// The number as the engine's API takes it.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl FromStr for Cpus {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidSize::NotCpus(text.to_owned());
        let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        let too_large = |_| InvalidSize::TooLarge(text.to_owned());
        let whole: u32 = whole.parse().map_err(too_large)?;
        let fraction: u64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
        Ok(Self(u64::from(whole) * Self::ONE + fraction))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::ONE, self.0 % Self::ONE);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:09}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_docker_reads_them() {
        for (text, bytes) in
            [("2g", 2 << 30), ("512M", 512 << 20), ("64 MiB", 64 << 20), ("1k", 1024), ("7", 7)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_and_named() {
        for text in ["", "g", "-1", "2 gigs", "1.5g", "99999999999t", "18446744073709551615"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_its_largest_exact_unit() {
        for (bytes, text) in [(2 << 30, "2g"), (1536 << 20, "1536m"), (1025, "1025b"), (0, "0b")] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn processors_keep_their_fraction() {
        for (text, nano, shown) in
            [("2.0", 2_000_000_000, "2"), ("0.5", 500_000_000, "0.5"), ("1.25", 1_250_000_000, "1.25")]
        {
            let cpus: Cpus = text.parse().expect(text);
            assert_eq!((cpus.0, cpus.to_string().as_str()), (nano, shown));
        }
        for text in ["", ".5", "two", "1.0000000001", "-1", "1e3"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }
}
