//! Finding out how a server speaks, once; and greeting each of its processes after that.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::abilities::Abilities;
use super::link::{Answer, Link, LinkEnd, Speech};
use crate::mcp::{LEGACY, MODERN, Members, Outcome};

/// How long a server may leave a question unanswered that it may not know, before it is asked in the
/// older way as well.
const DISCOVER_PATIENCE: Duration = Duration::from_secs(3);
/// How long a server may take to answer the first thing that it does know: interpreted ones take
/// seconds to start.
const GREETING_PATIENCE: Duration = Duration::from_secs(30);

/// How a server speaks, and what it said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Era {
    /// Stateless, and what it answered to `server/discover`.
    Modern {
        /// The revision that both know.
        version: String,
        /// The result, as JSON.
        discovered: String,
    },
    /// With a handshake, and what it answered to `initialize`.
    Legacy {
        /// The revision that was agreed on.
        version: String,
        /// The result, as JSON.
        initialized: String,
    },
    /// Lines of JSON.
    Bare,
}

impl Era {
    /// What the server said that it can do.
    pub(crate) fn capabilities(&self) -> serde_json::Value {
        let (Self::Modern { discovered: said, .. } | Self::Legacy { initialized: said, .. }) = self else {
            return json!({"tools": {}});
        };
        Members::read(said).and_then(|said| said.value("capabilities")).unwrap_or_default()
    }

    fn speech(&self) -> Speech {
        if *self == Self::Bare { Speech::Bare } else { Speech::Rpc }
    }
}

/// Why a server could not be greeted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GreetingError {
    /// It ended over a question that it may not know: another process is to be asked in another way.
    #[error("the server ended over {asked}")]
    EndedOver {
        /// The method.
        asked: &'static str,
    },
    /// It ended, or could not be read.
    #[error(transparent)]
    Link(#[from] LinkEnd),
    /// It answered nothing.
    #[error("the server answered nothing within {0:?}")]
    Silent(Duration),
    /// It refused.
    #[error("the server refused {asked}: {error}")]
    Refused {
        /// The method.
        asked: &'static str,
        /// Its error object, as JSON.
        error: String,
    },
}

/// Asks a server how it speaks: by `server/discover` where `discover` is set (the specification's
/// probe for stdio), else and after that by `initialize`. Whoever answers either with an object that
/// is no JSON-RPC speaks the bare dialect.
pub(crate) async fn learn(link: &Link, able: &Abilities, discover: bool) -> Result<Era, GreetingError> {
    if discover {
        match asked(link, "server/discover", &discover_params(), DISCOVER_PATIENCE).await {
            Ok(Answer::Rpc(Outcome::Result(discovered))) => {
                link.set_speech(Speech::Rpc);
                return Ok(Era::Modern { version: MODERN.to_owned(), discovered });
            }
            Ok(Answer::Bare(_)) => return Ok(bare(link)),
            Err(GreetingError::Link(LinkEnd::Ended)) => {
                return Err(GreetingError::EndedOver { asked: "server/discover" });
            }
            Ok(Answer::Rpc(Outcome::Error(_))) | Err(GreetingError::Silent(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match asked(link, "initialize", &initialize_params(able), GREETING_PATIENCE).await {
        Ok(Answer::Rpc(Outcome::Result(initialized))) => {
            link.set_speech(Speech::Rpc);
            link.tell("notifications/initialized", None).await?;
            let version = Members::read(&initialized).and_then(|result| result.value("protocolVersion"));
            Ok(Era::Legacy { version: version.unwrap_or_else(|| LEGACY.to_owned()), initialized })
        }
        Ok(Answer::Bare(_)) => Ok(bare(link)),
        Ok(Answer::Rpc(Outcome::Error(error))) => Err(GreetingError::Refused { asked: "initialize", error }),
        Err(GreetingError::Link(LinkEnd::Ended)) => Err(GreetingError::EndedOver { asked: "initialize" }),
        Err(error) => Err(error),
    }
}

/// Greets another process of a server whose ways are known, for clients that can be asked for so much.
pub(crate) async fn greet(link: &Link, era: &Era, able: &Abilities) -> Result<(), GreetingError> {
    link.set_speech(era.speech());
    let Era::Legacy { .. } = era else { return Ok(()) };
    match asked(link, "initialize", &initialize_params(able), GREETING_PATIENCE).await? {
        Answer::Rpc(Outcome::Error(error)) => Err(GreetingError::Refused { asked: "initialize", error }),
        Answer::Rpc(Outcome::Result(_)) | Answer::Bare(_) => {
            Ok(link.tell("notifications/initialized", None).await?)
        }
    }
}

fn bare(link: &Link) -> Era {
    link.set_speech(Speech::Bare);
    Era::Bare
}

async fn asked(
    link: &Link,
    method: &'static str,
    params: &str,
    patience: Duration,
) -> Result<Answer, GreetingError> {
    let mut asked = link.ask(method, Some(params), 0).await?;
    if let Ok(answer) = timeout(patience, asked.answer()).await {
        Ok(answer?)
    } else {
        // What was asked may be unknown; that it is not answered says nothing against the server.
        asked.forget();
        Err(GreetingError::Silent(patience))
    }
}

fn client_info() -> serde_json::Value {
    json!({"name": "mcp-bridge", "version": env!("CARGO_PKG_VERSION")})
}

fn discover_params() -> String {
    json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": client_info(),
    }})
    .to_string()
}

fn initialize_params(able: &Abilities) -> String {
    json!({"protocolVersion": LEGACY, "capabilities": able.as_json(), "clientInfo": client_info()})
        .to_string()
}
