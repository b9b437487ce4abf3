//! What a client asks its user for: described in the file, once, as long as an entry refers to it.

use super::change::Located;
use super::error::EditError;
use super::node::{Data, Node, Step};
use super::remote::Reference;
use super::shape::variable;
use super::splice::spot;
use super::value::Value;

const LIST: &str = "inputs";

/// The text with an input for what the entry refers to, and without one that nothing refers to now.
pub(super) fn settled(before: &Located<'_>, text: String) -> Result<String, EditError> {
    if !asks(before) {
        return Ok(text);
    }
    let language = before.client.language;
    let root = language.read(&text)?;
    let after = Located::of(before.client, &text, &root, before.name)?;
    let (old, new) = (reference(before), reference(&after));
    let list = root.at(&[Step::key(LIST)]);
    let at = |id: &str| {
        list.and_then(|list| {
            list.items().iter().position(|item| item.value().get("id") == Some(&Value::text(id)))
        })
    };
    if let Some(list) = list.filter(|list| !matches!(list.data, Data::List(_)) && !list.is_empty())
        && new.is_some()
    {
        let spot = spot(&text, list.span.start);
        return Err(EditError::WrongKind { place: LIST.to_owned(), expected: "a list", spot });
    }
    // What is not as we write it is the user's own.
    let ours = |at: &usize| {
        let item = list.and_then(|list| list.items().get(*at)).map(Node::value);
        item.is_some_and(|item| is_ours(&item, before.name))
    };
    if let Some(id) = old.filter(|old| Some(old) != new.as_ref())
        && let Some(at) = at(&id).filter(ours)
        && !root.value().mentions(&format!("${{input:{id}}}"))
    {
        let text = language.remove(&text, &[Step::key(LIST), Step::At(at)])?;
        return settled(before, text);
    }
    if let Some(id) = new
        && at(&id).is_none()
    {
        let end = list.map_or(0, |list| list.items().len());
        return language.set(&text, &[Step::key(LIST), Step::At(end)], &input(&id, before.name));
    }
    Ok(text)
}

/// A document without the inputs that only the entry refers to.
pub(super) fn without_ours(place: &Located<'_>, whole: &mut Value) {
    let Value::Map(members) = whole else { return };
    if !asks(place) {
        return;
    }
    let rest = Value::Map(members.clone());
    for (_, list) in members.iter_mut().filter(|(key, _)| key == LIST) {
        if let Value::List(items) = list {
            items.retain(|item| {
                let id = item.get("id").and_then(Value::as_text).filter(|_| is_ours(item, place.name));
                id.is_none_or(|id| rest.mentions(&format!("${{input:{id}}}")))
            });
        }
    }
    members.retain(|(key, list)| key != LIST || !list.is_empty());
}

fn asks(place: &Located<'_>) -> bool {
    place.variant.shape.url.is_some_and(|remote| remote.bearer == Reference::Input)
}

fn reference(place: &Located<'_>) -> Option<String> {
    let launch = place.found.as_ref().and_then(|found| place.variant.shape.read(found));
    launch.as_ref().and_then(variable).map(str::to_owned)
}

fn is_ours(item: &Value, name: &str) -> bool {
    let id = item.get("id").and_then(Value::as_text).unwrap_or_default();
    item.clone().sorted() == input(id, name).sorted()
}

fn input(id: &str, name: &str) -> Value {
    let member = |key: &str, value: Value| (key.to_owned(), value);
    Value::Map(vec![
        member("type", Value::text("promptString")),
        member("id", Value::text(id)),
        member("description", Value::Text(format!("The bearer token of {name}"))),
        member("password", Value::Bool(true)),
    ])
}
