//! MCP's Streamable HTTP as a stream of lines: a message sent is a POST, and what comes of it, one JSON
//! object or a stream of events, is what is received. Both eras, by what the messages themselves say.
//!
//! Each request has a task of its own for as long as its answer takes, so that a receiver may be dropped
//! and nothing of it is lost.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::asked::{Asked, result_of};
use super::door::Door;
use super::events::{Events, Unreadable};
use super::mirrored::{Mirrored, VERSION};
use super::refusal::{Said, said};
use super::url::Url;
use crate::mcp::{FrameError, Lines, Members, Outcome};

pub use super::refusal::Refusal;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const KINDS: &str = "application/json, text/event-stream";
/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take for a message that it has no answer to.
const NOTICE: Duration = Duration::from_secs(10);
/// What waits for its receiver before the server has to.
const QUEUE: usize = 16;
/// How often a stream is resumed that says nothing new.
const RESUMPTIONS: u32 = 5;
/// How long is waited before that, unless the server says; and at most.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(10);
/// Connections that are kept for the next message.
const KEPT: usize = 2;
/// The most that is read of an answer that nobody asked for, to keep its connection.
const KEPT_BYTES: usize = 64 * 1024;

type Tell = mpsc::Sender<Result<String, FrameError>>;

/// A server's endpoint, and what is known of it.
#[derive(Debug)]
pub struct Streamable {
    endpoint: Arc<Endpoint>,
    came: mpsc::Receiver<Result<String, FrameError>>,
    tell: Tell,
    /// The exchange of the last request. Dropped, it ends, and its connection with it.
    running: JoinSet<()>,
    /// Whether the last request was of the era without sessions.
    stateless: bool,
}

#[derive(Debug)]
struct Endpoint {
    url: Url,
    door: Door,
    /// The longest message, in bytes.
    max_message: usize,
    kept: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    session: OnceLock<HeaderValue>,
    /// The revision that a handshake agreed on.
    version: OnceLock<HeaderValue>,
    mirrored: Mutex<Mirrored>,
}

impl Streamable {
    /// An endpoint that nothing was sent to yet; connections are made as messages need them.
    #[must_use]
    pub fn new(url: Url, door: Door, max_message: usize) -> Self {
        let (tell, came) = mpsc::channel(QUEUE);
        let endpoint = Endpoint {
            url,
            door,
            max_message,
            kept: Mutex::default(),
            session: OnceLock::new(),
            version: OnceLock::new(),
            mirrored: Mutex::default(),
        };
        Self { endpoint: Arc::new(endpoint), came, tell, running: JoinSet::new(), stateless: false }
    }
}

impl Lines for Streamable {
    async fn send(&mut self, line: &str) -> io::Result<()> {
        let asked = Asked::read(line);
        if asked.is_notice() {
            let place = || self.endpoint.url.place.clone();
            let told = timeout(NOTICE, self.endpoint.notify(&asked)).await;
            let told = told.unwrap_or_else(|_| Err(Refusal::Silent(place(), NOTICE)));
            // Whoever waits for an answer hears of it.
            if let Err(refusal) = told {
                let _ = self.tell.try_send(Err(refusal.into()));
            }
            return Ok(());
        }
        self.stateless = asked.version.is_some();
        // What came of an earlier request is nothing to this one.
        (self.tell, self.came) = mpsc::channel(QUEUE);
        self.running = JoinSet::new();
        let (endpoint, tell) = (Arc::clone(&self.endpoint), self.tell.clone());
        self.running.spawn(async move {
            if let Err(refusal) = endpoint.exchange(&asked, &tell).await {
                let _ = tell.send(Err(refusal.into())).await;
            }
        });
        Ok(())
    }

    async fn receive(&mut self) -> Result<Option<String>, FrameError> {
        self.came.recv().await.transpose()
    }

    /// Without sessions, whoever closes the answer cancels the request; with them it means nothing.
    fn withdraw(&mut self) -> bool {
        if self.stateless {
            self.running = JoinSet::new();
        }
        self.stateless
    }

    /// Ends the session, where there is one.
    async fn close(&mut self) {
        self.running = JoinSet::new();
        if self.endpoint.session.get().is_some() {
            // A server may refuse to be told.
            let _ = self.endpoint.request(Method::DELETE, self.endpoint.of_session(), "").await;
        }
    }
}

impl Endpoint {
    /// What a message says in its headers.
    fn headers(&self, asked: &Asked) -> Vec<(HeaderName, HeaderValue)> {
        match (&asked.version, self.mirrored.lock()) {
            (Some(version), Ok(mirrored)) => mirrored.headers(version, &asked.method, &asked.params),
            _ => self.of_session(),
        }
    }

    /// The headers of a message in a session.
    fn of_session(&self) -> Vec<(HeaderName, HeaderValue)> {
        let session = self.session.get().map(|session| (SESSION, session.clone()));
        session.into_iter().chain(self.version.get().map(|version| (VERSION, version.clone()))).collect()
    }

    /// Sends what has no answer.
    async fn notify(&self, asked: &Asked) -> Result<(), Refusal> {
        let (sender, response) = self.request(Method::POST, self.headers(asked), &asked.body).await?;
        if response.status().is_success() {
            // An answer that nobody asked for is as long as it likes.
            if Limited::new(response.into_body(), KEPT_BYTES).collect().await.is_ok() {
                self.keep(sender);
            }
            return Ok(());
        }
        Err(match self.refusal(asked, response).await {
            Ok(error) => self.status(StatusCode::BAD_REQUEST, Said::Rpc(error).words()),
            Err(refusal) => refusal,
        })
    }

    /// Sends a request, and tells everything that comes of it.
    async fn exchange(&self, asked: &Asked, tell: &Tell) -> Result<(), Refusal> {
        let (sender, response) = self.request(Method::POST, self.headers(asked), &asked.body).await?;
        if let Some(session) = response.headers().get(SESSION).filter(|_| asked.version.is_none()) {
            let _ = self.session.set(session.clone());
        }
        let (status, place) = (response.status(), || self.url.place.clone());
        if !status.is_success() {
            let error = self.refusal(asked, response).await?;
            let line =
                asked.answered(&Outcome::Error(error)).ok_or_else(|| Refusal::NotTheAnswer(place()))?;
            let _ = tell.send(Ok(line)).await;
            return Ok(());
        }
        match kind_of(response.headers()).as_str() {
            "application/json" => {
                let text = self.whole(response.into_body()).await?;
                self.keep(sender);
                let line = self.answer(asked, &text).ok_or_else(|| Refusal::NotTheAnswer(place()))?;
                let _ = tell.send(Ok(line)).await;
                Ok(())
            }
            "text/event-stream" => self.stream(asked, response.into_body(), tell).await,
            _ if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) => {
                Err(Refusal::NoAnswer(place(), status.as_u16()))
            }
            "" => Err(Refusal::NotMessages(place(), "no Content-Type".to_owned())),
            other => Err(Refusal::NotMessages(place(), other.to_owned())),
        }
    }

    /// Reads events until the answer is among them, over as many connections as that takes.
    async fn stream(&self, asked: &Asked, body: Incoming, tell: &Tell) -> Result<(), Refusal> {
        let mut events = Events::new(self.max_message);
        let mut body = Some(body);
        let mut attempts = 0;
        let ended = || Refusal::EndedEarly(self.url.place.clone());
        loop {
            if let Some(body) = body.take() {
                let before = events.last_id.clone();
                if self.read_events(asked, body, &mut events, tell).await? {
                    return Ok(());
                }
                if events.last_id != before {
                    attempts = 0;
                }
            }
            events.resume();
            let Some(last) =
                events.last_id.clone().filter(|_| asked.version.is_none() && attempts < RESUMPTIONS)
            else {
                return Err(ended());
            };
            attempts += 1;
            sleep(events.retry.map_or(RETRY, Duration::from_millis).min(MAX_RETRY)).await;
            let mut headers = self.of_session();
            headers.push((LAST_EVENT_ID, HeaderValue::from_str(&last).map_err(|_| ended())?));
            // A server that is not there may come again.
            let Ok((_, response)) = self.request(Method::GET, headers, "").await else { continue };
            if !response.status().is_success() {
                self.refusal(asked, response).await?;
                return Err(ended());
            }
            if kind_of(response.headers()) != "text/event-stream" {
                return Err(ended());
            }
            body = Some(response.into_body());
        }
    }

    /// Whether the answer was among the events.
    async fn read_events(
        &self,
        asked: &Asked,
        mut body: Incoming,
        events: &mut Events,
        tell: &Tell,
    ) -> Result<bool, Refusal> {
        let place = || self.url.place.clone();
        while let Some(Ok(frame)) = body.frame().await {
            let Some(bytes) = frame.data_ref() else { continue };
            let told = events.feed(bytes).map_err(|error| match error {
                Unreadable::TooLong => Refusal::TooLong(place(), self.max_message),
                Unreadable::NotUtf8 => Refusal::NotUtf8(place()),
            })?;
            for event in told.into_iter().filter(|event| !event.data.is_empty()) {
                let answer = self.answer(asked, &event.data);
                let is_answer = answer.is_some();
                if tell.send(Ok(answer.unwrap_or(event.data))).await.is_err() || is_answer {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What a text is to whoever asked, if it is the answer; and what is to be learnt from it.
    fn answer(&self, asked: &Asked, text: &str) -> Option<String> {
        let answer = asked.answer(text)?;
        let result = result_of(&answer);
        match (asked.method.as_str(), result) {
            ("initialize", Some(result)) => {
                let version: Option<String> = Members::read(result)?.value("protocolVersion");
                if let Some(version) = version.and_then(|version| HeaderValue::from_str(&version).ok()) {
                    let _ = self.version.set(version);
                }
            }
            ("tools/list", Some(result)) => {
                if let Some(left) = self.mirrored.lock().ok()?.learn(result) {
                    return asked.answered(&Outcome::Result(left));
                }
            }
            _ => {}
        }
        Some(answer)
    }

    /// What a status that is no success means: the error object that the server answers with, or why there
    /// is none.
    async fn refusal(&self, asked: &Asked, response: Response<Incoming>) -> Result<String, Refusal> {
        let (status, place) = (response.status(), || self.url.place.clone());
        if status.is_redirection() {
            let to = response
                .headers()
                .get(LOCATION)
                .map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            return Err(Refusal::Redirect(place(), to.unwrap_or_default()));
        }
        match said(response.into_body()).await {
            said if status == StatusCode::NOT_FOUND
                && asked.version.is_none()
                && self.session.get().is_some() =>
            {
                Err(Refusal::LostSession(place(), said.words()))
            }
            Said::Rpc(error) if ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) => {
                Ok(error)
            }
            said => Err(self.status(status, said.words())),
        }
    }

    fn status(&self, status: StatusCode, words: String) -> Refusal {
        Refusal::Status { place: self.url.place.clone(), status: status.as_u16(), words }
    }

    /// A body that is one text.
    async fn whole(&self, body: Incoming) -> Result<String, Refusal> {
        let place = || self.url.place.clone();
        let body = Limited::new(body, self.max_message).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Refusal::TooLong(place(), self.max_message);
            }
            match error.downcast::<hyper::Error>() {
                Ok(error) => Refusal::Broken(place(), *error),
                Err(_) => Refusal::EndedEarly(place()),
            }
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| Refusal::NotUtf8(place()))
    }

    /// One request, over a connection that is there or a new one, until the head of its answer.
    async fn request(
        &self,
        method: Method,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: &str,
    ) -> Result<(SendRequest<Full<Bytes>>, Response<Incoming>), Refusal> {
        let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
        *request.method_mut() = method;
        // Both were read as parts of a URL.
        *request.uri_mut() = self.url.path.parse().unwrap_or_default();
        let host =
            HeaderValue::from_str(&self.url.authority).unwrap_or_else(|_| HeaderValue::from_static(""));
        let kind = (!body.is_empty()).then_some((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        let ours = [(HOST, host), (ACCEPT, HeaderValue::from_static(KINDS))];
        request.headers_mut().extend(ours.into_iter().chain(kind).chain(headers).chain(self.door.headers()));
        let broken = |error| Refusal::Broken(self.url.place.clone(), error);
        while let Some(mut sender) = self.kept.lock().ok().and_then(|mut kept| kept.pop()) {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                // It closed meanwhile, and has taken nothing.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(error.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok((sender, response))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Refusal> {
        let place = || self.url.place.clone();
        let connected = async {
            let stream = self.door.connect(&self.url.place).await;
            let stream = stream.map_err(|error| Refusal::Connect(place(), error))?;
            handshake(TokioIo::new(stream)).await.map_err(|error| Refusal::Broken(place(), error))
        };
        let connected = timeout(CONNECT, connected).await;
        let (sender, connection) = connected.map_err(|_| Refusal::NoConnection(place(), CONNECT))??;
        // Ends once nobody has a sender of it.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        if let Ok(mut kept) = self.kept.lock()
            && kept.len() < KEPT
        {
            kept.push(sender);
        }
    }
}

/// A body's media type, in lower case and without parameters.
fn kind_of(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
