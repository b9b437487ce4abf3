//! Checked values → a [`Stack`]: what depends on other settings, on each other, or on files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::files::{self, absolute, shown};
use super::layers::Layers;
use super::log_place::{folder_refused, mount_refused};
use super::problem::{Place, Problem};
use super::settings::{BRIDGE_IMAGE, DOCKERFILE, ORCHESTRATOR_IMAGE, SETTINGS, UNLIMITED};
use super::shape::duration;
use super::stack::{
    App, Bridge, Hardening, LogPlace, Logs, Network, Orchestrator, Protection, Seccomp, Source, Stack,
};
use super::values::{Text, Value};
use crate::model::{ImageRef, ProjectName, Secret};

/// What stands in for the project's name while a problem says that there is none.
const NAMELESS: &str = "nameless";

/// Layers, and the folder that their relative paths start from.
pub(super) struct Assembly<'l, 'e> {
    pub(super) layers: &'l mut Layers<'e>,
    pub(super) folder: PathBuf,
}

impl Assembly<'_, '_> {
    /// The whole description. Problems of what a person wrote go to the layers; the error is one
    /// that only a bug of ours can make.
    pub(super) fn stack(&mut self, file: Option<PathBuf>) -> Result<Stack, Problem> {
        self.settle_project();
        let (source, app_source) = self.settle_images()?;
        let orchestrator = self.orchestrator(source)?;
        let stack = Stack {
            project: self.one("project")?,
            folder: self.folder.clone(),
            file,
            fixed_paths: self.fixed_paths()?,
            orchestrator,
            hardening: self.hardening()?,
            logs: self.logs()?,
            bridge: self.bridge()?,
            app: self.app(app_source)?,
        };
        self.check_ports(&stack);
        self.check_mounts(&stack);
        Ok(stack)
    }

    fn fixed_paths(&self) -> Result<BTreeSet<PathBuf>, Problem> {
        const PATHS: [&str; 5] = [
            "orchestrator.build.context",
            "orchestrator.env_file",
            "hardening.seccomp",
            "logs.folder",
            "app.build.context",
        ];
        let mut fixed = BTreeSet::new();
        for key in PATHS {
            let text = self.some::<String>(key)?.filter(|text| text.starts_with(['/', '~']));
            fixed.extend(text.map(|text| absolute(&text, &self.folder, self.layers.env)));
        }
        Ok(fixed)
    }

    fn settle(&mut self, key: &'static str, value: Value) {
        self.layers.values.set(key, value, Place::Default);
    }

    fn settle_project(&mut self) {
        if self.layers.values.get("project").is_some() {
            return;
        }
        let name =
            self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let project = ProjectName::of_folder(&name);
        if project.is_none() && !self.layers.values.is_broken("project") {
            let message = format!(
                "the name of the folder {} has nothing that a project's name could be made of; \
                 set `project:`, -p or MCPO_PROJECT",
                self.folder.display()
            );
            self.problem("project", message);
        }
        let name = project.map_or_else(|| NAMELESS.to_owned(), |project| project.to_string());
        self.layers.values.set("project", Value::One(name), Place::Folder);
    }

    /// Decides where the images come from, and their names where those follow from the project.
    fn settle_images(&mut self) -> Result<(Source, Option<Source>), Problem> {
        let project: String = self.one("project")?;
        let image_is_set = self.layers.values.is_set("orchestrator.image");
        let source = match self.context("orchestrator.build.context", "orchestrator.build.dockerfile")? {
            Some(source) => source,
            None if self.one::<String>("orchestrator.image")? == ORCHESTRATOR_IMAGE => Source::Ours,
            None => Source::Image,
        };
        if matches!(source, Source::Context { .. }) && !image_is_set {
            self.settle("orchestrator.image", Value::One(format!("{project}-{ORCHESTRATOR_IMAGE}")));
        }
        if source != Source::Ours {
            if !self.layers.values.is_set("bridge.image") {
                self.settle("bridge.image", Value::One(format!("{project}-{BRIDGE_IMAGE}")));
            }
            if !self.layers.values.is_set("orchestrator.required_keys") {
                self.settle("orchestrator.required_keys", Value::List(Vec::new()));
            }
        }
        let app = self.context("app.build.context", "app.build.dockerfile")?;
        if app.is_some() && !self.layers.values.is_set("app.image") {
            self.settle("app.image", Value::One(format!("{project}-app:latest")));
        }
        Ok((source, app))
    }

    /// The context that is built, where one is set and is there.
    fn context(
        &mut self,
        key: &'static str,
        dockerfile_key: &'static str,
    ) -> Result<Option<Source>, Problem> {
        let Some(context) = self.path(key)? else {
            if self.layers.values.get(dockerfile_key).is_some() && !self.layers.values.is_broken(key) {
                self.problem(dockerfile_key, format!("needs `{key}`, the folder that it lies in"));
            }
            return Ok(None);
        };
        if self.layers.values.get(dockerfile_key).is_none() {
            self.settle(dockerfile_key, Value::One(DOCKERFILE.to_owned()));
        }
        let dockerfile: String = self.one(dockerfile_key)?;
        let env = self.layers.env;
        if !context.exists() {
            self.problem(key, format!("the folder {} does not exist", shown(&context, env)));
        } else if !context.is_dir() {
            self.problem(key, format!("{} is not a folder", shown(&context, env)));
        } else if !context.join(&dockerfile).is_file() {
            let path = shown(&context.join(&dockerfile), env);
            let place = self.layers.values.place(dockerfile_key);
            let key = if place == Place::Default { key } else { dockerfile_key };
            self.problem(key, format!("there is no Dockerfile at {path}"));
        }
        Ok(Some(Source::Context { context, dockerfile }))
    }

    fn orchestrator(&mut self, source: Source) -> Result<Orchestrator, Problem> {
        let environment = self.secrets("orchestrator.environment")?;
        let required_keys = self.list("orchestrator.required_keys")?;
        Ok(Orchestrator {
            image: self.one("orchestrator.image")?,
            source,
            command: self.list("orchestrator.command")?,
            env_file: self.env_file(&required_keys, &environment)?,
            environment,
            passed: self.passed("orchestrator.environment"),
            required_keys,
            status_tool: self.one("orchestrator.status_tool")?,
            max_clients: self.one("orchestrator.max_clients")?,
        })
    }

    fn hardening(&mut self) -> Result<Hardening, Problem> {
        let unenforced = self.list("hardening.accept_unenforced")?;
        Ok(Hardening {
            read_only: self.one("hardening.read_only")?,
            tmpfs: self.map("hardening.tmpfs")?,
            user: self.some("hardening.user")?,
            cap_add: self.list("hardening.cap_add")?.into_iter().collect(),
            no_new_privileges: self.one("hardening.no_new_privileges")?,
            seccomp: self.seccomp()?,
            memory: self.limit("hardening.memory")?,
            cpus: self.limit("hardening.cpus")?,
            pids: self.limit("hardening.pids")?,
            network: match self.one::<String>("hardening.network")?.as_str() {
                "private" => Network::Private,
                "none" => Network::None,
                name => Network::Existing(name.to_owned()),
            },
            accept_unenforced: Protection::ALL
                .iter()
                .filter(|(name, _)| unenforced.iter().any(|accepted| accepted == name))
                .map(|(_, protection)| *protection)
                .collect(),
        })
    }

    fn seccomp(&mut self) -> Result<Seccomp, Problem> {
        const KEY: &str = "hardening.seccomp";
        match self.one::<String>(KEY)?.as_str() {
            "default" => return Ok(Seccomp::Default),
            "unconfined" => return Ok(Seccomp::Unconfined),
            _ => {}
        }
        let Some(path) = self.path(KEY)? else { return Ok(Seccomp::Default) };
        let shown = shown(&path, self.layers.env);
        let json = match files::read(&path) {
            Ok((bytes, _)) => String::from_utf8(bytes).unwrap_or_default(),
            Err(unreadable) => {
                self.problem(KEY, unreadable.message(Path::new(&shown)));
                return Ok(Seccomp::Default);
            }
        };
        if !serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|profile| profile.is_object()) {
            self.problem(KEY, format!("{shown} is not a seccomp profile, which is a JSON object"));
        }
        Ok(Seccomp::Profile { path, json })
    }

    fn logs(&mut self) -> Result<Logs, Problem> {
        let folder = self.path("logs.folder")?;
        let volume: String = self.one("logs.volume")?;
        if folder.is_some() {
            if self.layers.values.is_set("logs.volume") {
                self.problem("logs.folder", "cannot be set together with `logs.volume`".to_owned());
            }
            self.layers.values.unset_default("logs.volume");
        }
        if let Some(folder) = folder.as_ref().filter(|folder| folder.exists() && !folder.is_dir()) {
            self.problem("logs.folder", format!("{} is not a folder", shown(folder, self.layers.env)));
        }
        if let Some(why) = folder.as_ref().and_then(|folder| folder_refused(folder, self.layers.env)) {
            self.problem("logs.folder", format!("must not be {why}"));
        }
        if let Some(why) = mount_refused(&self.one::<String>("logs.mount")?) {
            self.problem("logs.mount", format!("must not be {why}"));
        }
        Ok(Logs {
            place: folder.map_or(LogPlace::Volume(volume), LogPlace::Folder),
            mount: self.one("logs.mount")?,
            max_size: self.one("logs.max_size")?,
            max_files: self.one("logs.max_files")?,
            max_age: match self.one::<String>("logs.max_age")?.as_str() {
                UNLIMITED => None,
                text => Some(duration(text).ok_or_else(|| bug("logs.max_age"))?),
            },
        })
    }

    fn bridge(&mut self) -> Result<Bridge, Problem> {
        const TIMEOUT: &str = "bridge.call_timeout";
        Ok(Bridge {
            image: self.one("bridge.image")?,
            websocket_port: self.one("bridge.websocket_port")?,
            rest_port: self.one("bridge.rest_port")?,
            address: self.one("bridge.address")?,
            insecure: self.one("bridge.insecure")?,
            max_connections: self.one("bridge.max_connections")?,
            max_children: self.some("bridge.max_children")?,
            max_message: self.one("bridge.max_message")?,
            call_timeout: duration(&self.one::<String>(TIMEOUT)?).ok_or_else(|| bug(TIMEOUT))?,
            allowed_origins: self.list("bridge.allowed_origins")?,
            allowed_hosts: self.list("bridge.allowed_hosts")?,
        })
    }

    fn app(&mut self, source: Option<Source>) -> Result<Option<App>, Problem> {
        let first = SETTINGS
            .iter()
            .map(|setting| setting.key)
            .find(|key| key.starts_with("app.") && self.layers.values.is_set(key));
        let Some(first) = first else { return Ok(None) };
        let Some(image) = self.some::<ImageRef>("app.image")? else {
            let broken = |key| self.layers.values.is_broken(key);
            if !broken("app.image") && !broken("app.build.context") {
                let place = self.layers.values.place(first);
                let message = "needs `app.image` or `app.build.context`";
                self.layers.problems.push(Problem::new("app", message, place));
            }
            return Ok(None);
        };
        let mut ports = BTreeMap::new();
        for (host, container) in self.map("app.ports")? {
            let number = |text: &str| text.parse::<u16>().map_err(|_| bug("app.ports"));
            ports.insert(number(&host)?, number(&container)?);
        }
        Ok(Some(App {
            image,
            source: source.unwrap_or(Source::Image),
            command: self.list("app.command")?,
            environment: self.secrets("app.environment")?,
            passed: self.passed("app.environment"),
            ports,
            spawns: self.some("app.spawns")?.unwrap_or_default(),
        }))
    }

    fn check_ports(&mut self, stack: &Stack) {
        let bridge = &stack.bridge;
        let ours = [("bridge.websocket_port", bridge.websocket_port), ("bridge.rest_port", bridge.rest_port)];
        if ours.iter().any(|(key, _)| self.layers.values.is_broken(key)) {
            return;
        }
        if bridge.websocket_port == bridge.rest_port {
            let late = usize::from(self.layers.values.is_set("bridge.rest_port"));
            let message = format!("must not be {}, the port of `{}`", ours[late].1, ours[1 - late].0);
            self.problem(ours[late].0, message);
        }
        for port in stack.app.iter().flat_map(|app| app.ports.keys()) {
            if let Some((key, _)) = ours.iter().find(|(_, taken)| taken == port) {
                self.problem("app.ports", format!("must not publish {port}, the port of `{key}`"));
            }
        }
    }

    fn check_mounts(&mut self, stack: &Stack) {
        let mount = &stack.logs.mount;
        if stack.hardening.tmpfs.contains_key(mount) {
            let tmpfs = self.layers.values.is_set("hardening.tmpfs");
            let (key, other) =
                if tmpfs { ("hardening.tmpfs", "logs.mount") } else { ("logs.mount", "hardening.tmpfs") };
            self.problem(key, format!("must not be at {mount}, where `{other}` is"));
        }
    }

    /// Reports what is wrong with a key, at the place that its value came from.
    pub(super) fn problem(&mut self, key: &'static str, message: String) {
        let place = self.layers.values.place(key);
        self.layers.problems.push(Problem::new(key, message, place));
    }

    /// A path of the host, absolute, where one is set.
    pub(super) fn path(&self, key: &'static str) -> Result<Option<PathBuf>, Problem> {
        let base = match self.layers.values.place(key) {
            Place::Flag(_) => &self.layers.env.folder,
            _ => &self.folder,
        };
        Ok(self.some::<String>(key)?.map(|text| absolute(&text, base, self.layers.env)))
    }

    fn some<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Problem> {
        match self.layers.values.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::One(text)) => text.parse().map(Some).map_err(|_| bug(key)),
            Some(Value::List(_) | Value::Map(_)) => Err(bug(key)),
        }
    }

    fn one<T: FromStr<Err: Display>>(&self, key: &str) -> Result<T, Problem> {
        self.some(key)?.ok_or_else(|| bug(key))
    }

    fn limit<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Problem> {
        if self.one::<String>(key)? == UNLIMITED { Ok(None) } else { self.one(key).map(Some) }
    }

    fn list(&self, key: &str) -> Result<Vec<String>, Problem> {
        match self.layers.values.get(key).map(|entry| &entry.value) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => Ok(items.clone()),
            Some(Value::One(_) | Value::Map(_)) => Err(bug(key)),
        }
    }

    fn map(&self, key: &str) -> Result<BTreeMap<String, String>, Problem> {
        match self.layers.values.get(key).map(|entry| &entry.value) {
            None => Ok(BTreeMap::new()),
            Some(Value::Map(entries)) => {
                let text = |(name, value): (&String, &Text)| Some((name.clone(), value.text.clone()?));
                Ok(entries.iter().filter_map(text).collect())
            }
            Some(Value::One(_) | Value::List(_)) => Err(bug(key)),
        }
    }

    fn secrets(&self, key: &str) -> Result<BTreeMap<String, Secret>, Problem> {
        Ok(self.map(key)?.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }

    /// The names in a map whose values are the environment's, whether it has them or not.
    fn passed(&self, key: &str) -> BTreeSet<String> {
        let Some(Value::Map(entries)) = self.layers.values.get(key).map(|entry| &entry.value) else {
            return BTreeSet::new();
        };
        entries.iter().filter(|(_, value)| value.passed).map(|(name, _)| name.clone()).collect()
    }
}

/// The table of settings and this file disagree. A test resolves every default, so that nobody
/// should ever see it.
fn bug(key: &str) -> Problem {
    Problem::new(
        key,
        "could not be understood; this is a bug in mcpo-deploy, please report it",
        Place::Default,
    )
}
