//! The MCP server of the orchestrator image.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mcpo_deploy::diagnostic::{Diagnostic, Exit};
use mcpo_deploy::env::Env;
use mcpo_deploy::orchestrator::{Invocation, serve};

fn main() -> ExitCode {
    let exit = match Invocation::parse(std::env::args_os()) {
        Ok(Invocation::Serve) => serve(&Env::of_process()).unwrap_or_else(|error| refuse(&error)),
        Ok(Invocation::Say(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Failed,
        },
        Err(error) => refuse(&error),
    };
    exit.into()
}

fn refuse(error: &dyn Diagnostic) -> Exit {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}\n")).unwrap_or_default();
    let _ = write!(io::stderr(), "error: {error}\n{hint}");
    error.exit()
}
