//! What an entry is called, and what stands in it.

use super::args::{ConnectArgs, ViaArg};
use super::choose;
use super::error::ConnectError;
use super::line::{Ground, Purpose, engine_of, line};
use crate::cli::session::Global;
use crate::cli::through::bounded;
use crate::clients::{self, Bearer, Client, Deployment, Entry, Found, Homes, Launch, clients, locate, look};
use crate::config::{Source, Stack, is_variable};
use crate::diagnostic::Failure;
use crate::env::Env;
use crate::model::{Secret, label};
use crate::wire::door::Door;
use crate::wire::probe::reachable;
use crate::wire::url::{Url, Wire};

/// The longest file with a token, in bytes.
const TOKEN_BYTES: u64 = 64 * 1024;
/// The longest name of an entry, in characters.
const NAME: usize = 64;
/// What our own server's entry is called, as in everybody's guide.
const OURS: &str = "mcp-orchestrator";

/// What is to be in a client's file.
pub(super) struct Wanted<'a> {
    pub(super) entry: Entry,
    pub(super) this: Deployment,
    pub(super) via: ViaArg,
    /// What the client does with it, in words.
    pub(super) does: String,
    /// The variables that the client has to have.
    pub(super) by_name: Vec<String>,
    /// Whether everything that it depends on could be asked.
    pub(super) asked: bool,
    /// What is to be made before it is used.
    pub(super) ground: Option<Ground<'a>>,
}

/// Whether the server is ours: by what is described, else by what its image says. Unknown where no
/// engine has it.
async fn asked(global: &Global, stack: &Stack) -> Option<bool> {
    if stack.orchestrator.source == Source::Ours {
        return Some(true);
    }
    let session = global.open_with(stack.clone()).await.ok()?;
    let image = session.docker.image(stack.orchestrator.image.as_str()).await.ok()?;
    image.map(|facts| facts.labels.contains_key(label::PROGRAM))
}

async fn is_ours(global: &Global, stack: &Stack) -> bool {
    asked(global, stack).await.unwrap_or(false)
}

/// The name of an entry that may be there already. Where no engine says which it is, it is the one that an
/// entry of ours is found under.
pub(super) async fn name_there(
    global: &Global,
    args: &ConnectArgs,
    stack: &Stack,
    homes: &Homes,
) -> Result<String, ConnectError> {
    if let Some(name) = given(args)? {
        return Ok(name);
    }
    let names = [true, false].map(|ours| called(ours, stack));
    if names[0] == names[1] {
        return Ok(names[0].clone());
    }
    if let Some(ours) = asked(global, stack).await {
        return Ok(called(ours, stack));
    }
    let (own, this, chosen) = (address(global, args, stack)?, this(stack), choose::named(args)?);
    let looked_at: Vec<&Client> = if chosen.is_empty() { clients().iter().collect() } else { chosen };
    let is_there = |name: &&String| {
        looked_at.iter().any(|client| {
            let file = locate(&client.paths(homes, args.scope.into(), &stack.folder));
            let found = file.and_then(|file| look(&file, client, name).ok().flatten());
            found.is_some_and(|Found { launch, .. }| {
                clients::is_ours(&launch, &own) && this.other(&launch).is_none()
            })
        })
    };
    let found: Vec<&String> = names.iter().filter(is_there).collect();
    match found.as_slice() {
        [name] => Ok((*name).clone()),
        [] if !args.mode.undo => Ok(called(false, stack)),
        _ => Err(ConnectError::NameUnknown { image: stack.orchestrator.image.to_string(), names }),
    }
}

/// The entry's name.
pub(super) async fn name(global: &Global, args: &ConnectArgs, stack: &Stack) -> Result<String, ConnectError> {
    match given(args)? {
        Some(name) => Ok(name),
        None => Ok(called(is_ours(global, stack).await, stack)),
    }
}

/// The name that was asked for.
fn given(args: &ConnectArgs) -> Result<Option<String>, ConnectError> {
    let Some(name) = &args.name else { return Ok(None) };
    let plain = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !plain || name.chars().count() > NAME {
        return Err(ConnectError::Name(name.clone()));
    }
    Ok(Some(name.clone()))
}

/// What an entry is called where nobody says otherwise.
fn called(ours: bool, stack: &Stack) -> String {
    if ours { OURS.to_owned() } else { stack.project.to_string() }
}

/// How the client gets at the server.
pub(super) async fn via(global: &Global, args: &ConnectArgs, stack: &Stack) -> ViaArg {
    match (args.via, &args.url) {
        (Some(via), _) => via,
        (None, Some(_)) => ViaArg::Url,
        (None, None) if is_ours(global, stack).await => ViaArg::Docker,
        (None, None) => ViaArg::Mcpo,
    }
}

/// The whole entry.
pub(super) async fn wanted<'a>(
    global: &'a Global,
    args: &ConnectArgs,
    stack: &Stack,
    name: String,
    purpose: Purpose,
) -> Result<Wanted<'a>, Failure> {
    let via = via(global, args, stack).await;
    let (launch, does, by_name, asked, ground) = match via {
        ViaArg::Docker => {
            let line = line(global, stack, purpose).await?;
            let does = format!("`docker run` of {}, hardened as described", stack.orchestrator.image);
            (line.launch, does, line.by_name, line.ground.is_some(), line.ground)
        }
        ViaArg::Mcpo => {
            let launch = run_of_ours(global, stack)?;
            let does = format!("`mcpo-deploy run` with {}", description(stack)?);
            (launch, does, Vec::new(), true, None)
        }
        ViaArg::Url => {
            let launch = address(global, args, stack)?;
            let does = match &launch {
                // A query may be a secret.
                Launch::Url { url, .. } => url.split('?').next().unwrap_or_default().to_owned(),
                Launch::Stdio { .. } => String::new(),
            };
            (launch, does, Vec::new(), true, None)
        }
    };
    Ok(Wanted { entry: Entry { name, launch }, this: this(stack), via, does, by_name, asked, ground })
}

/// Whose entries ours are.
pub(super) fn this(stack: &Stack) -> Deployment {
    let file = stack.file.as_ref().map(|file| file.display().to_string());
    Deployment { project: stack.project.to_string(), file }
}

fn description(stack: &Stack) -> Result<String, ConnectError> {
    stack.file.as_ref().map(|file| file.display().to_string()).ok_or(ConnectError::NoDescription)
}

/// Our own `run`, by the description that was read now.
fn run_of_ours(global: &Global, stack: &Stack) -> Result<Launch, Failure> {
    let program = Env::program_of_process().ok_or(ConnectError::NoProgram)?;
    let project = global.common.project.as_deref().or_else(|| global.env.get("MCPO_PROJECT"));
    let project = project.map(|project| ["--project".to_owned(), project.to_owned()]);
    let accepted = (!global.common.accept_unenforced.is_empty())
        .then(|| ["--accept-unenforced".to_owned(), global.common.accept_unenforced.join(",")]);
    let args = ["--file".to_owned(), description(stack)?];
    let args = args.into_iter().chain(project.into_iter().flatten()).chain(accepted.into_iter().flatten());
    Ok(Launch::Stdio {
        command: program.display().to_string(),
        args: args.chain(["run".to_owned()]).collect(),
        env: engine_of(&global.env)?,
    })
}

/// What the project's bridge answers to, or another.
pub(super) fn address(global: &Global, args: &ConnectArgs, stack: &Stack) -> Result<Launch, ConnectError> {
    let url = match &args.url {
        Some(url) => {
            let parsed: Url = url.parse().map_err(ConnectError::Url)?;
            if parsed.wire != Wire::Http {
                return Err(ConnectError::WebSocket);
            }
            // As it is meant: without a path of its own, the server's is added.
            let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
            format!("{parsed}{query}")
        }
        None => format!("http://{}/mcp", reachable((stack.bridge.address, stack.bridge.rest_port).into())),
    };
    Ok(Launch::Url { url, bearer: bearer(global, args)? })
}

fn bearer(global: &Global, args: &ConnectArgs) -> Result<Option<Bearer>, ConnectError> {
    if let Some(name) = &args.token_variable {
        if !is_variable(name) {
            return Err(ConnectError::Variable);
        }
        return Ok(Some(Bearer::Variable(name.clone())));
    }
    let Some(file) = &args.write_token else { return Ok(None) };
    let unusable = |why: String| ConnectError::Token { file: file.clone(), why };
    let bytes = bounded(&global.env.folder.join(file), TOKEN_BYTES);
    let bytes = bytes.map_err(|error| unusable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8".to_owned()))?;
    Door::default().with_bearer(&text).map_err(unusable)?;
    Ok(Some(Bearer::Literal(Secret::new(text.trim()))))
}
