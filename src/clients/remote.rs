//! How an entry names an address, and the token for it.

use super::entry::{Bearer, Launch};
use super::error::EditError;
use super::node::Step;
use super::value::Value;
use crate::model::Secret;

#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    /// A key and what it says, where the transport is named.
    pub(super) kind: Option<(&'static str, &'static str)>,
    pub(super) url: &'static str,
    /// The path of the map of headers.
    pub(super) headers: &'static [&'static str],
    pub(super) bearer: Reference,
}

/// How a token that is elsewhere is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// In no way.
    None,
    /// In the header, between these.
    Text(&'static str, &'static str),
    /// In the header, between these; and the name again in a list under this key.
    Listed(&'static str, &'static str, &'static str),
    /// By its name under a key of its own.
    Key(&'static str),
    /// In the header, as an input that the client asks for, which the file describes.
    Input,
}

const HEADER: &str = "Authorization";
const SCHEME: &str = "Bearer ";

impl Reference {
    fn around(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Text(before, after) | Self::Listed(before, after, _) => Some((before, after)),
            Self::Input => Some(("${input:", "}")),
            Self::None | Self::Key(_) => None,
        }
    }
}

impl Remote {
    pub(super) fn takes_variable(self) -> bool {
        self.bearer != Reference::None
    }

    /// Whether what is named is a variable of the client's environment, and not a secret that only it has.
    pub(super) fn reads_environment(self) -> bool {
        match self.bearer {
            Reference::Key(_) => true,
            Reference::Text(before, _) | Reference::Listed(before, _, _) => !before.contains("secrets"),
            Reference::None | Reference::Input => false,
        }
    }

    pub(super) fn write(
        self,
        url: &str,
        bearer: Option<&Bearer>,
        client: &'static str,
    ) -> Result<Vec<(String, Value)>, EditError> {
        let kind = self.kind.map(|(key, kind)| (key.to_owned(), Value::text(kind)));
        let mut out: Vec<_> = kind.into_iter().chain([(self.url.to_owned(), Value::text(url))]).collect();
        let token = match (bearer, self.bearer) {
            (None, _) => return Ok(out),
            (Some(Bearer::Literal(token)), _) => token.expose().to_owned(),
            (Some(Bearer::Variable(name)), Reference::Key(key)) => {
                out.push((key.to_owned(), Value::text(name)));
                return Ok(out);
            }
            (Some(Bearer::Variable(name)), reference) => {
                let (before, after) = reference.around().ok_or(EditError::NoVariable { client })?;
                if let Reference::Listed(_, _, key) = reference {
                    out.push((key.to_owned(), Value::texts(std::slice::from_ref(name))));
                }
                format!("{before}{name}{after}")
            }
        };
        let header = Value::Map(vec![(HEADER.to_owned(), Value::Text(format!("{SCHEME}{token}")))]);
        let headers = self
            .headers
            .iter()
            .skip(1)
            .rev()
            .fold(header, |inner, key| Value::Map(vec![((*key).to_owned(), inner)]));
        out.extend(self.headers.first().map(|key| ((*key).to_owned(), headers)));
        Ok(out)
    }

    pub(super) fn read(self, entry: &Value) -> Option<Launch> {
        let url = entry.get(self.url)?.as_text()?.to_owned();
        if let Reference::Key(key) = self.bearer
            && let Some(name) = entry.get(key).and_then(Value::as_text)
        {
            return Some(Launch::Url { url, bearer: Some(Bearer::Variable(name.to_owned())) });
        }
        let headers = self.headers.iter().try_fold(entry, |value, key| value.get(key));
        let header = headers.map_or(&[][..], Value::members).iter();
        let header =
            header.filter(|(name, _)| name.eq_ignore_ascii_case(HEADER)).find_map(|(_, v)| v.as_text());
        let token = header.and_then(|value| value.strip_prefix(SCHEME));
        let bearer = token.map(|token| {
            let around = self.bearer.around();
            let name = around.and_then(|(before, after)| token.strip_prefix(before)?.strip_suffix(after));
            name.map_or_else(|| Bearer::Literal(Secret::new(token)), |name| Bearer::Variable(name.to_owned()))
        });
        Some(Launch::Url { url, bearer })
    }

    /// The path of something that an earlier launch left and this one has not.
    pub(super) fn stale(self, found: &Value, wanted: &Value, stays: bool) -> Option<Vec<Step>> {
        let own = match self.bearer {
            Reference::Key(key) | Reference::Listed(_, _, key) => Some(key),
            _ => None,
        };
        let keys = own.into_iter().chain((!stays).then_some(self.url));
        let keys = keys.chain((!stays).then(|| self.headers.first().copied()).flatten());
        for key in keys {
            if found.get(key).is_some() && wanted.get(key).is_none() {
                return Some(vec![Step::key(key)]);
            }
        }
        let at = |value| self.headers.iter().try_fold(value, |value: &Value, key| value.get(key));
        let (headers, wanted) = (at(found)?, at(wanted));
        let gone = headers.members().iter().map(|(name, _)| name).find(|name| {
            name.eq_ignore_ascii_case(HEADER) && wanted.is_none_or(|wanted| wanted.get(name).is_none())
        })?;
        let mut path: Vec<Step> = self.headers.iter().map(|key| Step::key(key)).collect();
        if headers.members().len() > 1 || wanted.is_some() {
            path.push(Step::key(gone));
        }
        Some(path)
    }
}
