//! A body whose bytes are counted, and whose end, or early end, is the request's.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::Account;

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// A body that holds its request's account.
#[derive(Debug)]
pub(crate) struct Counted<B: HttpBody = Body> {
    inner: B,
    account: Account,
    way: Way,
    ended: bool,
}

impl<B: HttpBody> Counted<B> {
    /// What the client sends.
    pub(crate) fn received(inner: B, account: Account) -> Self {
        Self { inner, account, way: Way::In, ended: false }
    }

    /// What it is answered.
    pub(crate) fn sent(inner: B, account: Account) -> Self {
        Self { inner, account, way: Way::Out, ended: false }
    }

    /// Of an answer to HEAD, which has a length and is not sent.
    pub(crate) fn unsent(mut self) -> Self {
        self.ended = true;
        self
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match self.way {
                    Way::In => self.account.receives(bytes),
                    Way::Out => self.account.sends(bytes),
                }
            }
            Some(Err(_)) => {}
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: HttpBody> Drop for Counted<B> {
    fn drop(&mut self) {
        // A client's own body may be left unread for good reasons; an answer may not.
        if self.way == Way::Out && !self.ended && !self.inner.is_end_stream() {
            self.account.breaks_off();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures_util::stream;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;

    use crate::bridge::auth::Caller;
    use crate::bridge::telemetry::wire::{Outcome, Wire};
    use crate::bridge::telemetry::{Telemetry, TelemetrySettings};

    fn answered(telemetry: &Arc<Telemetry>, answer: Body) -> Counted {
        let request = Request::builder().uri("/mcp").body(()).expect("a request");
        let caller = Caller { address: "127.0.0.1".parse().expect("an address"), certificate: None };
        let account = Account::open(telemetry, &caller, &request);
        account.is_answered(StatusCode::OK, None);
        Counted::sent(answer, account)
    }

    fn ended(telemetry: &Telemetry, outcome: Outcome) -> u64 {
        telemetry.metrics().on(Wire::Rest).requests[outcome as usize].read()
    }

    #[tokio::test]
    async fn a_stream_s_request_ends_with_the_stream_and_not_with_its_first_bytes() {
        let (telemetry, _) = Telemetry::start(&TelemetrySettings::default(), Arc::default());
        let events = stream::iter(["one", "three"].map(Ok::<_, Infallible>));
        let mut body = answered(&telemetry, Body::from_stream(events));
        body.frame().await.expect("an event").expect("no error");
        assert_eq!((ended(&telemetry, Outcome::Ok), telemetry.metrics().in_flight.read()), (0, 1));
        assert_eq!(body.collect().await.expect("the rest").to_bytes(), "three");
        assert_eq!((ended(&telemetry, Outcome::Ok), telemetry.metrics().in_flight.read()), (1, 0));
        assert_eq!(telemetry.metrics().on(Wire::Rest).sent.read(), 8);
    }

    #[tokio::test]
    async fn an_answer_that_the_client_does_not_wait_for_is_one_that_it_left() {
        let (telemetry, _) = Telemetry::start(&TelemetrySettings::default(), Arc::default());
        let mut body =
            answered(&telemetry, Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()));
        let polled = futures_util::FutureExt::now_or_never(body.frame());
        assert!(polled.is_none());
        drop(body);
        drop(answered(&telemetry, Body::empty()));
        let mut whole = answered(&telemetry, Body::from("all"));
        whole.frame().await.expect("a frame").expect("no error");
        drop(whole);
        drop(answered(&telemetry, Body::from("the length of this")).unsent());
        assert_eq!((ended(&telemetry, Outcome::Gone), ended(&telemetry, Outcome::Ok)), (1, 3));
    }
}
