//! One deployment of one test: a folder, a project and ports of its own, and nothing left behind.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::docker::{self, Ran};

/// A deployment's folder and name.
pub(crate) struct Rig {
    pub(crate) project: String,
    pub(crate) websocket: u16,
    pub(crate) rest: u16,
    home: TempDir,
    environment: Vec<(String, String)>,
    /// What is removed in the end besides the project: images and containers of no project's.
    images: Mutex<Vec<String>>,
    containers: Mutex<Vec<String>>,
}

impl Rig {
    /// With images of the tests' own, which nobody else on this engine rebuilds meanwhile.
    pub(crate) fn new(name: &str) -> Self {
        let images = own_images();
        let mut rig = Self::of_ours(name);
        rig.set("MCPO_ORCHESTRATOR_IMAGE", &images.orchestrator);
        rig.set("MCPO_BRIDGE_IMAGE", &images.bridge);
        rig
    }

    /// With the images that everybody has by default.
    pub(crate) fn of_ours(name: &str) -> Self {
        engine_answers();
        let home = tempfile::Builder::new().prefix("mcpo-engine-").tempdir().expect("a folder");
        let project = format!("mcpo-test-{name}-{}", std::process::id());
        fs::create_dir(home.path().join(&project)).expect("a folder");
        let (websocket, rest) = (free_port(), free_port());
        let mut rig = Self {
            project,
            websocket,
            rest,
            home,
            environment: Vec::new(),
            images: Mutex::default(),
            containers: Mutex::default(),
        };
        rig.set("MCPO_BRIDGE_WEBSOCKET_PORT", &websocket.to_string());
        rig.set("MCPO_BRIDGE_REST_PORT", &rest.to_string());
        rig
    }

    /// Sets a variable for every program that is run.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(key, _)| key != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The variables that are set for every program.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Uses an image of somebody else's as the orchestrator; the bridge's is the project's then.
    pub(crate) fn use_image(&mut self, image: &str, status_tool: &str) {
        self.set("MCPO_ORCHESTRATOR_IMAGE", image);
        self.set("MCPO_ORCHESTRATOR_STATUS_TOOL", status_tool);
        let bridge = format!("{}-mcp-bridge:latest", self.project);
        self.set("MCPO_BRIDGE_IMAGE", &bridge);
        held(&self.images).push(bridge);
    }

    /// The deployment's folder, whose name is the project's.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join(&self.project)
    }

    /// Writes a file of the deployment's.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Makes an image from a Dockerfile and the fixtures, which are in its context.
    pub(crate) fn image(&self, name: &str, dockerfile: &str) -> String {
        let context = self.home.path().join(format!("image-{name}"));
        fs::create_dir_all(&context).expect("a folder");
        fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
        copy_fixtures(&context);
        fs::write(context.join("passwd"), "root:x:0:0::/:/\napp:x:1001:1002::/:/\n").expect("a file");
        let tag = format!("{}-{name}:latest", self.project);
        docker::build(&tag, &context);
        held(&self.images).push(tag.clone());
        tag
    }

    /// Remembers an image that is removed in the end.
    pub(crate) fn owns_image(&self, image: &str) {
        held(&self.images).push(image.to_owned());
    }

    /// Remembers a container of no project's that is removed in the end.
    pub(crate) fn owns_container(&self, name: &str) {
        held(&self.containers).push(name.to_owned());
    }

    /// A free name within the test.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.project)
    }

    /// The bridge's container.
    pub(crate) fn bridge(&self) -> String {
        self.named("mcp-bridge-1")
    }

    /// The command line with arguments, in the deployment's folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpo-deploy"));
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy();
            if name.starts_with("MCPO_") || name.starts_with("COMPOSE_") {
                command.env_remove(&key);
            }
        }
        command
            .current_dir(self.folder())
            .env("MCPO_PROJECT", &self.project)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .arg("--programs")
            .arg(programs())
            .args(args);
        command
    }

    /// Runs the command line to its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        docker::run(&mut self.command(args), "")
    }

    /// Starts the command line, to be interrupted.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the command line")
    }

    /// Brings it up, which must work.
    #[track_caller]
    pub(crate) fn up(&self) -> Ran {
        self.run(&["up"]).ok()
    }

    /// Names of the containers, networks and volumes of the project.
    #[track_caller]
    pub(crate) fn what_there_is(&self) -> Vec<String> {
        ["container", "network", "volume"]
            .into_iter()
            .flat_map(|kind| docker::labelled(kind, &self.project))
            .collect()
    }

    /// Containers that were made to answer one verification, and are still there.
    #[track_caller]
    pub(crate) fn probes(&self) -> Vec<String> {
        let containers = docker::labelled("container", &self.project);
        containers.into_iter().filter(|name| name.contains("-mcp-orchestrator-probe-")).collect()
    }

    /// The containers that clients have.
    #[track_caller]
    pub(crate) fn clients(&self) -> Vec<String> {
        let containers = docker::labelled("container", &self.project);
        containers.into_iter().filter(|name| name.contains("-mcp-orchestrator-run-")).collect()
    }

    /// The bridge's answer over REST.
    #[track_caller]
    pub(crate) fn rest_status(&self, method: &str) -> serde_json::Value {
        let url = format!("http://127.0.0.1:{}/mcp", self.rest);
        let body = format!(r#"{{"method": "{method}", "params": {{}}}}"#);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-X", "POST", &url, "-H", "Content-Type: application/json", "-d", &body]);
        docker::run(&mut curl, "").ok().json()
    }
}

/// Even where a test fails, nothing is left behind.
impl Drop for Rig {
    fn drop(&mut self) {
        let mut down = self.command(&["down", "--volumes", "--quiet"]);
        let ended = down.stdin(Stdio::null()).output();
        for name in held(&self.containers).drain(..) {
            let _ = Command::new("docker").args(["rm", "-f", "-v", &name]).output();
        }
        for image in held(&self.images).drain(..) {
            let _ = Command::new("docker").args(["rmi", "-f", &image]).output();
        }
        // A test that fails has its own words.
        let clean = ended.as_ref().is_ok_and(|output| output.status.success());
        assert!(clean || std::thread::panicking(), "down --volumes failed: {ended:?}");
    }
}

fn held(names: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails with a reason where no engine answers.
fn engine_answers() {
    let ran = docker::docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(
        ran.code == Some(0),
        "the engine's tests need a Docker engine, and none answers: {}\nstart one, or set DOCKER_HOST",
        ran.err
    );
}

/// A folder for what all tests share, and a lock on it for what only one may do.
pub(crate) fn shared() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Holds what `name` stands for until it is dropped; each test may be a process of its own.
pub(crate) fn lock(name: &str) -> File {
    let file = File::create(shared().join(format!("{name}.lock"))).expect("a lock");
    file.lock().expect("a lock");
    file
}

/// A port that nobody holds and no other test is given: below the range that the kernel gives away.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 21000;
    const LAST: u16 = 31000;
    let _lock = lock("ports");
    let path = shared().join("ports");
    let last = fs::read_to_string(&path).ok().and_then(|text| text.parse().ok()).unwrap_or(FIRST);
    let candidates = (last + 1..LAST).chain(FIRST..LAST);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = candidates.into_iter().find(is_free).expect("a free port");
    fs::write(path, port.to_string()).expect("a file");
    port
}

/// The static programs for images: those beside the command line without their symbols, which are
/// most of a debug build.
pub(crate) fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("MCPO_TEST_PROGRAMS") {
        return folder.into();
    }
    let folder = shared().join("programs");
    let _lock = lock("programs");
    fs::create_dir_all(&folder).expect("a folder");
    let built = [env!("CARGO_BIN_EXE_mcp-orchestrator"), env!("CARGO_BIN_EXE_mcp-bridge")];
    for program in built.map(Path::new) {
        strip(program, &folder.join(program.file_name().expect("a name")));
    }
    folder
}

fn strip(from: &Path, to: &Path) {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if changed(to).is_some_and(|made| changed(from).is_some_and(|built| built <= made)) {
        return;
    }
    let stripped = Command::new("strip").arg("-o").arg(to).arg(from).status();
    if !stripped.is_ok_and(|status| status.success()) {
        // Without binutils it works too, and takes longer.
        fs::copy(from, to).expect("a copy");
    }
}

/// Puts the fixture programs into a folder, without their symbols.
pub(crate) fn copy_fixtures(folder: &Path) {
    let examples = Path::new(env!("CARGO_BIN_EXE_mcpo-deploy")).with_file_name("examples");
    let _lock = lock("fixtures");
    for name in ["stdio-fixture", "contained-fixture"] {
        let built = examples.join(name);
        assert!(built.is_file(), "build it first: cargo build --example {name}");
        let stripped = shared().join(name);
        strip(&built, &stripped);
        fs::copy(stripped, folder.join(name)).expect("a copy");
    }
}

/// The images that most tests share.
pub(crate) struct Images {
    pub(crate) orchestrator: String,
    pub(crate) bridge: String,
}

/// Builds the images that are only these tests', once, and returns their names.
fn own_images() -> Images {
    let programs = programs();
    let mut hasher = DefaultHasher::new();
    shared().hash(&mut hasher);
    let key = hasher.finish();
    let images = Images {
        orchestrator: format!("mcpo-engine-tests-orchestrator:{key:x}"),
        bridge: format!("mcpo-engine-tests-bridge:{key:x}"),
    };
    let _lock = lock("images");
    let built_of =
        |program: &str| fs::metadata(programs.join(program)).and_then(|metadata| metadata.modified());
    let stamp = format!("{:?} {:?}", built_of("mcp-orchestrator").ok(), built_of("mcp-bridge").ok());
    let path = shared().join("images");
    let is_there = |image: &str| docker::inspect("image", image).is_some();
    if fs::read_to_string(&path).is_ok_and(|made| made == stamp)
        && is_there(&images.orchestrator)
        && is_there(&images.bridge)
    {
        return images;
    }
    let rig = Rig::of_ours("images");
    let context = rig.folder().join("context");
    fs::create_dir_all(&context).expect("a folder");
    add(&context.join("added.tar"), &programs.join("mcp-orchestrator"));
    // All but the labels, which are filled in for programs alone.
    let ours = include_str!("../../templates/image/orchestrator.Dockerfile").lines();
    let ours: Vec<&str> = ours.filter(|line| !line.starts_with("LABEL")).collect();
    fs::write(context.join("Dockerfile"), ours.join("\n")).expect("a file");
    let settings = [
        "orchestrator.build.context=context".to_owned(),
        format!("orchestrator.image={}", images.orchestrator),
        format!("bridge.image={}", images.bridge),
    ];
    let args = ["build", "--set", &settings[0], "--set", &settings[1], "--set", &settings[2]];
    rig.run(&args).ok();
    fs::write(path, stamp).expect("a file");
    images
}

/// What our own build adds to the base: the program, and a folder for logs that is its user's.
fn add(archive: &Path, program: &Path) {
    let mut tar = tar::Builder::new(File::create(archive).expect("a file"));
    let mut entry = |path: &str, owner: u64, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).expect("an entry");
    };
    entry("app/logs/", 65532, b"");
    entry("mcp-orchestrator", 0, &fs::read(program).expect("a program"));
    tar.finish().expect("an archive");
}
