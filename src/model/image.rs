//! Image references.

use std::fmt;
use std::str::FromStr;

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an image reference; write name, name:tag or name@sha256:digest")]
pub struct InvalidImageRef(pub String);

/// `name[:tag][@digest]` by the rule of the distribution project's `reference` package, or a bare
/// `sha256:<64 hex>`, which names a local image by its id. Without tag and digest, `:latest` is
/// what it means, and what it is shown as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef(String);

impl ImageRef {
    /// The reference as text, with its tag, digest or id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The latest of a name of lower-case letters.
    #[must_use]
    pub fn latest(name: &'static str) -> Self {
        Self(format!("{name}:latest"))
    }

    /// Whether the reference can only ever mean one image.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.0.contains("@sha256:") || self.0.starts_with("sha256:")
    }
}

impl FromStr for ImageRef {
    type Err = InvalidImageRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || InvalidImageRef(text.to_owned());
        if let Some(id) = text.strip_prefix("sha256:") {
            return if is_digest(id) { Ok(Self(text.to_owned())) } else { Err(wrong()) };
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|d| !d.strip_prefix("sha256:").is_some_and(is_digest)) {
            return Err(wrong());
        }
        // A colon before the last slash belongs to the registry's port.
        let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_end..].split_once(':') {
            Some((last, tag)) => (&rest[..name_end + last.len()], Some(tag)),
            None => (rest, None),
        };
        if name.len() > 255 || !is_name(name) || tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong());
        }
        Ok(Self(if tag.is_none() && digest.is_none() { format!("{text}:latest") } else { text.to_owned() }))
    }
}

fn is_digest(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_name(name: &str) -> bool {
    let mut parts = name.split('/').peekable();
    let first = *parts.peek().unwrap_or(&"");
    if name.contains('/') && (first.contains(['.', ':']) || first == "localhost") {
        parts.next();
        let (host, port) = first.split_once(':').unwrap_or((first, "1"));
        let edge = |c: char| c.is_ascii_alphanumeric();
        let host_ok = host.starts_with(edge)
            && host.ends_with(edge)
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if !host_ok || port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    parts.all(is_component)
}

fn is_component(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(edge)
        && part.ends_with(edge)
        && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_docker_accepts_are_accepted() {
        let digest = "a".repeat(64);
        for text in [
            "mcp-orchestrator:latest".to_owned(),
            "localhost:5000/a/b:1.2".to_owned(),
            "example.org/team/x_y.z".to_owned(),
            format!("x@sha256:{digest}"),
            format!("sha256:{digest}"),
        ] {
            assert!(text.parse::<ImageRef>().is_ok(), "{text}");
        }
        assert_eq!("x".parse::<ImageRef>().map(|r| r.to_string()).as_deref(), Ok("x:latest"));
    }

    #[test]
    fn references_that_docker_refuses_are_refused() {
        for text in [
            "",
            "UPPER",
            "a b",
            "a:",
            "a:b:c",
            "-a",
            "a//b",
            "x@sha256:12",
            "a\nb",
            "../x",
            "-.a/b",
            "a:t\"ag",
            "sha256:zz",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
