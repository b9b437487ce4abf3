//! One client on one wire: open, greet, call, close.

use std::io;

use serde_json::Value;

use crate::args::{Args, Wire};
use crate::http::{Head, Http, Target};
use crate::message::{self, Template, Verdict};
use crate::pipe::Pipe;
use crate::websocket::WebSocket;

#[derive(Debug)]
enum Link {
    Pipe(Box<Pipe>),
    Socket(Box<WebSocket>),
    Http(Box<Http>),
}

#[derive(Debug)]
pub(crate) struct Session {
    wire: Wire,
    link: Link,
    /// Of the HTTP wires.
    target: Option<Target>,
    /// Header lines that every request of the session carries.
    headers: String,
    id: Option<String>,
    /// The echo tool's name.
    tool: String,
    template: Template,
    /// Answers that were not the one waited for.
    pub(crate) strays: u64,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Of HTTP.
    status: Option<u16>,
    body: Vec<u8>,
}

impl Answer {
    /// Whether it claims that the call went well.
    pub(crate) fn is_success(&self) -> bool {
        let said = self.message();
        self.status.is_none_or(|status| (200..300).contains(&status))
            && said.get("error").is_none()
            && said["result"]["isError"] != true
    }

    pub(crate) fn message(&self) -> Value {
        message::parsed(&self.body).unwrap_or_default()
    }
}

impl Session {
    /// Connected, and nothing more.
    pub(crate) async fn open(args: &Args, client: usize) -> io::Result<Self> {
        let target = match args.wire {
            Wire::Pipe => None,
            _ => Some(Target::parse(&args.url)?),
        };
        let link = match &target {
            None => Link::Pipe(Box::new(Pipe::open(&args.command)?)),
            Some(target) if args.wire == Wire::Ws => {
                Link::Socket(Box::new(WebSocket::open(target, &args.header).await?))
            }
            Some(target) => Link::Http(Box::new(Http::open(target).await?)),
        };
        let mut headers = String::from("Content-Type: application/json\r\n");
        for header in &args.header {
            headers.push_str(header);
            headers.push_str("\r\n");
        }
        let template = Template::echo(args.wire, &args.tool, client, args.bytes);
        Ok(Self {
            wire: args.wire,
            link,
            target,
            headers,
            id: None,
            tool: args.tool.clone(),
            template,
            strays: 0,
        })
    }

    /// Whether greeting already brought an answer.
    pub(crate) fn has_handshake(&self) -> bool {
        matches!(self.wire, Wire::Pipe | Wire::Ws | Wire::Legacy)
    }

    /// What the wire asks for before the first call, which is afterwards ready to go.
    pub(crate) async fn greet(&mut self) -> io::Result<()> {
        match self.wire {
            Wire::Pipe | Wire::Ws => {
                let answer = self.say(message::initialize().as_bytes(), None).await?;
                version(&answer.body)?;
                self.tell(message::INITIALIZED.as_bytes()).await?;
            }
            Wire::Legacy => self.shake_hands().await?,
            Wire::Stateless => self.headers.push_str("Accept: application/json, text/event-stream\r\n"),
            Wire::Modern => self.headers.push_str(
                "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
                 Mcp-Method: tools/call\r\n",
            ),
            Wire::Rest | Wire::Tool => {}
        }
        if self.target.is_some() && self.wire != Wire::Ws {
            let head = self.head("POST", Some(self.tool.as_str()), self.template.length());
            let plain = std::mem::take(&mut self.template);
            self.template = plain.behind(head.as_bytes());
        }
        Ok(())
    }

    async fn shake_hands(&mut self) -> io::Result<()> {
        self.headers.push_str("Accept: application/json, text/event-stream\r\n");
        let request = self.request("POST", None, message::initialize().as_bytes());
        let (head, answer) = self.http()?.exchange(&request).await?;
        let version =
            version(answer).map_err(|error| io::Error::other(format!("{}: {error}", head.status)))?;
        if let Some(id) = head.session {
            self.header("Mcp-Session-Id", &id);
            self.id = Some(id);
        }
        self.header("MCP-Protocol-Version", &version);
        let request = self.request("POST", None, message::INITIALIZED.as_bytes());
        let (head, _) = self.http()?.exchange(&request).await?;
        accepted(&head)
    }

    /// The next echo, and whether its answer is its own. On wires where answers carry no connection to
    /// their request but the message, others are counted as strays and waited past.
    pub(crate) async fn call(&mut self) -> io::Result<Verdict> {
        let request = self.template.next();
        match &mut self.link {
            Link::Http(http) => {
                let (_, answer) = http.exchange(request).await?;
                return Ok(self.template.judge(answer));
            }
            Link::Pipe(pipe) => pipe.send(request).await?,
            Link::Socket(socket) => socket.send(request).await?,
        }
        loop {
            let answer = match &mut self.link {
                Link::Pipe(pipe) => pipe.receive().await?,
                Link::Socket(socket) => socket.receive().await?,
                Link::Http(_) => &[],
            };
            match self.template.judge(answer) {
                Verdict::Wrong => self.strays += 1,
                other => return Ok(other),
            }
        }
    }

    /// The next echo's answer in full, with the id of its request.
    pub(crate) async fn look(&mut self) -> io::Result<(Verdict, Option<u64>, Answer)> {
        let request = self.template.next().to_vec();
        let answer = self.say_raw(&request).await?;
        Ok((self.template.judge(&answer.body), self.template.id(), answer))
    }

    /// A call of `tool`, whatever comes of it.
    pub(crate) async fn ask(&mut self, tool: &str, arguments: &Value) -> io::Result<Answer> {
        let body = message::body(self.wire, tool, arguments);
        self.say(body.as_bytes(), Some(tool)).await
    }

    /// One message and its answer. A status that is no success is an answer too.
    async fn say(&mut self, body: &[u8], tool: Option<&str>) -> io::Result<Answer> {
        let request = match self.link {
            Link::Http(_) => self.request("POST", tool, body),
            _ => body.to_vec(),
        };
        self.say_raw(&request).await
    }

    async fn say_raw(&mut self, request: &[u8]) -> io::Result<Answer> {
        let body = match &mut self.link {
            Link::Http(http) => {
                let (head, body) = http.exchange(request).await?;
                return Ok(Answer { status: Some(head.status), body: body.to_vec() });
            }
            Link::Pipe(pipe) => {
                pipe.send(request).await?;
                pipe.receive().await?
            }
            Link::Socket(socket) => {
                socket.send(request).await?;
                socket.receive().await?
            }
        };
        Ok(Answer { status: None, body: body.to_vec() })
    }

    async fn tell(&mut self, message: &[u8]) -> io::Result<()> {
        match &mut self.link {
            Link::Pipe(pipe) => pipe.send(message).await,
            Link::Socket(socket) => socket.send(message).await,
            Link::Http(_) => Ok(()),
        }
    }

    /// Ends the session as its wire wants it, so that nothing is left behind at the peer.
    pub(crate) async fn close(mut self) {
        if self.id.is_some() {
            let request = self.request("DELETE", None, b"");
            if let Ok(http) = self.http() {
                // Servers may refuse it.
                let _ = http.exchange(&request).await;
            }
        }
        match self.link {
            Link::Pipe(pipe) => pipe.close().await,
            Link::Socket(socket) => socket.close().await,
            Link::Http(_) => {}
        }
    }

    fn header(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.headers.push_str(part);
        }
    }

    fn http(&mut self) -> io::Result<&mut Http> {
        match &mut self.link {
            Link::Http(http) => Ok(http),
            _ => Err(io::Error::other("not an HTTP wire")),
        }
    }

    fn request(&self, method: &str, tool: Option<&str>, body: &[u8]) -> Vec<u8> {
        let mut request = self.head(method, tool, body.len()).into_bytes();
        request.extend_from_slice(body);
        request
    }

    fn head(&self, method: &str, tool: Option<&str>, length: usize) -> String {
        let (mut path, mut authority) = ("/", "");
        if let Some(target) = &self.target {
            (path, authority) = (&target.path, &target.authority);
        }
        let path = match (self.wire, tool) {
            (Wire::Tool, Some(tool)) => format!("{}/{tool}", path.trim_end_matches('/')),
            _ => path.to_owned(),
        };
        let name = match (self.wire, tool) {
            (Wire::Modern, Some(tool)) => format!("Mcp-Name: {tool}\r\n"),
            _ => String::new(),
        };
        let headers = &self.headers;
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\n{headers}{name}Content-Length: {length}\r\n\r\n"
        )
    }
}

/// The revision that an answer to `initialize` settles on.
fn version(answer: &[u8]) -> io::Result<String> {
    let parsed = message::parsed(answer).unwrap_or_default();
    match parsed["result"]["protocolVersion"].as_str() {
        Some(version) => Ok(version.to_owned()),
        None => Err(io::Error::other(format!("no handshake: {}", message::excerpt(answer)))),
    }
}

fn accepted(head: &Head) -> io::Result<()> {
    if (200..300).contains(&head.status) {
        Ok(())
    } else {
        Err(io::Error::other(format!("initialized was answered with {}", head.status)))
    }
}
