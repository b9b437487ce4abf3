//! What images are built from, read from disk: our programs, or contexts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::context::{BuildContext, MadeFile, made_tar};
use super::docker::REVISION;
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

pub(super) const ORCHESTRATOR: &str = "mcp-orchestrator";
pub(super) const BRIDGE: &str = "mcp-bridge";

/// The Dockerfile of one stage that a program of ours goes into an image with.
pub(super) fn dockerfile_of(program: &str) -> &'static str {
    if program == BRIDGE {
        include_str!("../../templates/image/bridge.Dockerfile")
    } else {
        include_str!("../../templates/image/orchestrator.Dockerfile")
    }
}

fn of_program(
    program: &'static str,
    programs: &Programs,
    architecture: &str,
) -> Result<(BuildFrom, Digest), ProgramError> {
    let bytes = programs.read(program, architecture)?;
    let digest = DigestOf::default()
        .part("program", &bytes)
        .part("dockerfile", dockerfile_of(program).as_bytes())
        .part("version", env!("CARGO_PKG_VERSION").as_bytes())
        .part("revision", REVISION.as_bytes())
        .finish();
    Ok((BuildFrom::Program(program), digest))
}

fn of_context(context: PathBuf, dockerfile: &str) -> Result<(BuildFrom, Digest), EngineError> {
    let digest = BuildContext::of_folder(&context, dockerfile)?.digest()?;
    Ok((BuildFrom::Context { context, dockerfile: dockerfile.to_owned() }, digest))
}

/// The context of an image from a program: the Dockerfile with `args` filled in, the program, an
/// empty folder for logs.
pub(super) fn program_context(
    program: &str,
    bytes: &[u8],
    args: &BTreeMap<String, String>,
) -> std::io::Result<Vec<u8>> {
    let mut dockerfile = dockerfile_of(program).to_owned();
    for (name, value) in args {
        dockerfile = dockerfile.replace(&format!("@{name}@"), &quoted(value));
    }
    made_tar(&[
        MadeFile { path: "Dockerfile", mode: 0o644, bytes: dockerfile.as_bytes() },
        MadeFile { path: program, mode: 0o755, bytes },
        MadeFile { path: "logs/", mode: 0o755, bytes: b"" },
    ])
}

/// A value between the double quotes of a Dockerfile or of its JSON, with nothing left to expand.
/// None of the values can hold a line feed: a path is checked, a command is JSON.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_into_a_dockerfile_stays_one_value() {
        let args = BTreeMap::from([("COMMAND".to_owned(), r#"["sh","-c","echo \"$X\""]"#.to_owned())]);
        let tar = program_context(BRIDGE, b"program", &args).expect("a context");
        let text = String::from_utf8_lossy(&tar);
        let expected = r#"ENV MCP_BRIDGE_COMMAND="[\"sh\",\"-c\",\"echo \\\"\$X\\\"\"]" MCP_BRIDGE_LISTEN"#;
        assert!(text.contains(expected), "{text}");
    }
}
