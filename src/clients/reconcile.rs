//! From what is at a path to what should be, in the fewest edits: what is right already, and what is
//! not ours within an entry, is not touched.

use super::error::EditError;
use super::language::Language;
use super::node::Step;
use super::value::Value;

/// More edits than any entry has members: a bound for a bug, not for anybody's file.
const MAX_EDITS: usize = 200;

enum Edit {
    Set(Vec<Step>, Value),
    Remove(Vec<Step>),
}

/// The text in which `wanted` is at `path`; `stale` names what of the old value has to go.
pub(super) fn reconcile(
    language: Language,
    text: &str,
    path: &[Step],
    wanted: &Value,
    stale: &dyn Fn(&Value) -> Option<Vec<Step>>,
) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for _ in 0..MAX_EDITS {
        let root = language.read(&text)?;
        let found = root.at(path).map(super::node::Node::value);
        let edit = match &found {
            Some(found @ Value::Map(_)) if !found.is_empty() => {
                let gone = || stale(found).map(|below| Edit::Remove([path, &below].concat()));
                difference(path, found, wanted).or_else(gone)
            }
            _ => Some(Edit::Set(path.to_vec(), wanted.clone())),
        };
        text = match edit {
            None => return Ok(text),
            Some(Edit::Set(path, value)) => language.set(&text, &path, &value)?,
            Some(Edit::Remove(path)) => language.remove(&text, &path)?,
        };
    }
    Err(EditError::Bug { name: super::node::shown(path), what: "it does not come to rest" })
}

fn difference(path: &[Step], found: &Value, wanted: &Value) -> Option<Edit> {
    wanted.members().iter().find_map(|(key, wanted)| {
        let path = [path, &[Step::key(key)]].concat();
        match found.get(key) {
            Some(found) if found.clone().sorted() == wanted.clone().sorted() => None,
            Some(found @ Value::Map(_)) if !found.is_empty() && matches!(wanted, Value::Map(_)) => {
                difference(&path, found, wanted)
            }
            _ => Some(Edit::Set(path, wanted.clone())),
        }
    })
}
