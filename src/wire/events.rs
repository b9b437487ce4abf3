//! A stream of events as it is read (WHATWG HTML, "Server-sent events"). Pure: bytes in, events out.

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its `data`, lines joined by line feeds.
    pub(super) data: String,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// An event is longer than the bound.
    TooLong,
    NotUtf8,
}

/// Gathers bytes until they are events.
#[derive(Debug)]
pub(super) struct Events {
    /// The longest event, in bytes: all of its lines together, and one that has no end yet.
    max: usize,
    line: Vec<u8>,
    /// The last byte was a carriage return, whose line feed belongs to it.
    returned: bool,
    /// Whether the stream's first line was read.
    begun: bool,
    data: String,
    has_data: bool,
    id: Option<String>,
    /// The id of the last event that was complete.
    pub(super) last_id: Option<String>,
    /// How long to wait before the stream is resumed, in milliseconds.
    pub(super) retry: Option<u64>,
}

impl Events {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            returned: false,
            begun: false,
            data: String::new(),
            has_data: false,
            id: None,
            last_id: None,
            retry: None,
        }
    }

    /// What a stream that broke off is resumed with: half an event is none.
    pub(super) fn resume(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { id: last_id.clone(), last_id, retry, ..Self::new(self.max) };
    }

    /// Takes bytes, and tells the events that they complete. Those without data are told too.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.returned) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let taken = end.unwrap_or(rest.len());
            if self.line.len() + self.data.len() + taken > self.max {
                return Err(Unreadable::TooLong);
            }
            self.line.extend_from_slice(&rest[..taken]);
            let Some(end) = end else { break };
            self.returned = rest[end] == b'\r';
            rest = &rest[end + 1..];
            events.extend(self.end_line()?);
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, Unreadable> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8(line).map_err(|_| Unreadable::NotUtf8)?;
        let mut line = line.as_str();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            self.last_id.clone_from(&self.id);
            let (data, has_data) = (std::mem::take(&mut self.data), std::mem::take(&mut self.has_data));
            return Ok(has_data.then_some(Event { data }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry);
            }
            // A comment, an event's name, which says nothing here, or a field that nobody knows.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], step: usize) -> (Vec<String>, Option<String>, Option<u64>) {
        let mut events = Events::new(64);
        let mut told = Vec::new();
        for piece in bytes.chunks(step.max(1)) {
            told.extend(events.feed(piece).expect("events").into_iter().map(|event| event.data));
        }
        (told, events.last_id, events.retry)
    }

    #[test]
    fn lines_end_in_any_of_three_ways_and_an_event_at_an_empty_one() {
        for text in [
            "data: a\ndata:b\n\ndata\n\ndata: half",
            "data: a\r\ndata:b\r\n\r\ndata\r\n\r\ndata: half",
            "data: a\rdata:b\r\rdata\r\rdata: half",
            "\u{feff}: hello\ndata: a\ndata:b\n\n\n\nevent: x\nnothing: y\ndata\n\ndata: half",
        ] {
            for step in 1..text.len() {
                assert_eq!(read(text.as_bytes(), step).0, ["a\nb", ""], "{text:?} by {step}");
            }
        }
    }

    #[test]
    fn ids_are_of_complete_events_and_a_retry_is_a_number() {
        let text = b"id: 1\nretry: 50\ndata: \n\nid: 2\nretry: x\ndata: b";
        assert_eq!(read(text, 3), (vec![String::new()], Some("1".into()), Some(50)));
        assert_eq!(read(b"id: 1\n\nid\n\n", 1).1, None);
        assert_eq!(read(b"id: 1\n\nid: a\0b\n\n", 1).1.as_deref(), Some("1"));
    }

    #[test]
    fn half_an_event_is_none_once_the_stream_is_resumed() {
        let mut events = Events::new(64);
        events.feed(b"id: 1\ndata: a\n\nid: 2\ndata: lost").expect("events");
        events.resume();
        let told = events.feed(b"data: b\n\n").expect("events");
        assert_eq!((told, events.last_id.as_deref()), (vec![Event { data: "b".into() }], Some("1")));
    }

    #[test]
    fn an_event_without_an_end_stops_at_the_bound_however_it_goes_on() {
        for piece in [&b"x"[..], b"data: x\n"] {
            let mut events = Events::new(64);
            let ended = (0..100).find_map(|_| events.feed(piece).err());
            assert_eq!(ended, Some(Unreadable::TooLong));
        }
        assert_eq!(Events::new(64).feed(b"data: \xff\n"), Err(Unreadable::NotUtf8));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic_and_pieces_make_no_difference(bytes in any::<Vec<u8>>(), step in 1..9_usize) {
            let mut whole = Events::new(1 << 20);
            let mut pieces = Events::new(1 << 20);
            let told = whole.feed(&bytes);
            let in_pieces: Result<Vec<Vec<Event>>, _> = bytes.chunks(step).map(|piece| pieces.feed(piece)).collect();
            prop_assert_eq!(told, in_pieces.map(|events| events.concat()));
        }
    }
}
