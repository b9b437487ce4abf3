//! Images that are made of this machine's own files, in place of those that a registry has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::docker::{docker, run};

/// What prints, a line each, the folders of this machine's Python and the program itself.
const WHERE_PYTHON_IS: &str = "import os, sys, sysconfig; print(sys.base_prefix, os.path.realpath(sys.executable), \
     *sorted({sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib')}), sep='\\n')";

/// What of its library no program needs, and what is of this machine's alone.
const NOT_IN_THE_IMAGE: [&str; 9] = [
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "lib2to3",
    "ensurepip",
    "site-packages",
    "dist-packages",
    "__pycache__",
];

/// An image with this machine's Python 3 as `python3`, as that of Docker's library has it.
pub(crate) fn import_python(image: &str) {
    let root = tempfile::tempdir().expect("a folder");
    let asked = run(Command::new("python3").args(["-c", WHERE_PYTHON_IS]), "").ok().out;
    let mut lines = asked.lines();
    let (home, program) = (lines.next().expect("a folder"), Path::new(lines.next().expect("a program")));
    copy_with_libraries(program, root.path());
    for folder in lines.map(Path::new) {
        copy_library(folder, root.path());
    }
    // glibc opens these by their names, when one is looked up.
    let libraries = program_libraries(program);
    let libc = libraries.iter().find(|path| path.ends_with("libc.so.6"));
    for name in ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"] {
        if let Some(path) = libc.map(|libc| libc.with_file_name(name)).filter(|path| path.exists()) {
            copy(&path, &below(root.path(), &path));
        }
    }
    let named = root.path().join("usr/local/bin/python3");
    fs::create_dir_all(named.parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink(program, named).expect("a link");
    import(root.path(), image, &["ENV PATH=/usr/local/bin", &format!("ENV PYTHONHOME={home}")]);
}

fn copy_library(folder: &Path, root: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_IN_THE_IMAGE.contains(&&*name) || name.starts_with("config-") {
            continue;
        }
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            _ if path.is_dir() => copy_library(&path, root),
            Some("so") => copy_with_libraries(&path, root),
            Some("py") => copy(&path, &below(root, &path)),
            _ => {}
        }
    }
}

/// A program or a library of this machine's, and what it is linked with, at the same places.
pub(crate) fn copy_with_libraries(program: &Path, root: &Path) {
    for path in program_libraries(program).iter().map(PathBuf::as_path).chain([program]) {
        let to = below(root, path);
        if !to.exists() {
            copy(path, &to);
        }
    }
}

fn program_libraries(program: &Path) -> Vec<PathBuf> {
    let listed = run(Command::new("ldd").arg(program), "").ok().out;
    listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Copies one file, and makes the folder that it goes to.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// Makes an image of a folder, as root's, with lines of a Dockerfile.
pub(crate) fn import(root: &Path, image: &str, lines: &[&str]) {
    // Whatever this process's umask is, and a temporary folder's own mode.
    let archive = root.with_extension("tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root).args(["--owner=0", "--group=0", "--mode=a+rX", "-cf"]).arg(&archive).arg(".");
    run(&mut tar, "").ok();
    let path = archive.display().to_string();
    let changes = lines.iter().flat_map(|line| ["--change", line]);
    let args: Vec<&str> = ["import"].into_iter().chain(changes).chain([path.as_str(), image]).collect();
    let import = docker(&args);
    fs::remove_file(archive).expect("a file");
    import.ok();
}
