//! What a document says, and where in the text it says so.

use std::ops::Range;

use super::value::Value;

/// One step down into a document.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// Of a list; its length stands for a new item.
    At(usize),
}

impl Step {
    pub(super) fn key(name: &str) -> Self {
        Self::Key(name.to_owned())
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => out.extend([".", key]),
            Step::At(at) => out.extend(["[", &at.to_string(), "]"]),
        }
    }
    out
}

/// A value and the bytes that it takes, without what is around it.
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) data: Data,
    /// Written between brackets, rather than by lines.
    pub(super) flow: bool,
}

pub(super) enum Data {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Member>),
}

pub(super) struct Member {
    pub(super) key: String,
    /// The bytes of the key.
    pub(super) name: Range<usize>,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::List(items.iter().map(Self::value).collect()),
            Data::Map(members) => {
                Value::Map(members.iter().map(|member| (member.key.clone(), member.node.value())).collect())
            }
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        if let Data::Map(members) = &self.data { members } else { &[] }
    }

    pub(super) fn items(&self) -> &[Node] {
        if let Data::List(items) = &self.data { items } else { &[] }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.data {
            Data::Scalar(value) => *value == Value::Null,
            Data::List(items) => items.is_empty(),
            Data::Map(members) => members.is_empty(),
        }
    }

    /// The child that a step leads to, and its index among its siblings.
    pub(super) fn child(&self, step: &Step) -> Option<(usize, &Node)> {
        match step {
            Step::Key(key) => {
                let at = self.members().iter().position(|member| member.key == *key)?;
                Some((at, &self.members()[at].node))
            }
            Step::At(at) => self.items().get(*at).map(|node| (*at, node)),
        }
    }

    pub(super) fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| node.child(step).map(|(_, child)| child))
    }

    /// The deepest node on a path that exists, and how many steps lead to it.
    pub(super) fn deepest(&self, path: &[Step]) -> (&Node, usize) {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            match node.child(step) {
                Some((_, child)) => node = child,
                None => return (node, depth),
            }
        }
        (node, path.len())
    }
}

/// A value with the parents that it lacks.
pub(super) fn wrapped(missing: &[Step], value: &Value) -> Value {
    missing.iter().rev().fold(value.clone(), |inner, step| match step {
        Step::Key(key) => Value::Map(vec![(key.clone(), inner)]),
        Step::At(_) => Value::List(vec![inner]),
    })
}
