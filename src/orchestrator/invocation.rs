//! What the program was asked to do. Its arguments are so few that they are read by hand: it saves
//! a start-up time that every `docker run` pays.

use std::ffi::OsString;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Exit};

/// The module that the guide's lines run with Python; our program is its own interpreter for it.
const MODULE: [&str; 2] = ["-m", "src.mcp_server"];

const HELP: &str = "\
An MCP server that hands tasks to one language model. Speaks MCP on stdin and stdout.

Usage: mcp-orchestrator [serve]
       mcp-orchestrator python -m src.mcp_server   the same, as the integration guide spells it
       mcp-orchestrator --version | --help

Tools: get_orchestrator_status, orchestrate_task

Environment:
  OPENROUTER_API_KEY                 key for OpenRouter, which is used where it is set
  OPENAI_API_KEY                     key for OpenAI, used otherwise
  ORCHESTRATOR_BASE_URL              base URL of any OpenAI-compatible API, used with that key
  ORCHESTRATOR_MODEL                 model [google/gemini-2.5-pro-preview, or o3 with OpenAI]
  ORCHESTRATOR_TIMEOUT               seconds that a task may take, 1 to 3600 [120]
  ORCHESTRATOR_MAX_COST_PER_REQUEST  US dollars; a dearer task is logged as a warning [none]
  ORCHESTRATOR_DAILY_LIMIT           US dollars per UTC day and process; then tasks are refused [none]
  MCPO_LOG_DIR                       folder of the log files [/app/logs, where it exists]
  MCPO_LOG_MAX_SIZE                  size of one log file [10m]
  MCPO_LOG_MAX_FILES                 log files kept in the folder, over all processes [10]
  MCPO_LOG_MAX_AGE                   age up to which log files are kept, such as 12h or 7d [7d]
  MCPO_LOG_LEVEL                     error, warn, info or debug [warn on stderr, info in files]

At the end of its input it finishes what is in flight and exits 0. SIGTERM ends it at once with 0,
SIGINT with 130. Bad arguments or settings end it with 64.
";

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Serve on stdin and stdout.
    Serve,
    /// Print this text on stdout.
    Say(String),
}

/// An argument that means nothing to the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown argument {0:?}")]
pub struct UnknownArgument(String);

impl Diagnostic for UnknownArgument {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        Some("run it without arguments, or see mcp-orchestrator --help".to_owned())
    }
}

impl Invocation {
    /// Reads the arguments, the program's own name first. A program that is called `python` (a link
    /// in the image) takes what Python would be given for the guide's module.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, UnknownArgument> {
        let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
        let is_python = args.next().is_some_and(|name| {
            Path::new(&name).file_name().is_some_and(|name| name == "python" || name == "python3")
        });
        let args: Vec<String> = args.collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args.as_slice() {
            [] | ["serve"] => Ok(Self::Serve),
            ["python" | "python3", rest @ ..] if rest == MODULE => Ok(Self::Serve),
            rest if is_python && rest == MODULE => Ok(Self::Serve),
            ["--version" | "-V"] => {
                Ok(Self::Say(concat!("mcp-orchestrator ", env!("CARGO_PKG_VERSION"), "\n").to_owned()))
            }
            ["--help" | "-h" | "help"] => Ok(Self::Say(HELP.to_owned())),
            ["serve" | "--version" | "-V" | "--help" | "-h" | "help" | "python" | "python3", wrong, ..]
            | [wrong, ..] => Err(UnknownArgument((*wrong).to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Invocation, UnknownArgument> {
        Invocation::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_guides_line_and_no_argument_at_all_serve() {
        for line in [
            "/mcp-orchestrator",
            "/mcp-orchestrator serve",
            "/mcp-orchestrator python -m src.mcp_server",
            "/usr/bin/python -m src.mcp_server",
            "python3 -m src.mcp_server",
            "python",
        ] {
            assert_eq!(parse(line), Ok(Invocation::Serve), "{line}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_the_wrong_argument_named() {
        for (line, wrong) in [
            ("x frob", "frob"),
            ("x serve now", "now"),
            ("x -m src.mcp_server", "-m"),
            ("x python", "python"),
            ("x python -m mcp_bridge", "-m"),
            ("x python -c pass", "-c"),
            ("x --version --help", "--help"),
            ("python -m mcp_bridge", "-m"),
        ] {
            assert_eq!(parse(line), Err(UnknownArgument(wrong.to_owned())), "{line}");
        }
    }

    #[test]
    fn help_names_every_variable_that_the_settings_read() {
        let Ok(Invocation::Say(help)) = parse("x --help") else { panic!("no help") };
        let settings = include_str!("settings.rs");
        let named = settings
            .split('"')
            .filter(|text| text.len() > 8 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        for variable in named {
            assert!(help.contains(variable), "{variable}");
        }
    }
}
