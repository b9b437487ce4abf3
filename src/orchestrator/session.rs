//! MCP proper, which rmcp speaks: the handshake of 2025-11-25 and before, or stateless 2026-07-28,
//! whichever the client's first request belongs to.
//!
//! rmcp reads and writes through a [`Pipe`] in memory, never stdin or stdout: that is how the
//! requests in flight are known, and how other lines can come between.

use std::io;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientJsonRpcMessage, ClientRequest,
    CustomRequest, CustomResult, ErrorCode, ErrorData, GetMeta, Implementation, JsonRpcMessage,
    ListToolsResult, PaginatedRequestParams, PingRequestMethod, RequestId, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer, RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{ServerHandler, ServiceExt};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tracing::{debug, warn};

use super::catalog;
use super::outbox::Outbox;
use super::requests::OpenRequests;
use super::tools::Tools;

/// Serves until the queue's sender is gone.
pub(super) async fn serve(
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    tools: Arc<Tools>,
    outbox: Outbox,
    open: OpenRequests,
) {
    let incoming = Arc::new(Mutex::new(incoming));
    loop {
        let pipe = Pipe { incoming: Arc::clone(&incoming), outbox: outbox.clone(), open: open.clone() };
        match (Server { tools: Arc::clone(&tools) }).serve(pipe).await {
            Ok(running) => {
                if let Err(error) = running.waiting().await {
                    warn!(%error, "the MCP session ended abnormally");
                }
                return;
            }
            Err(
                ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::TransportError { .. },
            ) => {
                return;
            }
            // A stray notification before the first request ends rmcp's opening; ours goes on.
            Err(ServerInitializeError::ExpectedInitializeRequest(_)) => {
                debug!("a message before the first request was dropped");
            }
            Err(_) => warn!("an MCP session could not be opened; the next request may open one"),
        }
    }
}

/// The transport: parsed messages in, lines out. Each outgoing answer releases its request.
struct Pipe {
    /// Shared with the pipe of the next attempt, should this one fail to open a session.
    incoming: Arc<Mutex<mpsc::Receiver<ClientJsonRpcMessage>>>,
    outbox: Outbox,
    open: OpenRequests,
}

impl Transport<RoleServer> for Pipe {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (outbox, open) = (self.outbox.clone(), self.open.clone());
        async move {
            let answered = answered_id(&message).cloned();
            let sent = match serde_json::to_string(&message) {
                Ok(line) => outbox.send(line).await,
                Err(error) => Err(error.into()),
            };
            if let Some(id) = answered {
                open.close(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.incoming.lock().await.recv().await?;
            let Some(id) = modern_ping(&message) else { return Some(message) };
            // Before a session rmcp answers every ping with a result; stateless MCP has none.
            let unknown = ErrorData::method_not_found::<PingRequestMethod>();
            // Only a stdout that is gone fails it, which ends the program elsewhere.
            let _ = self.send(JsonRpcMessage::error(unknown, Some(id))).await;
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn answered_id(message: &TxJsonRpcMessage<RoleServer>) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

/// The id of a ping that names the stateless revision.
fn modern_ping(message: &RxJsonRpcMessage<RoleServer>) -> Option<RequestId> {
    let JsonRpcMessage::Request(request) = message else { return None };
    let version = request.request.get_meta().protocol_version()?;
    let is_ping = matches!(request.request, ClientRequest::PingRequest(_));
    (is_ping && !version.has_initialize()).then(|| request.id.clone())
}

#[derive(Clone)]
struct Server {
    tools: Arc<Tools>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let identity =
            Implementation::new("mcp-orchestrator", env!("CARGO_PKG_VERSION")).with_title("MCP Orchestrator");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(identity)
            .with_instructions(
                "orchestrate_task asks one external model for a second opinion; \
                 get_orchestrator_status tells which one is configured and what it has cost.",
            )
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(catalog::tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        let answer = tokio::select! {
            answer = self.tools.call(&request.name, &arguments) => answer,
            // Dropping the call closes its connection. Nobody sees this answer.
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
        };
        let answer = answer.map_err(|unknown| ErrorData::invalid_params(unknown.to_string(), None))?;
        let result = if answer.is_error {
            CallToolResult::structured_error(answer.value)
        } else {
            CallToolResult::structured(answer.value)
        };
        Ok(result.into())
    }

    /// rmcp hands over what it cannot read as one of the protocol's own requests, those with wrong
    /// parameters included.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if matches!(request.method.as_str(), "initialize" | "server/discover" | "tools/list" | "tools/call") {
            return Err(ErrorData::invalid_params(format!("wrong parameters for {}", request.method), None));
        }
        let method: String = request.method.chars().take(64).collect();
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method {method:?}"), None))
    }
}
