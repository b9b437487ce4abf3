//! What the value of a setting can be, and whether a text is one.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::settings::UNLIMITED;
use super::shape::{
    duration, is_clean_absolute, is_host, is_inner, is_object_name, is_origin, is_variable, shown,
};
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

#[cfg(test)]
#[path = "kind_tests.rs"]
mod tests;
