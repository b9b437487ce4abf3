//! Paths as they stand in a file: relative to its folder, so that the folder can be moved.

use std::path::{Component, Path};

/// `path` as it is written into a file in `folder`: as seen from there, or as it is where it is `fixed`.
#[must_use]
pub fn from_folder(path: &Path, folder: &Path, fixed: bool) -> String {
    if fixed {
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
    fn a_path_is_relative_unless_it_is_fixed() {
        for (path, folder, written) in [
            ("/p/.env", "/p", "./.env"),
            ("/p/.env", "/p/compose", "../.env"),
            ("/p/app", "/p/a/b", "../../app"),
            ("/p/compose/x", "/p/compose", "./x"),
            ("/p", "/p", "."),
            ("/p", "/p/compose", ".."),
            ("/p/logs", "/elsewhere", "../p/logs"),
            ("/.env", "/p/compose", "../../.env"),
            ("/srv/logs", "/srv/p/compose", "../../logs"),
        ] {
            assert_eq!(from_folder(Path::new(path), Path::new(folder), false), written);
        }
        let fixed = from_folder(Path::new("/etc/profile.json"), Path::new("/p"), true);
        assert_eq!(fixed, "/etc/profile.json");
    }
}
