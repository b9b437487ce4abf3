//! Paths as they stand in a file: relative to its folder, so that the folder can be moved.

use std::path::{Component, Path};

/// `path` as it is written into a file in `folder`: relative where both lie in `project`, or where
/// `path` does and the file was sent elsewhere; absolute where `path` is not the project's.
#[must_use]
pub fn from_folder(path: &Path, folder: &Path, project: &Path) -> String {
    if !path.starts_with(project) {
        return path.display().to_string();
    }
    let (mut there, mut here) = (path.components().peekable(), folder.components().peekable());
    while there.peek().is_some() && there.peek() == here.peek() {
        there.next();
        here.next();
    }
    let ups = here.filter(|part| matches!(part, Component::Normal(_))).count();
    let down: Vec<String> = there.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    match (ups, down.is_empty()) {
        (0, true) => ".".to_owned(),
        (0, false) => format!("./{}", down.join("/")),
        (ups, _) => std::iter::repeat_n("..".to_owned(), ups).chain(down).collect::<Vec<_>>().join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_project_s_is_relative_and_any_other_is_not() {
        for (path, folder, written) in [
            ("/p/.env", "/p", "./.env"),
            ("/p/.env", "/p/compose", "../.env"),
            ("/p/app", "/p/a/b", "../../app"),
            ("/p/compose/x", "/p/compose", "./x"),
            ("/p", "/p", "."),
            ("/p", "/p/compose", ".."),
            ("/p/logs", "/elsewhere", "../p/logs"),
            ("/etc/profile.json", "/p/compose", "/etc/profile.json"),
        ] {
            assert_eq!(from_folder(Path::new(path), Path::new(folder), Path::new("/p")), written);
        }
    }
}
