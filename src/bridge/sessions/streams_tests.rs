use super::*;
use std::time::Duration;

fn key(id: u32) -> Key {
    Key::of(&id.to_string())
}

fn event(number: u64, text: &'static str, last: bool) -> Event {
    Event { number, text: Bytes::from_static(text.as_bytes()), last }
}

#[tokio::test]
async fn a_request_s_stream_carries_what_is_its_own_and_ends_with_its_answer() {
    let streams = Streams::new(1000);
    let (mut one, mut two) = (streams.open(key(1), 9).expect("new"), streams.open(key(2), 9).expect("new"));
    streams.push(Some(&key(1)), "progress");
    streams.answer(&key(2), "second");
    streams.answer(&key(1), "first");
    assert_eq!(two.next().await, Some(event(1, "second", true)));
    assert_eq!(
        (one.next().await, one.next().await),
        (Some(event(1, "progress", false)), Some(event(2, "first", true)))
    );
    assert_eq!((one.next().await, two.next().await), (None, None));
}

#[tokio::test]
async fn a_request_s_id_is_free_again_once_it_was_answered_and_their_number_is_bounded() {
    let streams = Streams::new(1000);
    let _reader = streams.open(key(1), 2).expect("new");
    assert_eq!(streams.open(key(1), 2).expect_err("taken"), NoStream::Known);
    let _other = streams.open(key(2), 2).expect("new");
    assert_eq!(streams.open(key(3), 2).expect_err("two are all"), NoStream::Full);
    streams.answer(&key(1), "");
    streams.open(key(1), 2).expect("answered");
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_was_left_and_its_older_reader_ends() {
    let streams = Streams::new(1000);
    let mut reader = streams.open(key(1), 9).expect("new");
    reader.keep();
    for text in ["a", "b", "c"] {
        streams.push(Some(&key(1)), text);
    }
    assert_eq!(reader.next().await, Some(event(1, "a", false)));
    let mut again = streams.resume(reader.number(), 1).expect("kept");
    assert_eq!(reader.next().await, None);
    drop(reader);
    assert_eq!(again.next().await, Some(event(2, "b", false)));
    let number = again.number();
    drop(again);
    streams.answer(&key(1), "d");
    let mut last = streams.resume(number, 2).expect("kept after its end");
    assert_eq!(
        (last.next().await, last.next().await),
        (Some(event(3, "c", false)), Some(event(4, "d", true)))
    );
    assert_eq!(last.next().await, None);
    assert!(streams.resume(number, 5).is_none(), "an event that never was");
    assert!(streams.resume(77, 0).is_none());
}

#[tokio::test]
async fn what_belongs_to_no_request_waits_for_whoever_listens_and_else_goes_to_the_latest_request() {
    let streams = Streams::new(1000);
    streams.push(None, "early");
    let mut request = streams.open(key(1), 9).expect("new");
    streams.push(None, "beside");
    assert_eq!(request.next().await, Some(event(1, "beside", false)));
    let mut general = streams.general().expect("free");
    assert!(streams.general().is_none(), "one at a time");
    streams.push(None, "late");
    assert_eq!(
        (general.next().await, general.next().await),
        (Some(event(1, "early", false)), Some(event(2, "late", false)))
    );
}

#[tokio::test]
async fn an_answer_that_its_client_cannot_come_for_is_not_kept() {
    let streams = Streams::new(1000);
    drop(streams.open(key(1), 9).expect("new"));
    streams.answer(&key(1), "lost");
    let log = streams.log();
    assert_eq!((log.bytes, log.streams.len()), (0, 1));
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_what_was_taken_goes_first() {
    let streams = Streams::new(10);
    let mut reader = streams.open(key(1), 9).expect("new");
    reader.keep();
    streams.push(Some(&key(1)), "12345");
    reader.next().await.expect("an event");
    streams.push(None, "67890");
    streams.push(Some(&key(1)), "abcde");
    assert_eq!(reader.next().await, Some(event(2, "67890", false)));
    assert_eq!(reader.next().await, Some(event(3, "abcde", false)));
    assert!(streams.log().bytes <= 10);
    drop(reader);
    for _ in 0..100 {
        streams.push(None, "flood");
    }
    assert!(streams.log().bytes <= 10, "{}", streams.log().bytes);
    for id in 2..100 {
        let reader = streams.open(key(id), 999).expect("new");
        reader.keep();
        drop(reader);
        streams.answer(&key(id), "an answer that is longer than all that may be kept");
    }
    assert_eq!(streams.log().bytes, 50, "the newest alone");
}

#[tokio::test]
async fn of_ended_streams_only_the_latest_are_kept() {
    let streams = Streams::new(1_000_000);
    for id in 0..100 {
        let reader = streams.open(key(id), 9).expect("new");
        reader.keep();
        streams.answer(&key(id), "x");
    }
    assert!(streams.log().streams.len() <= FINISHED_KEPT + 2, "{}", streams.log().streams.len());
}

#[tokio::test]
async fn a_server_waits_for_a_reader_that_takes_nothing_and_not_for_one_that_has_gone() {
    let streams = Streams::new(10 * HIGH_WATER);
    let mut reader = streams.open(key(1), 9).expect("new");
    streams.push(Some(&key(1)), vec![b'x'; HIGH_WATER]);
    streams.room().await;
    streams.push(Some(&key(1)), "more");
    let early = tokio::time::timeout(Duration::from_millis(20), streams.room()).await;
    assert!(early.is_err(), "it has to wait");
    reader.next().await.expect("an event");
    streams.room().await;
    streams.push(Some(&key(1)), vec![b'x'; HIGH_WATER]);
    drop(reader);
    streams.room().await;
}

#[tokio::test]
async fn an_end_leaves_what_is_on_its_way() {
    let streams = Streams::new(1000);
    let mut reader = streams.open(key(1), 9).expect("new");
    streams.answer(&key(1), "last words");
    streams.end();
    assert_eq!(reader.next().await, Some(event(1, "last words", true)));
    assert_eq!(reader.next().await, None);
    assert_eq!(streams.open(key(2), 9).expect_err("over"), NoStream::Ended);
    assert!(streams.general().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_session_is_idle_once_nobody_reads_whatever_its_server_says_and_requests_grow_overdue() {
    let streams = Streams::new(1000);
    let reader = streams.open(key(1), 9).expect("new");
    assert_eq!(streams.idle_since(), None);
    let opened = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(streams.overdue(opened), []);
    assert_eq!(streams.overdue(Instant::now()), [key(1)]);
    streams.answer(&key(1), "x");
    assert_eq!(streams.idle_since(), None);
    drop(reader);
    let left = Instant::now();
    assert_eq!(streams.idle_since(), Some(left));
    tokio::time::advance(Duration::from_secs(1)).await;
    streams.push(None, "of itself");
    assert_eq!(streams.idle_since(), Some(left));
    drop(streams.open(key(2), 9).expect("new"));
    let left = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    streams.push(Some(&key(2)), "of what it still works on");
    assert_eq!(streams.idle_since(), Some(left));
    streams.answer(&key(2), "what may be fetched for as long again");
    assert_eq!(streams.idle_since(), Some(Instant::now()));
}

#[test]
fn a_reader_goes_on_where_what_it_had_is_not_kept_any_more() {
    let streams = Streams::new(3);
    for text in ["a", "b", "c", "d", "e"] {
        streams.push(None, text);
    }
    let mut reader = streams.resume(GENERAL, 1).expect("kept");
    let numbers = std::iter::from_fn(|| match reader.take() {
        Taken::Event(event) => Some(event.number),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [3, 4, 5]);
}
