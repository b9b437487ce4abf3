//! Which file describes the deployment.

use std::path::{Path, PathBuf};

use super::files::{absolute, shown};
use super::problem::{Place, Problem};
use crate::env::Env;

/// The names of the file, in the order in which they are looked for.
pub(super) const FILE_NAMES: [&str; 2] = ["mcpo.yaml", "mcpo.yml"];

/// The variable that names the file.
pub(super) const FILE_VARIABLE: &str = "MCPO_FILE";

/// The file that `-f` or `MCPO_FILE` names, else the one in the current folder or, as in Compose,
/// in the nearest folder above it. `None` where there is none.
pub(super) fn find(named: Option<&Path>, env: &Env) -> Result<Option<(PathBuf, Place)>, Problem> {
    let from_env =
        || env.get(FILE_VARIABLE).map(|path| (path.to_owned(), Place::Env(FILE_VARIABLE.to_owned())));
    let from_flag = named.map(|path| (path.display().to_string(), Place::Flag("--file".to_owned())));
    if let Some((path, place)) = from_flag.or_else(from_env) {
        return Ok(Some((absolute(&path, &env.folder, env), place)));
    }
    for folder in env.folder.ancestors() {
        let mut here = FILE_NAMES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
        match (here.next(), here.next()) {
            (None, _) => {}
            (Some(path), None) => {
                let place = Place::File { file: shown(&path, env), line: 0, column: 0 };
                return Ok(Some((path, place)));
            }
            (Some(one), Some(other)) => {
                let message = format!("lies beside {}; remove one of the two", shown(&other, env));
                let place = Place::File { file: shown(&one, env), line: 0, column: 0 };
                return Err(Problem::new("", format!("{} {message}", shown(&one, env)), place));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_taken_and_two_side_by_side_are_refused() {
        let root = tempfile::tempdir().expect("folder");
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("folders");
        let env = Env::from_pairs::<&str, &str>([], inner);
        std::fs::write(root.path().join("mcpo.yml"), "").expect("file");
        let found = find(None, &env).expect("one file").map(|(path, _)| path);
        assert_eq!(found, Some(root.path().join("mcpo.yml")));
        std::fs::write(root.path().join("a/mcpo.yaml"), "").expect("file");
        let found = find(None, &env).expect("one file").map(|(path, _)| path);
        assert_eq!(found, Some(root.path().join("a/mcpo.yaml")));
        std::fs::write(root.path().join("a/mcpo.yml"), "").expect("file");
        assert!(find(None, &env).is_err());
    }

    #[test]
    fn a_flag_beats_the_variable_and_both_start_from_the_current_folder() {
        let env = Env::from_pairs([("MCPO_FILE", "env.yaml")], PathBuf::from("/w"));
        let path = |named| find(named, &env).expect("named").map(|(path, _)| path);
        assert_eq!(path(None), Some(PathBuf::from("/w/env.yaml")));
        assert_eq!(path(Some(Path::new("flag.yaml"))), Some(PathBuf::from("/w/flag.yaml")));
    }
}
