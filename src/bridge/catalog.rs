//! The server's tools: its whole list, asked for once for everybody who wants it at a time, and kept
//! for a moment.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::abilities::Abilities;
use super::greeting::Era;
use super::link::LinkEnd;
use super::mirrored::Mirrored;
use super::pool::{Lease, Pool, PoolError};
use super::rest::QUEUE;
use super::tool::{self, ToolError};
use crate::mcp::Members;

/// How long a list holds: a client that looks at the tools asks for them more than once.
const FRESH: Duration = Duration::from_secs(5);
/// The most pages of a list; a cursor that leads in a circle ends here.
const MAX_PAGES: usize = 256;
/// The most tools in a list.
const MAX_TOOLS: usize = 10_000;
/// The longest list, in bytes of its pages.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// What is shown of a tool; the rest is for clients that speak MCP.
const SHOWN: [&str; 6] = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];
/// JSON-RPC's code of servers without tools.
const METHOD_NOT_FOUND: i64 = -32601;

/// Why there is no list.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ListError {
    /// There is no server to ask.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The server has no answer.
    #[error("the tools cannot be listed: {0}")]
    Tool(#[from] ToolError),
    /// The answer is no list, or more than anybody reads.
    #[error("the server's list of tools {0}")]
    Unreadable(String),
    /// The whole list took longer than a call may.
    #[error("the tools were not listed in time")]
    TooSlow,
    /// Nobody asks any more.
    #[error("the bridge is stopping")]
    Stopping,
}

/// A tool, as the server describes it.
#[derive(Debug)]
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: String,
    /// What is shown of it: a JSON object, each member as the server wrote it.
    pub(crate) text: String,
}

/// What a server says of itself and of its tools.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// What the server said when it was greeted, as JSON.
    pub(crate) server: String,
    /// The tools in the server's order, each name once; `None` where its dialect has no lists.
    pub(crate) tools: Option<Vec<Tool>>,
    /// The parameters that clients repeat in headers.
    pub(crate) mirrored: Mirrored,
    /// The description of all the tools for whoever may call them all, once somebody wants it.
    pub(crate) description: OnceLock<Bytes>,
}

impl Catalog {
    /// Whether there is a tool of this name.
    pub(crate) fn names(&self, tool: &str) -> bool {
        self.tools.iter().flatten().any(|listed| listed.name == tool)
    }
}

/// Asks a server for its list, every page of it.
pub(crate) async fn read(lease: &Lease) -> Result<Catalog, ListError> {
    let (server, tools) = match lease.era() {
        Era::Bare => ("{}", None),
        Era::Legacy { initialized: server, .. } | Era::Modern { discovered: server, .. } => {
            let mut list = List::default();
            let mut params = json!({});
            while let Some(cursor) = list.take(tool::ask_for_text(lease, "tools/list", params).await)? {
                params = json!({"cursor": cursor});
            }
            (server.as_str(), Some(list.tools))
        }
    };
    let listed = tools.iter().flatten().map(|tool: &Tool| (tool.name.as_str(), tool.text.as_str()));
    let mirrored = Mirrored::of(listed);
    Ok(Catalog { server: server.to_owned(), tools, mirrored, description: OnceLock::new() })
}

/// A list as its pages come.
#[derive(Debug, Default)]
struct List {
    tools: Vec<Tool>,
    names: HashSet<String>,
    pages: usize,
    bytes: usize,
}

impl List {
    /// Takes a page, and returns where the next one is.
    fn take(&mut self, page: Result<String, ToolError>) -> Result<Option<String>, ListError> {
        let text = match page {
            // Some servers have no tools, and no method that says so.
            Err(ToolError::Refused { code: METHOD_NOT_FOUND, .. }) if self.pages == 0 => return Ok(None),
            text => text?,
        };
        self.pages += 1;
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(unreadable(format!("is longer than {MAX_BYTES} bytes")));
        }
        let page = Members::read(&text).ok_or_else(|| unreadable("is no object"))?;
        let listed = page.get("tools").and_then(|tools| serde_json::from_str::<Vec<&RawValue>>(tools).ok());
        for tool in listed.ok_or_else(|| unreadable("has no list in it"))? {
            // Whatever has no name cannot be called, and of two of one name only one can.
            let tool = shown(tool.get()).filter(|tool| self.names.insert(tool.name.clone()));
            self.tools.extend(tool);
            if self.tools.len() > MAX_TOOLS {
                return Err(unreadable(format!("has more than {MAX_TOOLS} tools")));
            }
        }
        let cursor = page.value::<String>("nextCursor");
        if cursor.is_some() && self.pages == MAX_PAGES {
            return Err(unreadable(format!("has more than {MAX_PAGES} pages")));
        }
        Ok(cursor)
    }
}

fn shown(text: &str) -> Option<Tool> {
    let listed = Members::read(text)?;
    let name = listed.value::<String>("name").filter(|name| !name.is_empty())?;
    let mut shown = Members::default();
    for member in SHOWN {
        if let Some(text) = listed.get(member).filter(|text| *text != "null") {
            shown.set(member, text);
        }
    }
    Some(Tool { name, text: shown.to_string() })
}

fn unreadable(why: impl Display) -> ListError {
    ListError::Unreadable(why.to_string())
}

type Outcome = Result<Arc<Catalog>, ListError>;
type Answer = watch::Receiver<Option<(Instant, Outcome)>>;

/// What was listed last, or is being listed.
#[derive(Debug)]
pub(crate) struct Catalogs {
    pool: Arc<Pool>,
    limit: Duration,
    stopping: watch::Receiver<bool>,
    last: Mutex<Option<Answer>>,
}

impl Catalogs {
    /// Lists take at most `limit`, and end when the bridge does.
    pub(crate) fn new(pool: Arc<Pool>, limit: Duration, stopping: watch::Receiver<bool>) -> Self {
        Self { pool, limit, stopping, last: Mutex::default() }
    }

    /// The list. However many ask, the server is asked once at a time; a failure is that of all who
    /// wait for it, and is not kept.
    pub(crate) async fn get(&self) -> Outcome {
        let mut answer = match self.look() {
            Ok(fresh) => return Ok(fresh),
            Err(answer) => answer,
        };
        match answer.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((_, outcome))) => outcome.clone(),
            // Whoever asked is gone without a word.
            _ => Err(ToolError::from(LinkEnd::Closed).into()),
        }
    }

    /// The list that is fresh, or where the next one will be.
    fn look(&self) -> Result<Arc<Catalog>, Answer> {
        // What is kept is valid after every statement: a panic elsewhere does not spoil it.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = last.as_ref().filter(|answer| is_of_use(answer)) {
            return match &*answer.borrow() {
                Some((_, Ok(catalog))) => Ok(Arc::clone(catalog)),
                _ => Err(answer.clone()),
            };
        }
        let (tell, answer) = watch::channel(None);
        let (pool, limit, mut stopping) = (Arc::clone(&self.pool), self.limit, self.stopping.clone());
        // In a task of its own: whoever asked first may leave, and others wait for the same.
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = timeout(limit, list(&pool)) => outcome.unwrap_or(Err(ListError::TooSlow)),
                _ = stopping.wait_for(|stopping| *stopping) => Err(ListError::Stopping),
            };
            tell.send_replace(Some((Instant::now(), outcome.map(Arc::new))));
        });
        *last = Some(answer.clone());
        Err(answer)
    }
}

/// Whether a list is on its way, or is fresh.
fn is_of_use(answer: &Answer) -> bool {
    match &*answer.borrow() {
        None => answer.has_changed().is_ok(),
        Some((since, outcome)) => outcome.is_ok() && since.elapsed() < FRESH,
    }
}

async fn list(pool: &Arc<Pool>) -> Result<Catalog, ListError> {
    let lease = pool.lease(&Abilities::default(), QUEUE).await?;
    read(&lease).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Every tool of the pages that a server has under its cursors.
    fn all(page: impl Fn(Option<&str>) -> Value) -> Result<Vec<String>, String> {
        let mut list = List::default();
        let mut cursor = None;
        loop {
            cursor = list.take(Ok(page(cursor.as_deref()).to_string())).map_err(|error| error.to_string())?;
            if cursor.is_none() {
                return Ok(list.tools.into_iter().map(|tool| tool.text).collect());
            }
        }
    }

    #[test]
    fn every_page_is_read_and_each_name_is_there_once() {
        let listed = all(|cursor| match cursor {
            None => json!({"tools": [{"name": "b"}, {"name": 7}, {}, {"name": ""}], "nextCursor": "2"}),
            Some("2") => json!({"tools": [{"name": "a"}, {"name": "b", "title": "other"}, "c"]}),
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.expect("a list"), [r#"{"name":"b"}"#, r#"{"name":"a"}"#]);
    }

    #[test]
    fn what_is_shown_of_a_tool_stands_as_the_server_wrote_it() {
        let tool = shown(r#"{"_meta":{},"inputSchema":{"b": 1e999,"a":{}},"title":null,"name":"\u0061"}"#);
        let tool = tool.expect("a tool");
        assert_eq!(
            (tool.name.as_str(), tool.text.as_str()),
            ("a", r#"{"name":"\u0061","inputSchema":{"b": 1e999,"a":{}}}"#)
        );
    }

    #[test]
    fn a_list_without_end_is_given_up() {
        let circle = all(|_| json!({"tools": [{"name": "a"}], "nextCursor": "again"}));
        assert!(circle.is_err_and(|error| error.contains("more than 256 pages")));
        let long = "x".repeat(MAX_BYTES);
        let long = all(|_| json!({"tools": [{"name": "a", "description": long}]}));
        assert!(long.is_err_and(|error| error.contains("longer than 2097152 bytes")));
        let many: Vec<Value> = (0..=MAX_TOOLS).map(|name| json!({"name": name.to_string()})).collect();
        let many = all(|_| json!({"tools": many}));
        assert!(many.is_err_and(|error| error.contains("more than 10000 tools")));
    }

    #[test]
    fn an_answer_that_is_no_list_is_an_error_and_a_server_without_the_method_has_no_tools() {
        for answer in [json!([]), json!({}), json!({"tools": {}})] {
            assert!(all(|_| answer.clone()).is_err(), "{answer}");
        }
        let refuse = |code| {
            let mut list = List::default();
            list.take(Err(ToolError::Refused { code, message: "no".to_owned() }))
        };
        assert!(matches!(refuse(METHOD_NOT_FOUND), Ok(None)));
        assert!(matches!(refuse(-32603), Err(ListError::Tool(_))));
    }

    #[test]
    fn a_list_is_kept_for_a_moment_and_a_failure_is_not() {
        let catalog = || Catalog {
            server: "{}".to_owned(),
            tools: None,
            mirrored: Mirrored::default(),
            description: OnceLock::new(),
        };
        let (tell, answer) = watch::channel(None);
        assert!(is_of_use(&answer), "on its way");
        tell.send_replace(Some((Instant::now(), Ok(Arc::new(catalog())))));
        assert!(is_of_use(&answer), "fresh");
        let before = Instant::now().checked_sub(FRESH).expect("a machine that runs for longer");
        tell.send_replace(Some((before, Ok(Arc::new(catalog())))));
        assert!(!is_of_use(&answer), "old");
        tell.send_replace(Some((Instant::now(), Err(ListError::TooSlow))));
        assert!(!is_of_use(&answer), "failed");
        tell.send_replace(None);
        drop(tell);
        assert!(!is_of_use(&answer), "given up");
    }
}
