//! Who is to hear of what changes in a server: lists of tools, prompts and resources, and resources
//! themselves. Whichever of the pool's servers tells of a change, it is told to everybody who listens for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::mcp::Members;

/// Changes that a listener has not taken; more of them are dropped.
const UNTAKEN: usize = 256;
/// The resources that all listeners together may listen for.
pub(crate) const RESOURCES: usize = 1024;

/// What somebody listens for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    lists: BTreeSet<&'static str>,
    resources: BTreeSet<String>,
}

/// The lists, as a filter names them and as a notification does.
const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed", "tools"),
    ("promptsListChanged", "notifications/prompts/list_changed", "prompts"),
    ("resourcesListChanged", "notifications/resources/list_changed", "resources"),
];
const UPDATED: &str = "notifications/resources/updated";

impl Filter {
    /// What was asked for, as far as a server of these capabilities tells of it.
    pub(crate) fn agreed(asked: &Value, capabilities: &Value) -> Self {
        let told = |(kind, _, list): &(&'static str, &str, &str)| {
            (asked[kind] == true && capabilities[list]["listChanged"] == true).then_some(*kind)
        };
        let uris = asked["resourceSubscriptions"]
            .as_array()
            .filter(|_| capabilities["resources"]["subscribe"] == true);
        let uris = uris.into_iter().flatten().filter_map(Value::as_str);
        Self { lists: LISTS.iter().filter_map(told).collect(), resources: uris.map(str::to_owned).collect() }
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Value {
        let mut filter: Map<String, Value> =
            self.lists.iter().map(|kind| ((*kind).to_owned(), true.into())).collect();
        if !self.resources.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), json!(self.resources));
        }
        filter.into()
    }

    /// The resources, by their URIs.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// How many resources are listened for.
    pub(crate) fn len(&self) -> usize {
        self.resources.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.resources.is_empty()
    }

    /// What of another is not in this one.
    pub(crate) fn lacks(&self, other: &Self) -> Self {
        Self {
            lists: other.lists.difference(&self.lists).copied().collect(),
            resources: other.resources.difference(&self.resources).cloned().collect(),
        }
    }

    /// Takes another in.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lists.extend(&other.lists);
        self.resources.extend(other.resources.iter().cloned());
    }

    fn wants(&self, change: &Change) -> bool {
        match &change.uri {
            Some(uri) => self.resources.contains(uri),
            None => {
                LISTS.iter().any(|(kind, method, _)| *method == change.method && self.lists.contains(kind))
            }
        }
    }
}

/// A change that a server told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The notification's method.
    pub(crate) method: &'static str,
    /// The resource, for that alone.
    pub(crate) uri: Option<String>,
}

impl Change {
    /// A notification, where it is of a change.
    pub(crate) fn read(method: &str, params: Option<&str>) -> Option<Self> {
        if method == UPDATED {
            let uri = Members::read(params?)?.value("uri")?;
            return Some(Self { method: UPDATED, uri: Some(uri) });
        }
        let (_, method, _) = LISTS.iter().find(|(_, known, _)| *known == method)?;
        Some(Self { method, uri: None })
    }
}

#[derive(Debug)]
struct Listener {
    filter: Filter,
    tell: mpsc::Sender<Change>,
}

#[derive(Debug, Default)]
struct Listeners {
    next: u64,
    open: BTreeMap<u64, Listener>,
}

/// All who listen.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Listeners>);

impl Changes {
    /// Listens, until what is returned is dropped. `None` where too many resources are listened for.
    pub(crate) fn listen(self: &Arc<Self>, filter: Filter) -> Option<Listening> {
        let mut wanted = self.wanted();
        wanted.add(&filter);
        if wanted.len() > RESOURCES {
            return None;
        }
        let (tell, told) = mpsc::channel(UNTAKEN);
        let mut listeners = self.listeners();
        listeners.next += 1;
        let number = listeners.next;
        listeners.open.insert(number, Listener { filter, tell });
        drop(listeners);
        Some(Listening { changes: Arc::clone(self), number, told })
    }

    /// Everything that somebody listens for.
    pub(crate) fn wanted(&self) -> Filter {
        let mut wanted = Filter::default();
        for listener in self.listeners().open.values() {
            wanted.add(&listener.filter);
        }
        wanted
    }

    /// A server told of a change.
    pub(crate) fn tell(&self, change: &Change) {
        for listener in self.listeners().open.values().filter(|listener| listener.filter.wants(change)) {
            // Whoever is so late asks for the list anew for one of those that wait.
            let _ = listener.tell.try_send(change.clone());
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // They are valid after every statement: a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who listens.
#[derive(Debug)]
pub(crate) struct Listening {
    changes: Arc<Changes>,
    number: u64,
    told: mpsc::Receiver<Change>,
}

impl Listening {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        self.told.recv().await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.changes.listeners().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(asked: &Value) -> Filter {
        let able = json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}});
        Filter::agreed(asked, &able)
    }

    #[test]
    fn only_what_the_server_tells_of_is_agreed_on() {
        let asked =
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["x:a"]});
        let agreed = json!({"toolsListChanged": true, "resourceSubscriptions": ["x:a"]});
        assert_eq!(filter(&asked).to_json(), agreed);
        assert!(Filter::agreed(&asked, &json!({})).is_empty());
    }

    #[tokio::test]
    async fn everybody_hears_of_what_they_listen_for_and_of_nothing_else() {
        let changes = Arc::new(Changes::default());
        let mut tools = changes.listen(filter(&json!({"toolsListChanged": true}))).expect("room");
        let mut resource = changes.listen(filter(&json!({"resourceSubscriptions": ["x:a"]}))).expect("room");
        let of = |method: &str, params| Change::read(method, params);
        for change in [
            of("notifications/tools/list_changed", None),
            of(UPDATED, Some(r#"{"uri":"x:b"}"#)),
            of(UPDATED, Some(r#"{"uri":"x:a"}"#)),
        ] {
            changes.tell(&change.expect("a change"));
        }
        assert_eq!(tools.next().await.expect("one").method, "notifications/tools/list_changed");
        assert_eq!(resource.next().await.expect("one").uri.as_deref(), Some("x:a"));
        assert!(tools.told.try_recv().is_err() && resource.told.try_recv().is_err());
        drop(tools);
        assert_eq!(changes.wanted(), filter(&json!({"resourceSubscriptions": ["x:a"]})));
        assert_eq!(of("notifications/message", None), None);
    }

    #[test]
    fn the_resources_of_all_together_are_bounded() {
        let changes = Arc::new(Changes::default());
        let uris: Vec<String> = (0..RESOURCES).map(|number| format!("x:{number}")).collect();
        let _all = changes.listen(filter(&json!({"resourceSubscriptions": uris}))).expect("room");
        assert!(changes.listen(filter(&json!({"resourceSubscriptions": ["x:1"]}))).is_some());
        assert!(changes.listen(filter(&json!({"resourceSubscriptions": ["y:1"]}))).is_none());
    }
}
