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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Input, resolve};
    use crate::env::Env;

    /// A folder for programs below a checkout of ours.
    fn checkout() -> (tempfile::TempDir, Programs) {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("Cargo.toml", "name = \"mcpo-deploy\""),
            ("Dockerfile", "FROM a"),
            ("Dockerfile.bridge", "FROM b"),
        ] {
            std::fs::write(root.path().join(path), text).expect("a file");
        }
        let folder = root.path().join("target/release");
        std::fs::create_dir_all(&folder).expect("a folder");
        (root, Programs::in_folder(folder))
    }

    fn read(programs: &Programs, folder: PathBuf) -> Result<Inputs, EngineError> {
        let env = Env::from_pairs([("MCPO_PROJECT", "demo")], folder);
        let stack = resolve(&Input::new(&env)).expect("a stack").stack;
        inputs(&stack, Profile::Bridge, programs, "amd64")
    }

    #[test]
    fn programs_that_are_missing_in_a_checkout_are_built_from_source_and_it_is_said() {
        let (root, programs) = checkout();
        let found = read(&programs, root.path().to_path_buf()).expect("inputs");
        let from = |dockerfile: &str| BuildFrom::Context {
            context: root.path().to_path_buf(),
            dockerfile: dockerfile.to_owned(),
        };
        assert_eq!(found.images.orchestrator.map(|(from, _)| from), Some(from("Dockerfile")));
        assert_eq!(found.images.bridge.0, from("Dockerfile.bridge"));
        assert_eq!(found.notes.len(), 2);
        assert!(found.notes.iter().all(|note| note.contains("building from source")), "{:?}", found.notes);
    }

    #[test]
    fn programs_that_are_missing_elsewhere_are_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = Programs::in_folder(folder.path().join("bin"));
        let error = read(&programs, folder.path().to_path_buf()).expect_err("an error");
        assert!(matches!(error, EngineError::Program(_)), "{error}");
    }
}
