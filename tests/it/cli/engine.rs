//! A stand-in for an engine: answers a handful of calls on a unix socket, and remembers them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// No request of these tests is larger.
const MAX_BODY: usize = 1 << 22;

/// An engine that has nothing yet and can do everything.
pub(super) struct Engine {
    /// As `DOCKER_HOST` names it.
    pub(super) host: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Answers of this test's own: `METHOD /path` to status and body.
    answers: Mutex<BTreeMap<String, (u16, String)>>,
    /// A call that is never answered, and whether it was made.
    silent: Mutex<Option<String>>,
    asked_in_vain: Notify,
    /// The labels of each image that was built.
    built: Mutex<BTreeMap<String, Value>>,
    /// Every request: `METHOD /path?query`, and its body.
    requests: Mutex<Vec<(String, String)>>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    pub(super) fn start(folder: &Path) -> Self {
        let socket = folder.join("docker.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let shared = Arc::<Shared>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self { host: format!("unix://{}", socket.display()), shared, task }
    }

    /// Gives a call an answer of this test's own.
    #[expect(clippy::needless_pass_by_value, reason = "texts and values alike")]
    pub(super) fn with(self, call: &str, status: u16, body: impl ToString) -> Self {
        self.shared.answers.lock().expect("answers").insert(call.to_owned(), (status, body.to_string()));
        self
    }

    /// Adds to what the engine says of its machine.
    pub(super) fn with_info(self, more: &Value) -> Self {
        let mut info = info();
        for (key, value) in more.as_object().expect("an object") {
            info[key] = value.clone();
        }
        self.with("GET /info", 200, info)
    }

    /// Leaves a call without an answer.
    pub(super) fn silent(self, call: &str) -> Self {
        *self.shared.silent.lock().expect("a call") = Some(call.to_owned());
        self
    }

    /// Waits until the call that is never answered was made.
    pub(super) async fn asked_in_vain(&self) {
        let made = self.shared.asked_in_vain.notified();
        tokio::time::timeout(Duration::from_secs(20), made).await.expect("in time");
    }

    /// Calls that change something, without their queries.
    pub(super) fn changes(&self) -> Vec<String> {
        let requests = self.shared.requests.lock().expect("requests");
        let changes = requests.iter().filter(|(call, _)| !call.starts_with("GET "));
        changes.map(|(call, _)| call.split('?').next().unwrap_or_default().to_owned()).collect()
    }

    /// The bodies of one call.
    pub(super) fn bodies(&self, call: &str) -> Vec<String> {
        let requests = self.shared.requests.lock().expect("requests");
        let of = requests.iter().filter(|(made, _)| made.split('?').next() == Some(call));
        of.map(|(_, body)| body.clone()).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.expect("a body");
    let path = decoded(head.uri.path());
    let query = decoded(head.uri.query().unwrap_or_default());
    let call = format!("{} {path}", head.method);
    let text = String::from_utf8_lossy(&body).into_owned();
    shared.requests.lock().expect("requests").push((format!("{call}?{query}"), text.clone()));
    let silent = shared.silent.lock().expect("a call").as_ref() == Some(&call);
    if silent {
        shared.asked_in_vain.notify_one();
        std::future::pending::<()>().await;
    }
    let own = shared.answers.lock().expect("answers").get(&call).cloned();
    let (status, body) = own.unwrap_or_else(|| ordinary(&shared, &call, &query, &text));
    let status = StatusCode::from_u16(status).expect("a status");
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(if status == StatusCode::NO_CONTENT { String::new() } else { body }))
        .expect("an answer")
}

/// The labels that the Dockerfile in a build's context gives its image.
fn labels_of(context: &str) -> Value {
    let line = context.lines().find_map(|line| line.strip_prefix("LABEL ")).expect("labels");
    let words: Vec<&str> = line.split('"').collect();
    words
        .chunks_exact(4)
        .map(|label| (label[1].to_owned(), Value::from(label[3])))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What an engine answers that has nothing but what was built.
fn ordinary(shared: &Shared, call: &str, query: &str, body: &str) -> (u16, String) {
    let ok = |value: Value| (200, value.to_string());
    let missing = |what: &str| (404, json!({"message": format!("No such {what}")}).to_string());
    let parameter = |name: &str| {
        let named = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        named.unwrap_or_default().to_owned()
    };
    match call {
        "GET /_ping" => (200, "OK".to_owned()),
        "GET /version" => ok(version("1.47")),
        "GET /info" => ok(info()),
        "GET /containers/json" | "GET /networks" => ok(json!([])),
        "GET /volumes" => ok(json!({"Volumes": [], "Warnings": null})),
        "POST /build" => {
            shared.built.lock().expect("images").insert(parameter("t"), labels_of(body));
            (200, lines(&[json!({"stream": "Step 1/2 : FROM scratch\n"}), json!({"stream": "Successfully built\n"})]))
        }
        "POST /networks/create" => (201, json!({"Id": "network", "Warning": ""}).to_string()),
        "POST /volumes/create" => {
            (201, json!({"Name": "v", "Driver": "local", "Mountpoint": "", "Labels": {}, "Scope": "local", "Options": {}}).to_string())
        }
        "POST /containers/create" => (201, json!({"Id": "container", "Warnings": []}).to_string()),
        _ if call.starts_with("GET /images/") => {
            let name = call.trim_start_matches("GET /images/").trim_end_matches("/json");
            match shared.built.lock().expect("images").get(name) {
                Some(labels) => ok(image(labels)),
                None => missing("image"),
            }
        }
        _ if call.starts_with("GET /containers/") => missing("container"),
        _ if call.ends_with("/start") || call.ends_with("/stop") => (204, String::new()),
        _ if call.starts_with("DELETE ") => (204, String::new()),
        _ => (501, json!({"message": format!("the stand-in has no answer to {call}")}).to_string()),
    }
}

pub(super) fn version(api: &str) -> Value {
    json!({"Version": "27.0.0", "ApiVersion": api, "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"})
}

pub(super) fn image(labels: &Value) -> Value {
    json!({
        "Id": format!("sha256:{}", "a".repeat(64)), "Architecture": "amd64", "Size": 1_234_567,
        "Config": {"User": "65532:65532", "Entrypoint": ["/server"], "Labels": labels},
    })
}

fn info() -> Value {
    json!({
        "Architecture": "x86_64", "NCPU": 4, "MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true,
        "PidsLimit": true, "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    })
}

/// A stream of messages, as a build or a pull answers.
pub(super) fn lines(messages: &[Value]) -> String {
    messages.iter().flat_map(|message| [message.to_string(), "\r\n".to_owned()]).collect()
}

/// A line of standard error's as the log of a container without a terminal has it.
pub(super) fn log(line: &str) -> String {
    let length = u8::try_from(line.len()).ok().filter(u8::is_ascii).expect("a short line");
    let head = [2, 0, 0, 0, 0, 0, 0, length].map(char::from);
    head.into_iter().chain(line.chars()).collect()
}

/// Percent-encoding undone (RFC 3986, 2.1), and `+` for a blank.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).expect("two digits")
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).expect("a text")
}
