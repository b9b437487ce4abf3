//! What the value of a setting can be, and whether a text is one.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::settings::UNLIMITED;
use super::stack::Protection;
use super::suggest::nearest;
use crate::model::{Bytes, Cpus, ImageRef, ProjectName, User};

/// What the value of a setting can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that is not empty, on one line.
    Text,
    /// Any text that a variable can hold. Never shown.
    Value,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A number of bytes.
    Size {
        /// The least, in bytes.
        min: u64,
    },
    /// A number of processors, with a fraction.
    Cpus,
    /// A span of time.
    Duration {
        /// The shortest, in seconds.
        min: u64,
        /// The longest, in seconds.
        max: u64,
    },
    /// What another kind says, or `unlimited`.
    Limit(&'static Self),
    /// An image reference.
    Image,
    /// An IP address.
    Address,
    /// A user by number.
    User,
    /// A project's name.
    Project,
    /// The name of an environment variable.
    Variable,
    /// A path on the host.
    HostPath,
    /// A relative path that stays within its folder.
    InnerPath,
    /// An absolute path in a container.
    ContainerPath,
    /// Options of a mount, separated by commas.
    MountOptions,
    /// The name of a volume.
    Volume,
    /// `private`, `none`, or the name of a network.
    Network,
    /// The origin of a web page.
    Origin,
    /// A host's name, with or without a port.
    Host,
    /// One of a list of words.
    Word(Word),
    /// A list.
    List(&'static Self),
    /// A map.
    Map {
        /// What its keys can be.
        key: &'static Self,
        /// What its values can be.
        value: &'static Self,
    },
}

/// Lists of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A Linux capability, with or without `CAP_`.
    Capability,
    /// What an engine may be unable to enforce.
    Protection,
}

/// Every capability of Linux 6.x, in order of its number (`linux/capability.h`).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl Word {
    /// The words, as they are spelt in `mcpo.yaml`.
    #[must_use]
    pub(super) fn all(self) -> Vec<&'static str> {
        match self {
            Self::Capability => CAPABILITIES.to_vec(),
            Self::Protection => Protection::ALL.iter().map(|(name, _)| *name).collect(),
        }
    }
}

/// Why a text is no value of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, suggestion: None }
    }
}

/// The longest text of a kind that has a syntax, in bytes; beyond it the value is not looked at.
const MAX_TEXT: usize = 4096;

impl Kind {
    /// Checks a text and returns it as it is shown and read on: `2048m` becomes `2g`.
    pub(super) fn check(&self, text: &str) -> Result<String, Fault> {
        if matches!(self, Self::Value) {
            return if text.contains('\0') {
                Err("must not contain a NUL character".to_owned().into())
            } else {
                Ok(text.to_owned())
            };
        }
        if text.len() > MAX_TEXT {
            return Err(format!("must not be longer than {MAX_TEXT} bytes").into());
        }
        if let Self::Word(word) = self {
            return one_of(*word, text);
        }
        if let Self::Limit(inner) = self {
            return if text == UNLIMITED {
                Ok(text.to_owned())
            } else {
                inner.check(text).map_err(|mut fault| {
                    if !fault.message.starts_with("must be at") {
                        let _ = write!(fault.message, "; or write `{UNLIMITED}`");
                    }
                    fault
                })
            };
        }
        self.read(text).map_err(Fault::from)
    }

    fn read(&self, text: &str) -> Result<String, String> {
        let wrong = || format!("must be {}, not {}", self.what(), shown(text));
        let when = |valid: bool| if valid { Ok(text.to_owned()) } else { Err(wrong()) };
        match self {
            Self::Flag => when(matches!(text, "true" | "false")),
            Self::Number { min, max } => match text.parse::<u32>() {
                Ok(number) if (*min..=*max).contains(&number) && !text.starts_with('+') => {
                    Ok(number.to_string())
                }
                _ => Err(wrong()),
            },
            Self::Size { min } => {
                let size: Bytes = text.parse().map_err(|_| wrong())?;
                at_least(size >= Bytes(*min), &binary(*min), text).map(|()| size.to_string())
            }
            Self::Cpus => {
                let cpus: Cpus = text.parse().map_err(|_| wrong())?;
                at_least(cpus >= LEAST_CPUS, &LEAST_CPUS.to_string(), text).map(|()| cpus.to_string())
            }
            Self::Duration { min, max } => {
                let Some(span) = duration(text) else { return Err(wrong()) };
                at_least(span >= Duration::from_secs(*min), &spelt(*min), text)?;
                if span > Duration::from_secs(*max) {
                    return Err(format!("must be at most {}, not {}", spelt(*max), shown(text)));
                }
                Ok(text.to_owned())
            }
            // No registry is called `..`: this is a path at the wrong key.
            Self::Image if text.starts_with('.') => Err(wrong()),
            Self::Image => text.parse().map(|image: ImageRef| image.to_string()).map_err(|_| wrong()),
            Self::Address => text.parse().map(|address: IpAddr| address.to_string()).map_err(|_| wrong()),
            Self::User => text.parse().map(|user: User| user.to_string()).map_err(|_| wrong()),
            Self::Project => text.parse().map(|name: ProjectName| name.to_string()).map_err(|_| wrong()),
            Self::Text | Self::HostPath => when(!text.trim().is_empty() && !text.contains(char::is_control)),
            Self::Variable => when(is_variable(text)),
            Self::InnerPath => when(is_inner(text)),
            Self::ContainerPath => when(is_clean_absolute(text)),
            Self::MountOptions => {
                when(text.chars().all(|c| c.is_ascii_alphanumeric() || "=,-_%.:".contains(c)))
            }
            Self::Network if text == "host" || text.starts_with("container:") => {
                Err(format!("must not be {}: it would give the isolation of the network away", shown(text)))
            }
            Self::Volume | Self::Network => when(is_object_name(text)),
            Self::Origin => when(is_origin(text)),
            Self::Host => when(is_host(text)),
            Self::Value | Self::Word(_) | Self::Limit(_) | Self::List(_) | Self::Map { .. } => Err(wrong()),
        }
    }

    /// What a value must be, in words that follow "must be".
    #[must_use]
    pub(super) fn what(&self) -> String {
        match self {
            Self::Text => "text on one line".to_owned(),
            Self::Value => "text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Size { .. } => "a size, such as 512m or 2g".to_owned(),
            Self::Cpus => "a number of processors, such as 2 or 0.5".to_owned(),
            Self::Duration { .. } => "a span of time, such as 30s, 5m or 2h".to_owned(),
            Self::Limit(inner) => format!("{}, or `{UNLIMITED}`", inner.what()),
            Self::Image => "an image reference (name, name:tag or name@sha256:digest)".to_owned(),
            Self::Address => "an IP address, such as 127.0.0.1 or ::1".to_owned(),
            Self::User => "a user by number (uid or uid:gid, such as 65532:65532)".to_owned(),
            Self::Project => {
                "a project name (lower-case letters, digits, - and _, first a letter or digit, at most 63)"
                    .to_owned()
            }
            Self::Variable => "the name of a variable (letters, digits and _, first no digit)".to_owned(),
            Self::HostPath => "a path".to_owned(),
            Self::InnerPath => "a relative path within the context, without `..`".to_owned(),
            Self::ContainerPath => {
                "an absolute path below `/`, without `.`, `..`, `:`, `,` or a slash at its end".to_owned()
            }
            Self::MountOptions => "mount options, such as size=64m,mode=1777".to_owned(),
            Self::Volume => "the name of a volume (letters, digits, `_`, `.` and `-`)".to_owned(),
            Self::Network => "private, none, or the name of a network".to_owned(),
            Self::Origin => "an origin, such as https://example.com or http://localhost:3000".to_owned(),
            Self::Host => "a host's name, such as example.com or example.com:8765".to_owned(),
            Self::Word(Word::Capability) => "a Linux capability, such as NET_BIND_SERVICE".to_owned(),
            Self::Word(word) => format!("one of {}", word.all().join(", ")),
            Self::List(inner) => match inner {
                Self::Variable => "a list of names, such as [A_KEY, ANOTHER_KEY]".to_owned(),
                _ => "a list, such as [first, second]".to_owned(),
            },
            Self::Map { value: Self::Value, .. } => {
                "a map of names to values, such as {NAME: value}".to_owned()
            }
            Self::Map { key: Self::ContainerPath, .. } => {
                "a map of paths to mount options, such as {/tmp: \"size=64m\"}".to_owned()
            }
            Self::Map { .. } => "a map of ports to ports, such as {8080: 80}".to_owned(),
        }
    }
}

const LEAST_CPUS: Cpus = Cpus(10_000_000);

fn at_least(holds: bool, least: &str, text: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("must be at least {least}, not {}", shown(text))) }
}

fn one_of(word: Word, text: &str) -> Result<String, Fault> {
    let spelt = match word {
        Word::Capability => text.strip_prefix("CAP_").unwrap_or(text),
        Word::Protection => text,
    };
    let all = word.all();
    if all.contains(&spelt) {
        return Ok(spelt.to_owned());
    }
    Err(Fault {
        message: format!("must be {}, not {}", Kind::Word(word).what(), shown(text)),
        suggestion: nearest(spelt, all).map(str::to_owned),
    })
}

/// A span of time: one or more whole numbers with a unit, `ms`, `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit)?))?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

fn spelt(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s => format!("{s}s"),
    }
}

fn binary(bytes: u64) -> String {
    match bytes {
        b if b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b => format!("{} KiB", b >> 10),
    }
}

/// The name of a variable, as shells and Compose have it.
pub(super) fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_inner(text: &str) -> bool {
    let inner = text.strip_prefix("./").unwrap_or(text);
    !inner.is_empty()
        && !inner.contains(|c: char| c.is_control() || c == '\\')
        && inner.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn is_clean_absolute(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| {
        !rest.contains(|c: char| c.is_control() || matches!(c, ':' | ',' | '\\'))
            && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

/// The rule of the engine for volumes and networks.
fn is_object_name(text: &str) -> bool {
    text.len() >= 2
        && text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
            && is_host(host)
    })
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => return address.parse::<std::net::Ipv6Addr>().is_ok(),
        Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            ("v6", port.strip_prefix(':'))
        }
        Some(_) => return false,
        None => text.split_once(':').map_or((text, Some("1")), |(name, port)| (name, Some(port))),
    };
    let port_ok = port.is_some_and(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    port_ok
        && (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// A value as messages show it: on one line, short, and quoted where it is not a plain word.
pub(super) fn shown(text: &str) -> String {
    const MAX: usize = 60;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '`' | '\\');
    let cut: String = text.chars().take(MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    if !text.is_empty() && cut.chars().all(plain) { format!("{cut}{more}") } else { format!("{cut:?}{more}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Kind = Kind::Size { min: 6 << 20 };
    const SPAN: Kind = Kind::Duration { min: 1, max: 86_400 };

    #[test]
    fn a_good_value_is_kept_in_one_spelling() {
        for (kind, text, read) in [
            (SIZE, "2048M", "2g"),
            (Kind::Limit(&SIZE), "unlimited", "unlimited"),
            (Kind::Cpus, "2.0", "2"),
            (SPAN, "1m30s", "1m30s"),
            (Kind::Number { min: 1, max: 65_535 }, "08765", "8765"),
            (Kind::Word(Word::Capability), "CAP_NET_RAW", "NET_RAW"),
            (Kind::Image, "python", "python:latest"),
            (Kind::User, "1000", "1000:1000"),
            (Kind::Origin, "http://localhost:3000", "http://localhost:3000"),
            (Kind::Origin, "https://[::1]:8443", "https://[::1]:8443"),
            (Kind::ContainerPath, "/app/logs", "/app/logs"),
            (Kind::InnerPath, "./docker/Dockerfile", "./docker/Dockerfile"),
            (Kind::Value, "", ""),
        ] {
            assert_eq!(kind.check(text).as_deref(), Ok(read), "{text}");
        }
    }

    #[test]
    fn a_bad_value_is_refused_with_what_it_must_be() {
        for (kind, text, message) in [
            (SIZE, "0", "must be at least 6 MiB, not 0"),
            (
                Kind::Limit(&SIZE),
                "lots",
                "must be a size, such as 512m or 2g, not lots; or write `unlimited`",
            ),
            (Kind::Flag, "yes", "must be true or false, not yes"),
            (Kind::Cpus, "0", "must be at least 0.01, not 0"),
            (SPAN, "5", "must be a span of time, such as 30s, 5m or 2h, not 5"),
            (SPAN, "0s", "must be at least 1s, not 0s"),
            (SPAN, "99h", "must be at most 1d, not 99h"),
            (Kind::Number { min: 1, max: 9 }, "+1", "must be a whole number from 1 to 9, not +1"),
            (Kind::Network, "host", "must not be host: it would give the isolation of the network away"),
            (Kind::Text, "", "must be text on one line, not \"\""),
        ] {
            let fault = kind.check(text).map_err(|fault| fault.message);
            assert_eq!(fault, Err(message.to_owned()), "{text}");
        }
        for (kind, texts) in [
            (Kind::ContainerPath, ["/", "tmp", "/a/../b", "/a//b", "/a/", "/a:b", "/a,b"].as_slice()),
            (Kind::InnerPath, &["/Dockerfile", "../Dockerfile", "", "a//b"]),
            (Kind::Origin, &["*", "example.com", "https://x/y", "https://", "https://x:0", "null"]),
            (Kind::Host, &["http://x", "x/y", "x:y", "", "[::1"]),
            (Kind::Variable, &["1A", "A-B", "A B", "", "A=B"]),
            (SPAN, &["", "s", "1y", "1.5s", "-1s", "18446744073709551615d"]),
            (Kind::Value, &["a\0b"]),
            (Kind::MountOptions, &["size=1m;rm", "a b"]),
        ] {
            for text in texts {
                assert!(kind.check(text).is_err(), "{kind:?} {text}");
            }
        }
    }

    #[test]
    fn a_misspelt_capability_is_answered_with_the_nearest() {
        let fault = Kind::Word(Word::Capability).check("NET_BIND_SERVCE");
        assert_eq!(fault.map_err(|fault| fault.suggestion), Err(Some("NET_BIND_SERVICE".to_owned())));
    }

    #[test]
    fn a_long_or_strange_value_is_cut_and_quoted() {
        assert_eq!(shown("a b\n"), "\"a b\\n\"");
        assert_eq!(shown(&"x".repeat(100)), format!("{}…", "x".repeat(60)));
        assert!(Kind::Image.check(&"x".repeat(MAX_TEXT + 1)).is_err());
    }
}
