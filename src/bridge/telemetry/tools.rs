//! Durations by tool. Only names that a server has answered for get a place of their own, and only so
//! many: what a client makes up is counted under one name.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::histogram::Histogram;
use super::wire::Wire;

/// The most tools with a place of their own.
pub(crate) const MAX_TOOLS: usize = 128;
/// Twice as many, so that a name is found or missed after few looks.
const PLACES: usize = 2 * MAX_TOOLS;
/// What all others are called.
const OTHER: &str = "other";

/// The durations of one tool's calls, by wire.
#[derive(Debug, Default)]
pub(crate) struct Tool {
    name: Box<str>,
    by_wire: [Histogram; Wire::ALL.len()],
}

impl Tool {
    fn new(name: &str) -> Self {
        Self { name: name.into(), by_wire: Default::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn on(&self, wire: Wire) -> &Histogram {
        &self.by_wire[wire as usize]
    }
}

/// A table that only grows and is read without a lock.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Each tool on the heap, for most places stay empty.
    places: Box<[OnceLock<Box<Tool>>]>,
    known: AtomicUsize,
    /// Keyed anew for each bridge, so that nobody can choose names that fall on one place.
    hasher: RandomState,
    none: Tool,
    other: Tool,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            known: AtomicUsize::new(0),
            hasher: RandomState::new(),
            none: Tool::new(""),
            other: Tool::new(OTHER),
        }
    }
}

impl Tools {
    /// The place of a request: without a tool, of a known tool, or of all others.
    pub(crate) fn of(&self, name: Option<&str>) -> &Tool {
        let Some(name) = name else { return &self.none };
        let found = self.way(name).map_while(OnceLock::get).find(|tool| tool.name() == name);
        found.map_or(&self.other, AsRef::as_ref)
    }

    /// Gives a name that a server has answered for a place of its own, while there is room.
    pub(crate) fn confirm(&self, name: &str) {
        if name == OTHER || name.is_empty() || self.of(Some(name)).name() == name {
            return;
        }
        let room = self.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
            (known < MAX_TOOLS).then_some(known + 1)
        });
        if room.is_err() {
            return;
        }
        for place in self.way(name) {
            // Whoever comes second to a place goes on to the next.
            if place.set(Box::new(Tool::new(name))).is_ok()
                || place.get().is_some_and(|tool| tool.name() == name)
            {
                return;
            }
        }
    }

    /// Everything that is counted: requests without a tool first, other tools last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Tool> {
        let known = self.places.iter().filter_map(OnceLock::get).map(AsRef::as_ref);
        std::iter::once(&self.none).chain(known).chain(std::iter::once(&self.other))
    }

    /// The places where a name may be, in the order of looking. Half of them are always empty.
    fn way(&self, name: &str) -> impl Iterator<Item = &OnceLock<Box<Tool>>> {
        let places = PLACES as u64;
        let first = usize::try_from(self.hasher.hash_one(name) % places).unwrap_or_default();
        (0..PLACES).map(move |step| &self.places[(first + step) % PLACES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_has_a_place_of_its_own_once_a_server_answered_for_it() {
        let tools = Tools::default();
        assert_eq!(tools.of(Some("echo")).name(), "other");
        tools.confirm("echo");
        tools.confirm("echo");
        assert_eq!(tools.of(Some("echo")).name(), "echo");
        assert_eq!(tools.of(None).name(), "");
        assert_eq!(tools.all().map(Tool::name).collect::<Vec<_>>(), ["", "echo", "other"]);
    }

    #[test]
    fn past_the_most_tools_and_under_their_common_name_all_are_others() {
        let tools = Tools::default();
        tools.confirm(OTHER);
        for n in 0..2 * MAX_TOOLS {
            tools.confirm(&format!("tool-{n}"));
        }
        assert_eq!(tools.all().count(), MAX_TOOLS + 2);
        assert_eq!(tools.of(Some("tool-127")).name(), "tool-127");
        assert_eq!(tools.of(Some("tool-128")).name(), "other");
    }
}
