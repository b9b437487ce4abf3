//! The three Composes that people have, brought along once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::compose::compose_program;
use super::super::docker::{Ran, container, docker, run};
use super::super::rig::{Rig, lock, shared};
use serde_json::Value;

/// A Compose, by its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compose {
    V5,
    V2,
    V1_29,
}

impl Compose {
    pub(super) const ALL: [Self; 3] = [Self::V5, Self::V2, Self::V1_29];

    fn program(self) -> PathBuf {
        match self {
            Self::V5 => compose_program(),
            Self::V2 => v2_program(),
            Self::V1_29 => v1_29_program(),
        }
    }

    /// Renders what this Compose reads, and returns the file of the profile.
    #[track_caller]
    pub(super) fn render(self, rig: &Rig, profile: &str, folder: &Path) -> PathBuf {
        let (folder_text, name) = (folder.display().to_string(), file_name(profile));
        let generation = match self {
            Self::V5 => "2.30",
            Self::V2 => "2.24",
            Self::V1_29 => "1.29",
        };
        rig.run(&["render", profile, "--for", generation, "-o", &folder_text]).ok();
        folder.join(name)
    }

    /// Runs it with a file, from a folder that is not the file's: paths are the file's.
    #[track_caller]
    pub(super) fn run(self, rig: &Rig, file: &Path, args: &[&str]) -> Ran {
        let mut command = Command::new(self.program());
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("COMPOSE_") {
                command.env_remove(&key);
            }
        }
        command.envs(rig.environment().iter().map(|(key, value)| (key, value)));
        if self == Self::V1_29 {
            // It has no name in its file, and takes a seccomp profile's path from where it is run.
            command.args(["-p", &rig.project]).current_dir(file.parent().expect("a folder"));
        } else {
            command.current_dir("/");
        }
        run(command.arg("-f").arg(file).args(args), "")
    }

    /// A service's container, whatever it is called, as `docker inspect` says it.
    #[track_caller]
    pub(super) fn container(self, rig: &Rig, service: &str) -> Value {
        let project = format!("label=com.docker.compose.project={}", rig.project);
        let service = format!("label=com.docker.compose.service={service}");
        let listed = docker(&["ps", "-aq", "--filter", &project, "--filter", &service]).ok();
        let ids: Vec<&str> = listed.out.lines().collect();
        assert_eq!(ids.len(), 1, "{self:?}: {listed:?}");
        container(ids[0])
    }
}

/// The file of a profile.
pub(super) fn file_name(profile: &str) -> String {
    let name = if profile == "bridge" { "mcp-bridge" } else { profile };
    format!("docker-compose.{name}.yml")
}

/// Compose v2 as the distribution has it: of Debian the first that had one, of Ubuntu its own. It is
/// taken from the mirror that this machine's apt is set to, and not installed.
fn v2_program() -> PathBuf {
    let folder = shared().join("compose-2");
    let program = folder.join("usr/libexec/docker/cli-plugins/docker-compose");
    let _lock = lock("compose-2");
    if program.is_file() {
        return program;
    }
    let (line, package) = source_of_v2();
    for part in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    fs::write(folder.join("sources.list"), line).expect("a file");
    let apt = |args: &[&str]| {
        let at = |path: &str| folder.join(path).display().to_string();
        let mut apt = Command::new("apt-get");
        apt.current_dir(&folder).arg("-q").args([
            &format!("-oDir::Etc::SourceList={}", at("sources.list")),
            "-oDir::Etc::SourceParts=/dev/null",
            &format!("-oDir::State::Lists={}", at("lists")),
            &format!("-oDir::Cache={}", at("")),
            "-oAcquire::Languages=none",
            "-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "-oAPT::Sandbox::User=root",
        ]);
        let ran = run(apt.args(args), "");
        assert_eq!(ran.code, Some(0), "Compose v2 is needed, and apt-get {args:?} failed: {}", ran.all());
    };
    apt(&["update"]);
    apt(&["download", package]);
    let archives = fs::read_dir(&folder).expect("a folder").filter_map(|entry| Some(entry.ok()?.path()));
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    run(Command::new("dpkg-deb").arg("-x").arg(archive.expect("a package")).arg(&folder), "").ok();
    fs::remove_dir_all(folder.join("lists")).expect("a folder");
    let version = run(Command::new(&program).arg("version"), "").ok();
    assert!(version.out.contains("version 2.") || version.out.contains("version v2."), "{}", version.out);
    program
}

/// The apt source that has a Compose v2, and the package's name there.
fn source_of_v2() -> (String, &'static str) {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let of = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    let (system, codename) = (of("ID"), of("VERSION_CODENAME"));
    let targets = ["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"];
    let targets = run(Command::new("apt-get").args(targets), "");
    let mirror = |component: &str| {
        let lines = targets.out.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let found = lines.into_iter().find(|words| words.get(1..) == Some(&[&*codename, component]));
        let found = found.and_then(|words| words.first().map(|&mirror| mirror.to_owned()));
        found.unwrap_or_else(|| {
            panic!("Compose v2 is needed, and apt has no {codename} {component}: {}", targets.all())
        })
    };
    let signed = |keyring: &str| format!("[signed-by=/usr/share/keyrings/{keyring}.gpg]");
    match system.as_str() {
        "debian" => {
            let (signed, mirror) = (signed("debian-archive-keyring"), mirror("main"));
            (format!("deb {signed} {mirror} trixie main\n"), "docker-compose")
        }
        "ubuntu" => {
            let (signed, mirror) = (signed("ubuntu-archive-keyring"), mirror("universe"));
            let suite = |name: &str| format!("deb {signed} {mirror} {codename}{name} universe\n");
            (suite("") + &suite("-updates"), "docker-compose-v2")
        }
        other => panic!("Compose v2 is needed, and this is known to have none: {other}"),
    }
}

/// Compose 1.29, which is a Python program.
fn v1_29_program() -> PathBuf {
    let folder = shared().join("compose-1.29");
    let program = folder.join("bin/docker-compose");
    let _lock = lock("compose-1.29");
    if program.is_file() {
        return program;
    }
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/rendered/compose-1.29.txt");
    let venv = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), "");
    assert_eq!(venv.code, Some(0), "Compose 1.29 is needed, and python3 makes no venv: {}", venv.all());
    let mut pip = Command::new(folder.join("bin/pip"));
    let pip = pip.args(["install", "-q", "--disable-pip-version-check", "--no-deps", "-r"]).arg(list);
    let pip = run(pip, "");
    assert_eq!(pip.code, Some(0), "Compose 1.29 is needed, and pip cannot install it: {}", pip.all());
    program
}
