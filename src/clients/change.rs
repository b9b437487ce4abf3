//! One entry of a client's file, put, taken out or read. Text in, text out.

use super::entry::{Deployment, Entry, Launch, is_of_our_making, is_ours};
use super::error::EditError;
use super::inputs;
use super::language::Language;
use super::node::{Data, Node, Step, shown};
use super::reconcile::reconcile;
use super::splice::spot;
use super::table::{Client, Variant};
use super::value::Value;

/// What is to be done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An entry is to be there as it is.
    Put {
        /// The entry.
        entry: Entry,
        /// Whose it is: one that names another deployment is not ours.
        this: Deployment,
        /// Whether it replaces one of that name that is not ours.
        force: bool,
    },
    /// No entry of that name is to be there.
    Remove {
        /// The name.
        name: String,
        /// What we would write today, if that is known: an address is ours only by this.
        ours: Option<Launch>,
        /// Whose it would be: one that names another deployment is not ours.
        this: Deployment,
        /// Whether one that is not ours goes as well.
        force: bool,
    },
}

impl Change {
    /// The name of the entry.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Put { entry, .. } => &entry.name,
            Self::Remove { name, .. } => name,
        }
    }
}

/// What an edit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The entry was not there.
    Added,
    /// The entry was there, and another.
    Updated,
    /// The entry is gone.
    Removed,
    /// Everything was as it should be.
    Unchanged,
}

/// A text after an edit. No `Debug`: it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: Vec<u8>,
    /// What became of the entry.
    pub outcome: Outcome,
}

const BOM: &str = "\u{feff}";

/// Changes the one entry of a text and no byte of anything else.
pub fn change(text: &[u8], client: &Client, change: &Change) -> Result<Edited, EditError> {
    match change {
        Change::Put { entry, this, force } => {
            let edited = edit(text, client, &entry.name, |place| put(place, entry, this, *force))?;
            match read(&edited.text, client, &entry.name) {
                Ok(Some(launch)) if launch == entry.launch => Ok(edited),
                _ => Err(EditError::Bug { name: entry.name.clone(), what: "it reads back as another" }),
            }
        }
        Change::Remove { name, ours, this, force } => edit(text, client, name, |place| {
            let Some(found) = &place.found else { return Ok(place.text.to_owned()) };
            let launch = place.variant.shape.read(found);
            let own = launch.as_ref().is_some_and(|found| match ours {
                Some(ours) => is_ours(found, ours),
                None => is_of_our_making(found),
            });
            let other = launch.as_ref().and_then(|found| this.other(found));
            if (own && other.is_none()) || *force {
                place.client.language.remove(place.text, &place.path)
            } else {
                Err(place.not_ours(other))
            }
        }),
    }
}

/// What a text has under a name.
pub fn read(text: &[u8], client: &Client, name: &str) -> Result<Option<Launch>, EditError> {
    let (_, text) = decoded(text)?;
    let root = client.language.read(text)?;
    let place = Located::of(client, text, &root, name)?;
    let Some(found) = &place.found else { return Ok(None) };
    let launch = place.variant.shape.read(found);
    launch.map(Some).ok_or_else(|| EditError::NotUnderstood { name: name.to_owned(), spot: place.spot() })
}

/// What stands under a name, member for member.
pub(super) fn raw(text: &[u8], client: &Client, name: &str) -> Result<Option<Value>, EditError> {
    let (_, text) = decoded(text)?;
    let root = client.language.read(text)?;
    Ok(Located::of(client, text, &root, name)?.found)
}

/// The entry as it once was, in a text that may have changed since. What is there now has to be `ours`.
pub(super) fn restore(
    text: &[u8],
    client: &Client,
    name: &str,
    old: Option<&Value>,
    ours: bool,
) -> Result<Edited, EditError> {
    edit(text, client, name, |place| match (old, &place.found) {
        (old, found) if old == found.as_ref() => Ok(place.text.to_owned()),
        _ if !ours => Err(EditError::ChangedSince { name: name.to_owned(), spot: place.spot() }),
        (Some(old), _) => client.language.set(place.text, &place.path, old),
        (None, Some(_)) => client.language.remove(place.text, &place.path),
        (None, None) => Ok(place.text.to_owned()),
    })
}

fn put(place: &Located<'_>, entry: &Entry, this: &Deployment, force: bool) -> Result<String, EditError> {
    let (client, shape) = (place.client, &place.variant.shape);
    let wanted = shape.write(entry, client.title)?;
    let launch = place.found.as_ref().map(|found| shape.read(found));
    let launch = launch.map(|found| found.filter(|found| is_ours(found, &entry.launch)));
    let other = launch.as_ref().and_then(|found| this.other(found.as_ref()?));
    let own = launch.is_none_or(|found| found.is_some()) && other.is_none();
    let empty = place.found.as_ref().is_none_or(Value::is_empty);
    if !own && !empty && !force {
        return Err(place.not_ours(other));
    }
    if own && !empty {
        let stale = |found: &Value| shape.stale(found, &wanted);
        return reconcile(client.language, place.text, &place.path, &wanted, &stale);
    }
    let mut text = place.text.to_owned();
    if place.root.is_empty() {
        for (key, value) in client.preamble {
            let value = Value::text(value.unwrap_or(&entry.name));
            text = client.language.set(&text, &[Step::key(key)], &value)?;
        }
    }
    let all = wanted.members().iter().cloned().chain(shape.fresh()).collect();
    client.language.set(&text, &place.path, &Value::Map(all))
}

fn edit(
    text: &[u8],
    client: &Client,
    name: &str,
    edit: impl FnOnce(&Located<'_>) -> Result<String, EditError>,
) -> Result<Edited, EditError> {
    let (bom, old) = decoded(text)?;
    let root = client.language.read(old)?;
    let place = Located::of(client, old, &root, name)?;
    let new = inputs::settled(&place, edit(&place)?)?;
    let unchanged = new == old;
    let root = client.language.read(&new).map_err(|_| place.odd("it does not parse"))?;
    let after = Located::of(client, &new, &root, name).map_err(|_| place.odd("its place is gone"))?;
    if place.rest() != after.rest() {
        return Err(place.bug("something else is not as it was"));
    }
    let outcome = match (&place.found, &after.found) {
        _ if unchanged => Outcome::Unchanged,
        (None, Some(_)) => Outcome::Added,
        (Some(_), None) => Outcome::Removed,
        _ => Outcome::Updated,
    };
    let text = if unchanged { text.to_vec() } else { [bom.as_bytes(), new.as_bytes()].concat() };
    Ok(Edited { text, outcome })
}

fn decoded(text: &[u8]) -> Result<(&'static str, &str), EditError> {
    let text = std::str::from_utf8(text).map_err(|_| EditError::NotText)?;
    Ok(text.strip_prefix(BOM).map_or(("", text), |text| (BOM, text)))
}

/// Where an entry is in a text, or would be.
pub(super) struct Located<'t> {
    pub(super) client: &'t Client,
    pub(super) text: &'t str,
    pub(super) root: &'t Node,
    pub(super) variant: &'t Variant,
    pub(super) name: &'t str,
    path: Vec<Step>,
    pub(super) found: Option<Value>,
}

impl<'t> Located<'t> {
    pub(super) fn of(
        client: &'t Client,
        text: &'t str,
        root: &'t Node,
        name: &'t str,
    ) -> Result<Self, EditError> {
        let whole = root.value();
        let has = |variant: &&Variant| {
            let container = root.at(&variant.path());
            container.is_some_and(|container| position(container, variant, name).is_some())
        };
        let signed = || client.variants.iter().find(|variant| (variant.sign)(&whole));
        let variant = client.variants.iter().find(has).or_else(signed).or(client.variants.first());
        let Some(variant) = variant else {
            return Err(EditError::Bug { name: name.to_owned(), what: "the client has no form" });
        };
        let mut path = variant.path();
        check(text, root, &path, variant.listed.is_some())?;
        let container = root.at(&path);
        if let Some(container) = container {
            check_twice(text, container, variant, name, &path)?;
        }
        let at = container.and_then(|container| position(container, variant, name));
        path.push(match variant.listed {
            None => Step::key(name),
            Some(_) => Step::At(at.unwrap_or_else(|| container.map_or(0, |list| list.items().len()))),
        });
        let found = at.and_then(|_| root.at(&path)).map(Node::value);
        Ok(Self { client, text, root, variant, name, path, found })
    }

    fn spot(&self) -> super::error::Spot {
        spot(self.text, self.root.at(&self.path).map_or(0, |node| node.span.start))
    }

    fn not_ours(&self, other: Option<String>) -> EditError {
        EditError::NotOurs { name: self.name.to_owned(), other, spot: self.spot() }
    }

    fn bug(&self, what: &'static str) -> EditError {
        EditError::Bug { name: self.name.to_owned(), what }
    }

    /// An edit that came to nothing. YAML has more forms than anybody writes, and not all are edited.
    fn odd(&self, what: &'static str) -> EditError {
        if self.client.language != Language::Yaml {
            return self.bug(what);
        }
        let (place, how) = (shown(&self.path), "a form of YAML that is rare");
        EditError::Unusual { place, how, spot: self.spot() }
    }

    /// Everything that the document says but the entry, what only exists for it, and what is empty
    /// around it.
    fn rest(&self) -> Value {
        let mut whole = self.root.value();
        if whole.is_empty() {
            whole = Value::Map(Vec::new());
        }
        let path = if self.found.is_some() { &self.path[..] } else { &self.path[..self.path.len() - 1] };
        prune(&mut whole, path, self.found.is_some());
        inputs::without_ours(self, &mut whole);
        let own = self.client.preamble.iter().all(|(key, _)| whole.get(key).is_some());
        if own && whole.members().len() == self.client.preamble.len() {
            whole = Value::Map(Vec::new());
        }
        whole.sorted()
    }
}

/// Takes away what is at a path if it is to go or is empty, and then what that leaves empty.
fn prune(value: &mut Value, path: &[Step], go: bool) {
    let Some((step, rest)) = path.split_first() else { return };
    let goes = |child: &mut Value| {
        prune(child, rest, go);
        (rest.is_empty() && go) || child.is_empty()
    };
    match (value, step) {
        (Value::Map(members), Step::Key(key)) => {
            members.retain_mut(|(name, child)| name != key || !goes(child));
        }
        (Value::List(items), Step::At(at)) => {
            let gone = items.get_mut(*at).is_some_and(goes);
            if gone {
                items.remove(*at);
            }
        }
        _ => {}
    }
}

fn position(container: &Node, variant: &Variant, name: &str) -> Option<usize> {
    match variant.listed {
        None => container.members().iter().position(|member| member.key == name),
        Some(key) => container.items().iter().position(|item| named(item, key, name)),
    }
}

fn named(item: &Node, key: &str, name: &str) -> bool {
    let value = item.members().iter().find(|member| member.key == key).map(|member| member.node.value());
    value.is_some_and(|value| value.as_text() == Some(name))
}

/// Refuses what the client could not read either: a kind that does not fit, a key that is there twice.
fn check(text: &str, root: &Node, path: &[Step], listed: bool) -> Result<(), EditError> {
    for depth in 0..=path.len() {
        let Some(node) = root.at(&path[..depth]) else { return Ok(()) };
        let (fits, expected) = match path.get(depth) {
            Some(Step::At(_)) => (matches!(node.data, Data::List(_)), "a list"),
            None if listed => (matches!(node.data, Data::List(_)), "a list"),
            _ => (matches!(node.data, Data::Map(_)), "a map"),
        };
        let place = || if depth == 0 { "the file".to_owned() } else { shown(&path[..depth]) };
        if !fits && !node.is_empty() {
            return Err(EditError::WrongKind { place: place(), expected, spot: spot(text, node.span.start) });
        }
        if let Some(Step::Key(key)) = path.get(depth) {
            twice(text, node, key, &path[..depth])?;
        }
    }
    Ok(())
}

fn check_twice(
    text: &str,
    container: &Node,
    variant: &Variant,
    name: &str,
    path: &[Step],
) -> Result<(), EditError> {
    let Some(key) = variant.listed else {
        twice(text, container, name, path)?;
        let entry = container.child(&Step::key(name)).map(|(_, entry)| entry);
        return entry.map_or(Ok(()), |entry| all_once(text, entry, &[path, &[Step::key(name)]].concat()));
    };
    let mut same = container.items().iter().filter(|item| named(item, key, name));
    match (same.next(), same.next()) {
        (_, Some(second)) => Err(EditError::Duplicate {
            place: format!("{}[{name}]", shown(path)),
            spot: spot(text, second.span.start),
        }),
        (Some(entry), None) => all_once(text, entry, &[path, &[Step::key(name)]].concat()),
        (None, None) => Ok(()),
    }
}

fn all_once(text: &str, node: &Node, path: &[Step]) -> Result<(), EditError> {
    node.members().iter().try_for_each(|member| {
        twice(text, node, &member.key, path)?;
        all_once(text, &member.node, &[path, &[Step::key(&member.key)]].concat())
    })
}

fn twice(text: &str, node: &Node, key: &str, path: &[Step]) -> Result<(), EditError> {
    match node.members().iter().filter(|member| member.key == key).nth(1) {
        None => Ok(()),
        Some(second) => Err(EditError::Duplicate {
            place: shown(&[path, &[Step::key(key)]].concat()),
            spot: spot(text, second.name.start),
        }),
    }
}
