//! What images are built from, read from disk: our programs, or contexts.

use std::path::PathBuf;

use super::context::BuildContext;
use super::docker::REVISION;
use super::dockerfile::{BRIDGE, ORCHESTRATOR, template_of};
use super::error::EngineError;
use super::programs::{ProgramError, Programs};
use crate::config::{Source, Stack};
use crate::plan::{BuildFrom, Digest, DigestOf, ImageInputs, Profile};

/// Reads and digests everything that a profile's images are built from. Where a static program is
/// missing and a checkout of ours is near, the image is built from source instead, and a note says so.
pub fn inputs(
    stack: &Stack,
    profile: Profile,
    programs: &Programs,
    architecture: &str,
) -> Result<Inputs, EngineError> {
    let mut notes = Vec::new();
    let mut ours = |program, dockerfile| match of_program(program, programs, architecture) {
        Ok(input) => Ok(input),
        Err(error) => {
            let Some(checkout) = error.checkout.clone() else { return Err(EngineError::from(error)) };
            notes.push(format!("{error}; building from source in {} instead", checkout.display()));
            of_context(checkout, dockerfile)
        }
    };
    let of_source = |source: &Source| match source {
        Source::Context { context, dockerfile } => of_context(context.clone(), dockerfile).map(Some),
        Source::Ours | Source::Image => Ok(None),
    };
    let orchestrator = match &stack.orchestrator.source {
        Source::Ours => Some(ours(ORCHESTRATOR, "Dockerfile")?),
        source => of_source(source)?,
    };
    let bridge = ours(BRIDGE, "Dockerfile.bridge")?;
    let app = match &stack.app {
        Some(app) if profile == Profile::FullStack => of_source(&app.source)?,
        _ => None,
    };
    Ok(Inputs { images: ImageInputs { orchestrator, bridge, app }, notes })
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The digests.
    pub images: ImageInputs,
    /// What the reader should know.
    pub notes: Vec<String>,
}

fn of_program(
    program: &'static str,
    programs: &Programs,
    architecture: &str,
) -> Result<(BuildFrom, Digest), ProgramError> {
    let bytes = programs.read(program, architecture)?;
    let digest = DigestOf::default()
        .part("program", &bytes)
        .part("dockerfile", template_of(program).as_bytes())
        .part("version", env!("CARGO_PKG_VERSION").as_bytes())
        .part("revision", REVISION.as_bytes())
        .finish();
    Ok((BuildFrom::Program(program), digest))
}

fn of_context(context: PathBuf, dockerfile: &str) -> Result<(BuildFrom, Digest), EngineError> {
    let digest = BuildContext::of_folder(&context, dockerfile)?.digest()?;
    Ok((BuildFrom::Context { context, dockerfile: dockerfile.to_owned() }, digest))
}
