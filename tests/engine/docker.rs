//! The engine as the tests see it: through the Docker CLI, never through the code under test.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No test waits longer for one thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The same, where it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended(0)
    }

    /// The same, where it ended so.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.out, self.err))
    }

    /// Everything that was said.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs a program to its end, which must come within [`PATIENCE`].
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // One that ends without reading is no fault of the writer's.
    std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let mut status = None;
    let ended = within(PATIENCE, || {
        status = child.try_wait().expect("a child's state");
        status.is_some()
    });
    if !ended {
        let _ = child.kill();
        let _ = child.wait();
    }
    let read = |pipe: std::thread::JoinHandle<String>| pipe.join().expect("a reader");
    let ran = Ran { code: status.and_then(|status| status.code()), out: read(out), err: read(err) };
    assert!(ended, "{command:?} did not end within {PATIENCE:?}: {ran:?}");
    ran
}

/// Runs a program to its end, which it has a bound of its own for.
pub(crate) fn ended(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Whether something becomes so in time; asked often, since it costs little.
pub(crate) fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Waits for something, or fails with its words.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    assert!(within(PATIENCE, holds), "in vain for {PATIENCE:?}: {what}");
}

/// The Docker CLI, to its end.
#[track_caller]
pub(crate) fn docker(args: &[&str]) -> Ran {
    run(Command::new("docker").args(args), "")
}

/// What `docker inspect` says of one thing; `None` where there is none.
#[track_caller]
pub(crate) fn inspect(kind: &str, name: &str) -> Option<Value> {
    let ran = docker(&["inspect", "--type", kind, name]);
    if ran.code != Some(0) {
        assert!(ran.err.to_lowercase().contains("no such"), "{}", ran.err);
        return None;
    }
    ran.json().get(0).cloned()
}

/// A container that must be there.
#[track_caller]
pub(crate) fn container(name: &str) -> Value {
    inspect("container", name).unwrap_or_else(|| panic!("there is no container {name}"))
}

/// A container's id.
#[track_caller]
pub(crate) fn id_of(name: &str) -> String {
    container(name)["Id"].as_str().expect("an id").to_owned()
}

/// What is labelled with a project: `container`, `network` or `volume` names, in order.
#[track_caller]
pub(crate) fn labelled(kind: &str, project: &str) -> Vec<String> {
    let filter = format!("label=io.mcpo-deploy.project={project}");
    let (all, name) = match kind {
        "container" => (vec!["container", "ls", "-a"], "{{.Names}}"),
        other => (vec![other, "ls"], "{{.Name}}"),
    };
    let args = [all, vec!["--filter", &filter, "--format", name]].concat();
    let ran = docker(&args).ok();
    let mut names: Vec<String> = ran.out.lines().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// The variables of a container, in order.
#[track_caller]
pub(crate) fn variables(name: &str) -> Vec<String> {
    let container = container(name);
    let listed = container["Config"]["Env"].as_array().cloned().unwrap_or_default();
    let mut variables: Vec<String> =
        listed.iter().filter_map(|variable| variable.as_str().map(str::to_owned)).collect();
    variables.sort_unstable();
    variables
}

/// Builds an image from a folder with the Docker CLI's classic way, as a stranger's image is made.
/// Without its cache: a layer that another test's image has too goes when that image is removed.
#[track_caller]
pub(crate) fn build(tag: &str, folder: &Path) {
    let folder = folder.display().to_string();
    let mut command = Command::new("docker");
    command.env("DOCKER_BUILDKIT", "0").args(["build", "-q", "--no-cache", "-t", tag, &folder]);
    run(&mut command, "").ok();
}
