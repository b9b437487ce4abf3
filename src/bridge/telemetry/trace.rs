//! W3C trace context and baggage, as a request's headers carry them. Pure.
//!
//! Follows W3C Trace Context (Recommendation, 2021) and W3C Baggage. What is not valid is as good as not
//! sent; a `tracestate` without a valid `traceparent` means nothing.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use http::{HeaderMap, HeaderName};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The longest `tracestate` that is passed on, in bytes: what the recommendation asks for (§3.3.1.5).
const STATE_BYTES: usize = 512;
/// The longest `baggage` that is passed on, in bytes: what its document asks for (§3.3.2).
const BAGGAGE_BYTES: usize = 8192;
/// The length of a `traceparent` of version 00.
const PARENT_BYTES: usize = 55;
const SAMPLED: u8 = 1;

/// A place in a trace: whose work this is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    flags: u8,
}

/// Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

/// Shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanId(u64);

impl Parent {
    /// Reads a `traceparent`. Of versions to come the part is read that this one knows (§3.2.4).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let known = text.get(..PARENT_BYTES)?;
        let rest = &text[PARENT_BYTES..];
        let mut fields = known.split('-');
        let version = hex(fields.next()?, 2)?;
        let trace = hex(fields.next()?, 32)?;
        let span = u64::try_from(hex(fields.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(fields.next()?, 2)?).ok()?;
        let fits = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        let valid = fits && version != 0xff && trace != 0 && span != 0 && fields.next().is_none();
        // A flag of a version to come is not ours to pass on.
        let flags = if version == 0 { flags } else { flags & SAMPLED };
        valid.then_some(Self { trace: TraceId(trace), span: SpanId(span), flags })
    }

    /// The beginning of a trace that nobody else is part of yet.
    pub(crate) fn begin() -> Self {
        let trace = u128::from(random()) << 64 | u128::from(random());
        Self { trace: TraceId(trace), span: SpanId(random()), flags: SAMPLED }
    }

    /// A new place beneath this one.
    pub(crate) fn child(self) -> Self {
        Self { span: SpanId(random()), ..self }
    }

    /// The same trace, at another span.
    pub(crate) fn with_span(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    /// Whether somebody keeps this trace.
    pub(crate) fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a request's headers say of its trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) parent: Option<Parent>,
    pub(crate) state: Option<Box<str>>,
    pub(crate) baggage: Option<Box<str>>,
}

impl Context {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut parents = headers.get_all(PARENT).iter();
        let parent = match (parents.next(), parents.next()) {
            (Some(one), None) => one.to_str().ok().and_then(Parent::parse),
            _ => None,
        };
        Self {
            parent,
            state: parent.and_then(|_| list(headers, &STATE, STATE_BYTES)),
            baggage: list(headers, &BAGGAGE, BAGGAGE_BYTES),
        }
    }

    /// Whether there is nothing to pass on.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A header that may come in several lines, as one; none where it is longer than `most` bytes.
fn list(headers: &HeaderMap, name: &HeaderName, most: usize) -> Option<Box<str>> {
    let mut all = String::new();
    for value in headers.get_all(name) {
        let value = value.to_str().ok()?.trim();
        if all.len() + value.len() + 1 > most {
            return None;
        }
        if !(all.is_empty() || value.is_empty()) {
            all.push(',');
        }
        all.push_str(value);
    }
    (!all.is_empty()).then(|| all.into())
}

/// Lower-case digits of exactly this length.
fn hex(text: &str, length: usize) -> Option<u128> {
    let plain = text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u128::from_str_radix(text, 16).ok() } else { None }
}

/// A number that nobody can guess and that is not 0.
pub(crate) fn random() -> u64 {
    // Keyed from the system's randomness for each thread, and differently each time.
    RandomState::new().build_hasher().finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_parent_is_read_and_written() {
        assert_eq!(Parent::parse(PARENT).expect("a parent").to_string(), PARENT);
        let later = format!("cc{}-more", &PARENT[2..]);
        assert_eq!(Parent::parse(&later).expect("a parent").to_string(), PARENT);
        let unsampled = PARENT.replace("-01", "-00");
        assert!(!Parent::parse(&unsampled).expect("a parent").is_sampled());
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for text in [
            "",
            "00",
            &PARENT[1..],
            &PARENT.to_uppercase(),
            &format!("{PARENT}-00"),
            &format!("ff{}", &PARENT[2..]),
            &format!("01{}x", &PARENT[2..]),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("00f067aa", "+0f067aa"),
            &PARENT.replace('-', "_"),
            &"é".repeat(40),
        ] {
            assert_eq!(Parent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_beginning_and_its_child_are_of_one_trace_and_of_no_other() {
        let begun = Parent::begin();
        let child = begun.child();
        assert_eq!(Parent::parse(&child.to_string()), Some(child));
        assert!(child.trace == begun.trace && child.span != begun.span && child.is_sampled());
        assert_ne!(Parent::begin().trace, begun.trace);
    }

    #[test]
    fn state_means_nothing_without_a_parent_and_baggage_does() {
        let all = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2"), ("baggage", "k=v")];
        let context = Context::read(&headers(&all));
        assert_eq!((context.state.as_deref(), context.baggage.as_deref()), (Some("a=1,b=2"), Some("k=v")));
        let context = Context::read(&headers(&all[1..]));
        assert_eq!((context.parent, context.state, context.baggage.as_deref()), (None, None, Some("k=v")));
        let twice = headers(&[all[0], all[0]]);
        assert!(Context::read(&twice).is_empty());
    }

    #[test]
    fn what_is_longer_than_it_may_be_is_not_passed_on() {
        for (name, most) in [("tracestate", STATE_BYTES), ("baggage", BAGGAGE_BYTES)] {
            let passes = |length: usize| {
                let value = format!("k={}", "v".repeat(length - 2));
                let context = Context::read(&headers(&[("traceparent", PARENT), (name, &value)]));
                context.state.or(context.baggage).is_some()
            };
            assert!(passes(most - 1) && !passes(most), "{name}");
        }
    }
}
