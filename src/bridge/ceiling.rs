//! How many server processes and connections there is room for: pure, from what the system allows.

/// Sockets besides those of `WebSocket`s: health checks, refusals, idle HTTP connections. With all in
/// use, the longest idle one goes; with none of them idle, more wait in the kernel's queue.
pub(crate) const SPARE_SOCKETS: usize = 64;
/// The most server processes where nothing is said and the system allows more.
const CHILDREN: usize = 64;
/// The most `WebSocket`s where nothing is said and the system allows more.
const CONNECTIONS: usize = 10_000;

/// What the bridge, its guardian and a health check take of a container's processes and threads.
const OWN_PIDS: u64 = 16;
/// What a server takes of them; one with many threads needs a higher limit, or a lower ceiling.
const PIDS_PER_CHILD: u64 = 3;
/// What the bridge itself takes of a container's memory, in bytes.
const OWN_MEMORY: u64 = 64 << 20;
/// What a small server takes, in bytes.
const MEMORY_PER_CHILD: u64 = 16 << 20;
/// What an idle WebSocket takes at most, in bytes; a test holds it.
const MEMORY_PER_CONNECTION: u64 = 32 << 10;
/// The part of the memory that idle `WebSocket`s may take: one in so many.
const CONNECTIONS_PART: u64 = 4;
/// The bridge's own files: listeners, log, epoll, tokens, certificates.
const OWN_FILES: u64 = 64;
/// A server's pipes, and what its end is seen by.
const FILES_PER_CHILD: u64 = 4;

/// What the system allows; `None` where it sets no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Files that this process may have open.
    pub(crate) files: Option<u64>,
    /// Processes and threads of the container.
    pub(crate) pids: Option<u64>,
    /// Memory of the container, in bytes.
    pub(crate) memory: Option<u64>,
}

impl Room {
    /// The most server processes that fit, at least one.
    pub(crate) fn children(&self) -> usize {
        let by_pids = self.pids.map(|pids| pids.saturating_sub(OWN_PIDS) / PIDS_PER_CHILD);
        let by_memory = self.memory.map(|bytes| bytes.saturating_sub(OWN_MEMORY) / MEMORY_PER_CHILD);
        // Half of the files are for connections.
        let by_files = self.files.map(|files| files.saturating_sub(OWN_FILES) / 2 / FILES_PER_CHILD);
        least([by_pids, by_memory, by_files])
    }

    /// The most `WebSocket`s that fit beside so many server processes, at least one.
    pub(crate) fn connections(&self, children: usize) -> usize {
        let by_memory = self.memory.map(|bytes| bytes / CONNECTIONS_PART / MEMORY_PER_CONNECTION);
        least([by_memory, self.files_for_connections(children)])
    }

    fn files_for_connections(&self, children: usize) -> Option<u64> {
        let others = OWN_FILES + FILES_PER_CHILD * children as u64 + SPARE_SOCKETS as u64;
        self.files.map(|files| files.saturating_sub(others))
    }

    /// The ceilings, from what was asked for. What was asked for holds, but where files for it would
    /// run out: the error is how many `WebSocket`s there are files for.
    pub(crate) fn settle(
        &self,
        connections: Option<usize>,
        children: Option<usize>,
    ) -> Result<Ceilings, usize> {
        let children = children.unwrap_or_else(|| {
            // Nobody needs more servers than there are connections, if those were counted out.
            CHILDREN.min(self.children()).min(connections.unwrap_or(CHILDREN))
        });
        let fitting = self.connections(children);
        let connections = connections.unwrap_or(CONNECTIONS.min(fitting));
        let files = least([self.files_for_connections(children)]);
        if connections > files {
            return Err(files);
        }
        Ok(Ceilings { connections, children })
    }
}

/// The most `WebSocket`s and server processes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ceilings {
    pub(crate) connections: usize,
    pub(crate) children: usize,
}

fn least<const N: usize>(bounds: [Option<u64>; N]) -> usize {
    let least = bounds.into_iter().flatten().min().unwrap_or(u64::MAX);
    usize::try_from(least).unwrap_or(usize::MAX).max(1)
}

/// A limit as a control group's file says it: `max`, or, in the older version, a number beyond all
/// memory, for none.
pub(crate) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|&limit| limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(files: u64, pids: u64, memory: u64) -> Room {
        Room { files: Some(files), pids: Some(pids), memory: Some(memory) }
    }

    #[test]
    fn the_scarcest_thing_decides_how_many_servers_there_are() {
        assert_eq!(Room::default().settle(None, None).expect("room").children, CHILDREN);
        for (room, children) in [
            (room(20_000, 256, 2 << 30), 64),
            (room(20_000, 100, 2 << 30), 28),
            (room(20_000, 256, 512 << 20), 28),
            (room(256, 256, 2 << 30), 24),
            (room(20_000, 3, 1 << 20), 1),
        ] {
            assert_eq!(room.settle(None, None).expect("room").children, children, "{room:?}");
        }
    }

    #[test]
    fn connections_are_bounded_by_files_and_by_memory() {
        for (room, connections) in [
            (Room::default(), CONNECTIONS),
            (room(20_000, 256, 2 << 30), CONNECTIONS),
            (room(1024, 256, 2 << 30), 1024 - 64 - 64 * 4 - 64),
            (room(20_000, 256, 512 << 20), 4096),
        ] {
            assert_eq!(room.settle(None, None).expect("room").connections, connections, "{room:?}");
        }
    }

    #[test]
    fn what_was_asked_for_holds_unless_there_are_no_files_for_it() {
        let tight = room(1024, 30, 64 << 20);
        assert_eq!(tight.settle(Some(500), Some(90)), Ok(Ceilings { connections: 500, children: 90 }));
        assert_eq!(tight.settle(Some(7), None), Ok(Ceilings { connections: 7, children: 1 }));
        assert_eq!(tight.settle(Some(5000), Some(10)), Err(1024 - 64 - 40 - 64));
        assert_eq!(Room::default().settle(Some(7), None), Ok(Ceilings { connections: 7, children: 7 }));
    }

    #[test]
    fn a_limit_is_a_number_that_some_machine_could_reach() {
        for (text, expected) in
            [("256\n", Some(256)), ("max\n", None), ("9223372036854771712\n", None), ("", None)]
        {
            assert_eq!(limit(text), expected, "{text:?}");
        }
    }
}
