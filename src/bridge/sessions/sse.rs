//! A stream of events for a client (WHATWG HTML, "Server-sent events"), each with the id by which it can be
//! resumed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{HeaderValue, header};
use tokio::time::sleep;

use super::super::auth::Principal;
use super::super::serve::Bridge;
use super::super::telemetry::Account;
use super::streams::{Event, Reader};
use super::wire::rpc_fault;
use crate::mcp::{LEGACY, blank_line_ends};

/// What a client waits before it resumes a stream that broke off, in milliseconds.
const RETRY: u32 = 1000;

/// An event's id: its stream's number and its own.
pub(super) fn id_of(stream: u64, event: u64) -> String {
    format!("{stream}-{event}")
}

/// The stream and the event that an id names.
pub(super) fn place_of(id: &str) -> Option<(u64, u64)> {
    let (stream, event) = id.split_once('-')?;
    Some((stream.parse().ok()?, event.parse().ok()?))
}

/// An answer that tells events as they come.
pub(crate) fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let events = stream::StreamExt::map(events, Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather what they pass on would hold the events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A message as an event. A carriage return between the tokens of JSON, which would end the line, is a
/// space like any other.
pub(crate) fn event(id: Option<&str>, text: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(text.len() + 32);
    if let Some(id) = id {
        event.put_slice(b"id: ");
        event.put_slice(id.as_bytes());
        event.put_slice(b"\n");
    }
    event.put_slice(b"data: ");
    let start = event.len();
    event.put_slice(text);
    blank_line_ends(&mut event[start..]);
    event.put_slice(b"\n\n");
    event.freeze()
}

/// Says nothing, so that whoever is between the two sees that the stream lives.
pub(crate) const STILL_HERE: Bytes = Bytes::from_static(b":\n\n");

/// Everything that a reader takes, from `first` on, until its stream is over, the client is no longer
/// welcome or the bridge ends. `account` is that of the request which the last one answers.
pub(super) fn events(
    (first, reader): (Option<Event>, Reader),
    version: &str,
    principal: Principal,
    account: Option<Account>,
    bridge: Arc<Bridge>,
) -> impl Stream<Item = Bytes> + Send + use<> {
    reader.keep();
    // Older clients do not know an event without a message. The first has number 1.
    let after = first.as_ref().map_or_else(|| reader.after(), |first| first.number - 1);
    let hello = (version >= LEGACY)
        .then(|| Bytes::from(format!("id: {}\nretry: {RETRY}\ndata: \n\n", id_of(reader.number(), after))));
    let told = first.map(|first| event(Some(&id_of(reader.number(), first.number)), &first.text));
    let state = (reader, principal, account, bridge);
    let rest = stream::unfold(state, |(mut reader, principal, account, bridge)| async {
        let said = tokio::select! {
            said = next(&mut reader, account.as_ref(), bridge.settings.waits.still_here) => said,
            () = bridge.gate.shut_to(&principal) => None,
        };
        Some((said?, (reader, principal, account, bridge)))
    });
    stream::StreamExt::chain(stream::iter(hello.into_iter().chain(told)), rest)
}

async fn next(reader: &mut Reader, account: Option<&Account>, still_here: Duration) -> Option<Bytes> {
    tokio::select! {
        came = reader.next() => {
            let came = came?;
            if let (Some(account), Some(fault)) = (account, rpc_fault(&came.text).filter(|_| came.last)) {
                account.fails(fault);
            }
            Some(event(Some(&id_of(reader.number(), came.number)), &came.text))
        }
        () = sleep(still_here) => Some(STILL_HERE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_stands_between_the_tokens() {
        assert_eq!(&event(Some("3-1"), b"{\r\"a\": 1}")[..], b"id: 3-1\ndata: { \"a\": 1}\n\n");
        assert_eq!(&event(None, b"{}")[..], b"data: {}\n\n");
    }

    #[test]
    fn an_id_names_a_stream_and_an_event() {
        assert_eq!(place_of(&id_of(3, 17)), Some((3, 17)));
        for id in ["", "3", "3-", "-1", "a-b", "1-2-3"] {
            assert_eq!(place_of(id), None, "{id}");
        }
    }
}
