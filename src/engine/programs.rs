//! Our static programs beside the command line, checked before they go into an image.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Exit};

/// Where the programs are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
}

/// Why a program cannot go into an image.
#[derive(Debug, thiserror::Error)]
#[error("the static program {} cannot go into an image: {why}", path.display())]
pub struct ProgramError {
    /// Where it was looked for.
    pub path: PathBuf,
    /// Why.
    pub why: String,
    /// A checkout of the sources near it, where there is one.
    pub checkout: Option<PathBuf>,
}

impl Diagnostic for ProgramError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        Some(
            "build the three programs together (`cargo build --release` in a checkout makes them static), \
             keep them in one folder, or build the image from source: docker build -t mcp-orchestrator:latest ."
                .to_owned(),
        )
    }
}

impl Programs {
    /// The programs in `folder`.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The programs beside the one that runs.
    #[must_use]
    pub fn beside_this() -> Self {
        let folder = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_path_buf));
        Self { folder: folder.unwrap_or_default() }
    }

    /// The program's bytes, static and for that architecture of Linux (`amd64`, `arm64`, …).
    pub fn read(&self, name: &str, architecture: &str) -> Result<Vec<u8>, ProgramError> {
        let path = self.folder.join(name);
        let error = |why: String| ProgramError { path: path.clone(), why, checkout: self.checkout() };
        let bytes = std::fs::read(&path).map_err(|io| error(format!("it cannot be read ({io})")))?;
        check(&bytes, architecture).map_err(error)?;
        Ok(bytes)
    }

    /// A checkout of our sources above the folder, for a build from source.
    #[must_use]
    pub fn checkout(&self) -> Option<PathBuf> {
        self.folder.ancestors().find(|folder| is_checkout(folder)).map(Path::to_path_buf)
    }
}

/// Whether a folder holds our sources, from which images can be built.
#[must_use]
pub fn is_checkout(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.contains("name = \"mcpo-deploy\"") && folder.join("Dockerfile").exists()
}

/// ELF, by the System V ABI: 64 bits, little-endian, of the right machine, and without an
/// interpreter, which a scratch image does not have.
fn check(bytes: &[u8], architecture: &str) -> Result<(), String> {
    const INTERPRETER: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if bytes.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Err("it is not a program for 64-bit Linux".to_owned());
    }
    let machine = match half(18) {
        Some(62) => "amd64",
        Some(183) => "arm64",
        Some(243) => "riscv64",
        Some(258) => "loong64",
        _ => "an unknown machine",
    };
    if machine != architecture {
        return Err(format!("it is for {machine}, and the engine runs {architecture}"));
    }
    let truncated = || "it is cut short".to_owned();
    let table = long(32).ok_or_else(truncated)?;
    let (size, count) = half(54).zip(half(56)).ok_or_else(truncated)?;
    for index in 0..u64::from(count) {
        let at = usize::try_from(table + index * u64::from(size)).map_err(|_| truncated())?;
        if word(at).ok_or_else(truncated)? == INTERPRETER {
            return Err("it is dynamically linked, and would need a C library".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of an ELF file with one program header.
    fn elf(machine: u16, header_type: u32) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        bytes[64..68].copy_from_slice(&header_type.to_le_bytes());
        bytes
    }

    #[test]
    fn a_static_program_of_the_right_machine_passes() {
        assert_eq!(check(&elf(62, 1), "amd64"), Ok(()));
        assert_eq!(check(&elf(183, 1), "arm64"), Ok(()));
    }

    #[test]
    fn what_would_not_run_in_the_image_is_noticed_and_named() {
        for (bytes, why) in [
            (elf(62, 3), "it is dynamically linked, and would need a C library"),
            (elf(183, 1), "it is for arm64, and the engine runs amd64"),
            (b"MZ\x90\0 a Windows program".to_vec(), "it is not a program for 64-bit Linux"),
            (elf(62, 1)[..60].to_vec(), "it is cut short"),
            (Vec::new(), "it is not a program for 64-bit Linux"),
        ] {
            assert_eq!(check(&bytes, "amd64"), Err(why.to_owned()));
        }
    }

    #[test]
    fn a_missing_program_is_named_with_the_place_where_it_was_looked_for() {
        let error =
            Programs::in_folder("/nonexistent".into()).read("mcp-bridge", "amd64").expect_err("an error");
        assert!(error.to_string().contains("/nonexistent/mcp-bridge"), "{error}");
    }
}
