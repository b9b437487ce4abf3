//! A container as a `docker run` line.

use std::path::Path;

use super::container::{Container, MountSource, Restart};
use super::desired::Desired;
use super::path::from_folder;
use crate::model::label;

/// A line, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLine {
    /// The networks and volumes that have to be there first.
    pub before: Vec<Needed>,
    /// The env file that need not be there for anybody but `docker run`.
    pub env_file: Option<String>,
    /// The line's words, with what each group of them is for.
    pub parts: Vec<Part>,
}

/// A network or volume that a line needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// `network` or `volume`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The arguments of the process that makes it, where it is not there.
    pub create: Vec<String>,
}

/// Words of a line that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The words, such as `--memory` and `2g`.
    pub words: Vec<String>,
    /// What they are for.
    pub why: &'static str,
}

impl RunLine {
    /// The arguments of one process, `docker` first.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.words.iter().cloned()).collect()
    }

    /// Names the image of `container` by a reference that can only ever mean one.
    pub fn pin(&mut self, container: &Container, reference: &str) {
        // It stands before the command, which may be anything.
        let named = |part: &&mut Part| part.words == [container.image.as_str()];
        if let Some(part) = self.parts.iter_mut().find(named) {
            part.words = vec![reference.to_owned()];
        }
    }

    /// A line that can be pasted into a POSIX shell, what has to be there first above it.
    #[must_use]
    pub fn shell(&self) -> String {
        let before = self.before.iter().map(|Needed { kind, name, create }| {
            format!("docker {kind} inspect {name} >/dev/null 2>&1 ||\n  {}\n", line(create))
        });
        let env_file = self.env_file.iter().map(|path| {
            let path = shell_word(path);
            format!("[ -e {path} ] || (umask 077 && : > {path})\n")
        });
        let parts: Vec<String> = self.parts.iter().map(|part| line(&part.words)).collect();
        let before = env_file.chain(before);
        before.chain([parts.join(" \\\n  "), "\n".to_owned()]).collect()
    }

    /// Every option with what it is for.
    #[must_use]
    pub fn explained(&self) -> String {
        let words: Vec<String> = self.parts.iter().map(|part| line(&part.words)).collect();
        let widest = words.iter().map(|words| words.chars().count()).filter(|width| *width <= WIDEST).max();
        let width = widest.unwrap_or(0);
        let parts = words.iter().zip(&self.parts).map(|(words, part)| {
            let gap = if words.chars().count() > width { format!("\n{:width$}", "") } else { String::new() };
            format!("{words:width$}{gap}  # {}\n", part.why)
        });
        parts.collect()
    }
}

/// Longer words stand on a line of their own.
const WIDEST: usize = 60;

/// `container` as a line for somebody in `folder`.
#[must_use]
pub fn run_line(container: &Container, desired: &Desired, folder: &Path) -> RunLine {
    let optional = container.origins.env_file.as_ref().filter(|file| !file.required);
    RunLine {
        before: before(container, desired),
        env_file: optional.map(|file| seen_from(&file.path, folder)),
        parts: parts(container, folder),
    }
}

/// No path lies below this.
const NOWHERE: &str = "\0";

/// `container` as a line for somebody who may be anywhere: every path is absolute.
#[must_use]
pub fn absolute_line(container: &Container, desired: &Desired) -> RunLine {
    run_line(container, desired, Path::new(NOWHERE))
}

/// The words that make the engine run `container`.
pub(super) fn parts(container: &Container, folder: &Path) -> Vec<Part> {
    let mut parts = Parts(Vec::new());
    parts.add(&["docker", "run"], "a container of the engine's, which confines it");
    if container.restart == Restart::Never {
        parts.add(&["--rm"], "nothing is left when it has ended");
    } else {
        parts.add(&["--detach"], "it runs on its own");
        parts.add(&["--name", &container.name], "as `mcpo-deploy` and Compose name it");
        parts.add(&["--restart", "unless-stopped"], "it comes back until somebody stops it");
    }
    if container.interactive {
        parts.add(&["--interactive"], "it speaks over standard input; without this it ends at once");
    }
    variables(container, folder, &mut parts);
    confinement(container, &mut parts);
    attachments(container, &mut parts);
    parts.add(&["--log-driver", "json-file"], "what it prints is kept by the engine");
    parts.add(&["--log-opt", &format!("max-size={}", container.log_size)], "in files of this size");
    parts.add(&["--log-opt", &format!("max-file={}", container.log_files)], "and no more of them");
    parts.add(
        &["--stop-timeout", &container.stop_grace.as_secs().to_string()],
        "the seconds that it has to end",
    );
    labels(container, &mut parts);
    parts.add(&[container.image.as_str()], "what it runs from");
    if !container.command.is_empty() {
        parts.push(container.command.clone(), "what it runs");
    }
    parts.0
}

/// A path for somebody in `folder`, who may be anywhere but below it.
fn seen_from(path: &Path, folder: &Path) -> String {
    from_folder(path, folder, !path.starts_with(folder))
}

struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, words: &[&str], why: &'static str) {
        self.push(words.iter().map(|&word| word.to_owned()).collect(), why);
    }

    fn push(&mut self, words: Vec<String>, why: &'static str) {
        self.0.push(Part { words, why });
    }
}

fn variables(container: &Container, folder: &Path, parts: &mut Parts) {
    let origins = &container.origins;
    if let Some(file) = &origins.env_file {
        let path = seen_from(&file.path, folder);
        parts.add(&["--env-file", &path], "its keys, which stay out of this line and of the shell's history");
    }
    for key in container.set_by_name() {
        let by_name = origins.passed.contains(key) || container.asks_for(key);
        match container.environment.get(key).filter(|_| !by_name) {
            Some(value) => parts.add(&["--env", &format!("{key}={}", value.expose())], "a setting"),
            None => parts.add(&["--env", key], "taken from your environment"),
        }
    }
}

fn confinement(container: &Container, parts: &mut Parts) {
    parts.add(&["--user", &container.user.to_string()], "not root");
    if container.read_only {
        parts.add(&["--read-only"], "nothing can be changed in the image's files");
    }
    for (path, options) in &container.tmpfs {
        parts
            .add(&["--tmpfs", &format!("{path}:{options}")], "but here, in memory, where nothing can be run");
    }
    parts.add(&["--cap-drop", "ALL"], "none of root's powers");
    for capability in &container.cap_add {
        parts.add(&["--cap-add", capability], "but this one");
    }
    if container.no_new_privileges {
        parts.add(&["--security-opt", "no-new-privileges:true"], "and no way to gain them");
    }
    if let Some(filter) = &container.seccomp {
        let file = container.origins.seccomp.as_ref().map(|path| path.display().to_string());
        let filter = format!("seccomp={}", file.as_ref().unwrap_or(filter));
        parts.add(&["--security-opt", &filter], "the system calls that it may make");
    }
    if let Some(memory) = container.memory {
        parts.add(&["--memory", &memory.to_string()], "the most memory");
        let swap = if container.no_swap { memory.to_string() } else { "-1".to_owned() };
        parts.add(&["--memory-swap", &swap], "with swap counted in: equal means that there is none");
    }
    if let Some(cpus) = container.cpus {
        parts.add(&["--cpus", &cpus.to_string()], "the most processors");
    }
    if let Some(pids) = container.pids {
        parts.add(&["--pids-limit", &pids.to_string()], "the most processes and threads");
    }
    if container.init {
        parts.add(&["--init"], "somebody who reaps, where the program does not");
    }
}

fn attachments(container: &Container, parts: &mut Parts) {
    parts.add(&["--network", &container.network], "a network of its own instead of everybody's");
    if container.restart != Restart::Never && container.network != "none" {
        parts.add(&["--network-alias", container.service.name()], "its name there");
    }
    for port in &container.ports {
        let published = format!("{}:{}", std::net::SocketAddr::new(port.address, port.host), port.container);
        parts.add(&["--publish", &published], "reached at this address alone");
    }
    for mount in &container.mounts {
        let source = match &mount.source {
            MountSource::Volume(name) => name.clone(),
            MountSource::Folder(path) => path.display().to_string(),
        };
        parts.add(&["--volume", &format!("{source}:{}", mount.target)], "its log files");
    }
}

/// Whose it is. A service is known by Compose's labels, to `mcpo-deploy` too; a client's container of
/// the stdio server is nobody's service.
fn labels(container: &Container, parts: &mut Parts) {
    // Any hash will do: without one Compose does not see the container and stumbles over its name.
    const COMPOSE_HASH: (&str, &str) = (label::COMPOSE_CONFIG_HASH, "docker-run");
    const OF_SERVICE: [&str; 5] = [
        label::ROLE,
        label::COMPOSE_PROJECT,
        label::COMPOSE_SERVICE,
        label::COMPOSE_NUMBER,
        label::COMPOSE_ONEOFF,
    ];
    let value = |key: &'static str| Some((key, container.labels.get(key)?.as_str()));
    let is_service = container.restart != Restart::Never;
    let of_service = OF_SERVICE.into_iter().filter_map(value).chain([COMPOSE_HASH]);
    let of_service = of_service.filter(|_| is_service);
    for (key, value) in value(label::PROJECT).into_iter().chain(of_service) {
        let why = if key.starts_with("io.mcpo-deploy.") { "whose it is" } else { "the same to Compose" };
        parts.add(&["--label", &format!("{key}={value}")], why);
    }
}

/// What the line stands on. With labels, so that `mcpo-deploy` and Compose take it for the project's.
fn before(container: &Container, desired: &Desired) -> Vec<Needed> {
    let project = &desired.project;
    let needed = |kind: &'static str, key_label: &str, key: &str, name: &str| {
        let labels = [
            format!("{}={project}", label::PROJECT),
            format!("{}={project}", label::COMPOSE_PROJECT),
            format!("{key_label}={key}"),
        ];
        let labels = labels.into_iter().flat_map(|label| ["--label".to_owned(), label]);
        let words = ["docker", kind, "create"].map(str::to_owned).into_iter();
        Needed { kind, name: name.to_owned(), create: words.chain(labels).chain([name.to_owned()]).collect() }
    };
    let network = desired.network.iter().filter(|network| network.name == container.network);
    let network =
        network.map(|network| needed("network", label::COMPOSE_NETWORK, &network.key, &network.name));
    let mounted = |name: &str| {
        container
            .mounts
            .iter()
            .any(|mount| matches!(&mount.source, MountSource::Volume(volume) if volume == name))
    };
    let volumes = desired.volumes.iter().filter(|volume| mounted(&volume.name));
    let volumes = volumes.map(|volume| needed("volume", label::COMPOSE_VOLUME, &volume.key, &volume.name));
    network.chain(volumes).collect()
}

pub(super) fn line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell takes it for that very word.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@+%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
