//! Why a container ended or fails, from what it left behind. Pure.

use crate::model::User;
use crate::plan::State;

/// A likely cause and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What probably happened.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// Looks at how a container ended that ran as `user`, and at the last lines that it wrote.
#[must_use]
pub fn diagnose(state: &State, log: &[String], user: User) -> Option<Diagnosis> {
    let User { uid, gid } = user;
    let said = |cause: &str, fix: &str| Some(Diagnosis { cause: cause.to_owned(), fix: fix.to_owned() });
    if state.is_paused() {
        return said(
            "somebody paused it",
            "let it go on with `docker unpause`, or remove it with `docker rm -f`",
        );
    }
    if state.oom_killed {
        return said("the kernel ended it for want of memory", "raise hardening.memory");
    }
    for line in log.iter().rev() {
        if let Some(path) = path_after(line, "Read-only file system") {
            let folder =
                path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            return Some(Diagnosis {
                cause: format!("it writes to {path}, and the root file system is read-only"),
                // A folder of the image's keeps its mode under the memory, so an owner is needed.
                fix: format!(
                    "give it memory there: `hardening: {{tmpfs: {{/tmp: \"size=64m,mode=1777\", {folder}: \"size=64m,uid={uid},gid={gid}\"}}}}`"
                ),
            });
        }
        let has = |words: &str| line.contains(words);
        if has("exec format error") {
            return said(
                "its program is for another architecture",
                "build the image for the engine's architecture",
            );
        }
        if has("no such file or directory") && has("exec") {
            return said(
                "its program is not in the image, or needs a C library that is not",
                "check orchestrator.command, and that the program is static or the image has its loader",
            );
        }
        if has("Permission denied") || has("permission denied") {
            return said(
                "it may not read or write something that it needs",
                "check that the log folder belongs to the container's user, or set hardening.user",
            );
        }
        if has("ModuleNotFoundError") || has("Cannot find module") {
            return said(
                "a module that it needs is not in the image",
                "add it to the image, then run `mcpo-deploy up` again",
            );
        }
        if has("Resource temporarily unavailable") || has("can't start new thread") {
            return said("it needs more processes or threads than it may have", "raise hardening.pids");
        }
        if has("Address already in use") || has("EADDRINUSE") {
            return said("two programs in the container want the same port", "check orchestrator.command");
        }
    }
    match state.exit_code {
        137 => said(
            "it was killed (SIGKILL), often for want of memory",
            "raise hardening.memory, or see the kernel's log",
        ),
        126 | 127 => {
            said("its command cannot be run", "check orchestrator.command and the image's entrypoint")
        }
        139 => said("it crashed (SIGSEGV)", "this is a bug of the program's"),
        159 => said(
            "it made a system call that seccomp forbids",
            "set hardening.seccomp to a profile that allows it",
        ),
        _ => None,
    }
}

/// The path in Python's and Node's words: `[Errno 30] Read-only file system: '/home/x/.config'`,
/// `EROFS: read-only file system, mkdir '/x'`.
fn path_after<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    let at = line.to_lowercase().find(&words.to_lowercase())?;
    let rest = line.get(at..)?;
    let start = rest.find(['\'', '"'])? + 1;
    let end = rest[start..].find(['\'', '"'])? + start;
    let path = &rest[start..end];
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exit_code: i64, log: &[&str]) -> Option<Diagnosis> {
        let state = State { exit_code, ..State::default() };
        diagnose(&state, &log.iter().map(|&line| line.to_owned()).collect::<Vec<_>>(), User::NONROOT)
    }

    #[test]
    fn a_write_below_home_is_told_with_the_folder_that_needs_memory() {
        for line in [
            "OSError: [Errno 30] Read-only file system: '/home/app/.config'",
            "Error: EROFS: read-only file system, mkdir '/home/app/.config'",
        ] {
            let found = of(1, &["Traceback", line]).expect("a diagnosis");
            assert!(found.fix.contains("/home/app: \"size=64m,uid=65532,gid=65532\""), "{found:?}");
        }
    }

    #[test]
    fn every_cause_has_a_fix_and_the_unknown_has_none() {
        for (code, line, cause) in [
            (1, "exec /x: exec format error", "architecture"),
            (127, "", "cannot be run"),
            (137, "", "SIGKILL"),
            (1, "RuntimeError: can't start new thread", "processes or threads"),
            (1, "ModuleNotFoundError: No module named 'src'", "module"),
        ] {
            let found = of(code, &[line]).expect("a diagnosis");
            assert!(found.cause.contains(cause) && !found.fix.is_empty(), "{found:?}");
        }
        assert_eq!(of(1, &["something else"]), None);
        let oom = State { oom_killed: true, exit_code: 137, ..State::default() };
        assert!(diagnose(&oom, &[], User::NONROOT).expect("a diagnosis").fix.contains("memory"));
    }
}
