//! The network bridge: see [`mcpo_deploy::bridge`].

use std::process::ExitCode;

use clap::Parser;
use mcpo_deploy::bridge::{args, guardian, program};
use mcpo_deploy::diagnostic::Exit;
use mcpo_deploy::{env::Env, wire::probe};

fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            let exit = if told.use_stderr() { Exit::BadInput } else { Exit::Done };
            // A closed terminal takes nothing away from the exit code.
            let _ = told.print();
            return exit.into();
        }
    };
    match arguments.task {
        Some(args::Task::Probe(asked)) => {
            let works = match asked.door() {
                Ok(door) => probe::run(&asked.listen.listen, &door, asked.tool(), asked.timeout),
                Err(line) => probe::tell(Err(line)),
            };
            return if works { Exit::Done } else { Exit::Failed }.into();
        }
        Some(args::Task::Guardian { family }) => {
            let known = guardian::run(&family).is_ok();
            return if known { Exit::Done } else { Exit::BadInput }.into();
        }
        None => {}
    }
    let env = Env::of_process();
    let variables =
        program::Variables { path: env.get("PATH"), otlp_endpoint: env.get("OTEL_EXPORTER_OTLP_ENDPOINT") };
    match program::serve(&arguments.serve, variables, env.values()) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            program::tell(&error);
            mcpo_deploy::diagnostic::Diagnostic::exit(&error).into()
        }
    }
}
