//! Paths of the host, as the folder of the `mcpo.yaml` sees them.

use std::path::{Component, Path, PathBuf};

use super::Origin;
use crate::config::files::absolute;

/// A path as it is written in a `mcpo.yaml` for what another folder calls `text`.
pub(super) fn relocated(text: &str, origin: &Origin<'_>) -> String {
    if text.starts_with(['/', '~']) || is_windows(text) {
        return text.to_owned();
    }
    let path = absolute(text, origin.from, origin.env);
    relative(&path, origin.to).unwrap_or_else(|| path.display().to_string())
}

/// Whether a path of another folder is a file of this name beside the `mcpo.yaml`.
pub(super) fn is_beside(text: &str, name: &str, origin: &Origin<'_>) -> bool {
    absolute(text, origin.from, origin.env) == origin.to.join(name)
}

/// Whether a text is a path of the host rather than the name of a volume.
pub(super) fn is_host_path(text: &str) -> bool {
    text.starts_with(['.', '/', '~']) || is_windows(text)
}

fn is_windows(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next().is_some_and(|c| matches!(c, '\\' | '/'))
}

/// The way from a folder to a path; `None` where they have nothing in common but the root.
fn relative(path: &Path, folder: &Path) -> Option<String> {
    let (to, from): (Vec<_>, Vec<_>) = (path.components().collect(), folder.components().collect());
    let common = to.iter().zip(&from).take_while(|(one, two)| one == two).count();
    if common <= usize::from(to.first() == Some(&Component::RootDir)) && common < from.len() {
        return None;
    }
    let up = vec![".."; from.len() - common].join("/");
    let down: PathBuf = to[common..].iter().collect();
    let down = down.display().to_string();
    Some(match (up.as_str(), down.as_str()) {
        ("", "") => ".".to_owned(),
        ("", down) => format!("./{down}"),
        (up, "") => up.to_owned(),
        (up, down) => format!("{up}/{down}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn a_path_is_written_as_the_other_folder_sees_it() {
        let env = Env::default();
        let seen = |text: &str, to: &str| {
            let origin = Origin { file: "", from: Path::new("/w/compose"), to: Path::new(to), env: &env };
            relocated(text, &origin)
        };
        assert_eq!(seen("./app", "/w/compose"), "./app");
        assert_eq!(seen("app/", "/w"), "./compose/app");
        assert_eq!(seen("..", "/w"), ".");
        assert_eq!(seen("../app", "/w/a/b"), "../../app");
        assert_eq!(seen("./app", "/elsewhere/x"), "/w/compose/app");
        assert_eq!(seen("/abs", "/w"), "/abs");
        assert_eq!(seen("~/x", "/w"), "~/x");
    }
}
