//! From files, environment and flags to a description, or to everything that is wrong.

use std::path::PathBuf;

use mcpo_deploy::config::{
    ConfigError, EnvFile, Input, LogPlace, MAX_PROBLEMS, Network, Override, Place, Resolved, Seccomp, Source,
    resolve,
};
use mcpo_deploy::diagnostic::{Diagnostic as _, Exit};
use mcpo_deploy::env::Env;
use mcpo_deploy::model::{Bytes, Cpus, Secret};
use proptest::prelude::{ProptestConfig, proptest};

/// A folder named `demo`.
struct Folder {
    path: PathBuf,
    _root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("folder");
        let path = root.path().join("demo");
        std::fs::create_dir(&path).expect("folder");
        Self { path, _root: root }
    }

    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
        self
    }

    fn resolve_with(&self, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
        let env = Env::from_pairs(env.iter().copied(), self.path.clone());
        let overrides = flags
            .iter()
            .map(|(key, value)| Override {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
                flag: "--set".to_owned(),
            })
            .collect();
        resolve(&Input { overrides, ..Input::new(&env) })
    }

    fn resolve(&self) -> Result<Resolved, ConfigError> {
        self.resolve_with(&[], &[])
    }

    fn problems(&self) -> Vec<String> {
        problems(self.resolve())
    }
}

fn yaml(text: &str) -> Folder {
    Folder::new().with("mcpo.yaml", text)
}

fn problems(resolved: Result<Resolved, ConfigError>) -> Vec<String> {
    resolved.expect_err("a problem").problems.iter().map(ToString::to_string).collect()
}

fn warnings(resolved: &Resolved) -> Vec<String> {
    resolved.warnings.iter().map(ToString::to_string).collect()
}

fn origin(resolved: &Resolved, key: &str) -> (serde_json::Value, Place) {
    let setting = resolved.settings.iter().find(|setting| setting.key == key).expect(key);
    (setting.value.clone(), setting.origin.clone())
}

#[test]
fn with_no_file_at_all_everything_has_its_default() {
    let folder = Folder::new();
    let resolved = folder.resolve().expect("defaults");
    let stack = &resolved.stack;
    assert_eq!(stack.project.as_str(), "demo");
    assert_eq!((stack.folder.as_path(), stack.file.as_deref()), (folder.path.as_path(), None));
    assert_eq!(stack.orchestrator.image.as_str(), "mcp-orchestrator:latest");
    assert_eq!(stack.orchestrator.source, Source::Ours);
    assert_eq!(stack.orchestrator.required_keys, ["OPENROUTER_API_KEY", "OPENAI_API_KEY"]);
    let env_file = EnvFile { path: folder.path.join(".env"), required: false, variables: [].into() };
    assert_eq!(stack.orchestrator.env_file, Some(env_file));
    assert_eq!(stack.hardening.memory, Some(Bytes(2 << 30)));
    assert_eq!(stack.hardening.cpus, Some(Cpus::whole(2)));
    assert_eq!(stack.hardening.pids, Some(256));
    assert_eq!(stack.hardening.seccomp, Seccomp::Default);
    assert_eq!(stack.hardening.network, Network::Private);
    assert_eq!(stack.logs.place, LogPlace::Volume("mcp-logs".to_owned()));
    assert_eq!(stack.bridge.image.as_str(), "mcp-bridge:latest");
    assert_eq!(stack.app, None);
    let listed: Vec<_> = resolved
        .settings
        .iter()
        .map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.origin))
        .collect();
    insta::assert_snapshot!(listed.join("\n"));
}

#[test]
fn a_file_full_of_mistakes_is_told_in_full_and_in_its_order() {
    let folder = yaml(
        "\
project: My App
orchestrater:
  image: x
orchestrator:
  image: UPPER
  build:
    context: ./missing
  env_file: secrets.env
  environment:
    1BAD: sk-SECRET
    FINE: [sk-SECRET]
  comand: [x]
memory: 1g
hardening:
  memory: 0
  cpus: many
  pids: 0
  cap_add: [NET_BIND_SERVCE, CHOWN]
  seccomp: none.json
  read_only: yes
  read_only: true
  tmpfs: {tmp: size=1m, /ok: \"a b\"}
  network: host
logs: everywhere
bridge:
  websocket_port: 5000
  max_message: 10b
  call_timeout: soon
  address: localhost
  allowed_origins: https://example.com
app:
  ports: {5000: 80}
",
    );
    let env = [("MCPO_BRIDGE_REST_PORT", "x"), ("MCPO_HARDENING_TMPFS", "{")];
    let error =
        folder.resolve_with(&env, &[("bridge.insecure", "maybe"), ("no.such", "1")]).expect_err("problems");
    assert_eq!(error.exit(), Exit::BadInput);
    assert!(!error.to_string().contains("SECRET"));
    insta::assert_snapshot!(format!("{error}\n\nhint: {}", error.hint().expect("hint")));
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_defaults() {
    let folder = yaml("hardening:\n  memory: 1g\n  cpus: 1\n  pids: 10\n");
    let env = [("MCPO_HARDENING_CPUS", "3"), ("MCPO_HARDENING_PIDS", "30")];
    let resolved = folder.resolve_with(&env, &[("hardening.pids", "300")]).expect("good");
    let hardening = &resolved.stack.hardening;
    assert_eq!(hardening.memory, Some(Bytes(1 << 30)));
    assert_eq!(hardening.cpus, Some(Cpus::whole(3)));
    assert_eq!(hardening.pids, Some(300));
    let place = Place::File { file: "mcpo.yaml".to_owned(), line: 2, column: 11 };
    assert_eq!(origin(&resolved, "hardening.memory"), ("1g".into(), place));
    let place = Place::Env("MCPO_HARDENING_CPUS".to_owned());
    assert_eq!(origin(&resolved, "hardening.cpus"), ("3".into(), place));
    assert_eq!(origin(&resolved, "hardening.pids"), (300.into(), Place::Flag("--set".to_owned())));
    assert_eq!(origin(&resolved, "logs.mount"), ("/app/logs".into(), Place::Default));
}

#[test]
fn the_project_is_the_flags_the_variables_the_files_or_the_folders() {
    let named = yaml("project: file\n");
    let (ours, composes) = (("MCPO_PROJECT", "ours"), ("COMPOSE_PROJECT_NAME", "composes"));
    let project = |folder: &Folder, env: &[(&str, &str)], flag: Option<&str>| {
        let env = Env::from_pairs(env.iter().copied(), folder.path.clone());
        let input = Input { project: flag.map(str::to_owned), ..Input::new(&env) };
        resolve(&input).expect("good").stack.project.to_string()
    };
    assert_eq!(project(&named, &[ours, composes], Some("flag")), "flag");
    assert_eq!(project(&named, &[ours, composes], None), "ours");
    assert_eq!(project(&named, &[composes], None), "composes");
    assert_eq!(project(&named, &[], None), "file");
    assert_eq!(project(&yaml(""), &[], None), "demo");
}

#[test]
fn a_folder_whose_name_makes_no_project_asks_for_one() {
    let root = tempfile::tempdir().expect("folder");
    let folder = root.path().join("日本");
    std::fs::create_dir(&folder).expect("folder");
    let env = Env::from_pairs::<&str, &str>([], folder.clone());
    let found = problems(resolve(&Input::new(&env)));
    assert!(found[0].starts_with("project: the name of the folder ") && found[0].contains("`project:`"));
    let env = Env::from_pairs([("MCPO_PROJECT", "nihon")], folder);
    assert!(resolve(&Input::new(&env)).is_ok());
}

#[test]
fn lists_and_maps_come_from_the_environment_in_brackets_or_with_commas() {
    let folder = Folder::new();
    let env = [
        ("MCPO_ORCHESTRATOR_COMMAND", "[python, -m, \"a,b\"]"),
        ("MCPO_HARDENING_CAP_ADD", "CHOWN, CAP_KILL"),
        ("MCPO_HARDENING_TMPFS", "{/tmp: \"size=1m,mode=1777\"}"),
        ("MCPO_ORCHESTRATOR_ENVIRONMENT", "A=1,B=x=y"),
    ];
    let flags = [("orchestrator.environment.B", "{raw}"), ("orchestrator.environment.C", "")];
    let stack = folder.resolve_with(&env, &flags).expect("good").stack;
    assert_eq!(stack.orchestrator.command, ["python", "-m", "a,b"]);
    assert_eq!(stack.hardening.cap_add, ["CHOWN", "KILL"].map(str::to_owned).into());
    assert_eq!(stack.hardening.tmpfs["/tmp"], "size=1m,mode=1777");
    let variables: Vec<_> =
        stack.orchestrator.environment.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    assert_eq!(variables, [("A", "1"), ("B", "{raw}"), ("C", "")]);
}

#[test]
fn an_unknown_variable_of_ours_is_a_warning_with_the_nearest() {
    let folder = Folder::new().with(".gitkeep", "");
    let env = [("MCPO_HARDENING_MEMORI", "1g"), ("MCPO_LOG_DIR", "/x"), ("MCPO_LOGS_MAX_AGE", "unlimited")];
    let resolved = folder.resolve_with(&env, &[("orchestrator.required_keys", "")]).expect("good");
    assert_eq!(
        warnings(&resolved),
        ["this variable is not known; did you mean `MCPO_HARDENING_MEMORY`? \
          (MCPO_HARDENING_MEMORI in the environment)"]
    );
    assert_eq!(resolved.stack.logs.max_age, None);
}

#[test]
fn an_image_or_a_context_of_ones_own_changes_what_depends_on_it() {
    let stack = yaml("orchestrator: {image: my/server}\n").resolve().expect("good").stack;
    assert_eq!(stack.orchestrator.source, Source::Image);
    assert_eq!(stack.orchestrator.image.as_str(), "my/server:latest");
    assert_eq!(stack.orchestrator.required_keys, [""; 0]);
    assert_eq!(stack.bridge.image.as_str(), "demo-mcp-bridge:latest");

    let folder =
        yaml("orchestrator: {build: {context: srv}}\napp: {build: {context: srv, dockerfile: d/App}}\n")
            .with("srv/Dockerfile", "")
            .with("srv/d/App", "");
    let stack = folder.resolve().expect("good").stack;
    let context = |dockerfile: &str| Source::Context {
        context: folder.path.join("srv"),
        dockerfile: dockerfile.to_owned(),
    };
    assert_eq!(stack.orchestrator.source, context("Dockerfile"));
    assert_eq!(stack.orchestrator.image.as_str(), "demo-mcp-orchestrator:latest");
    let app = stack.app.expect("an app");
    assert_eq!((app.image.as_str(), app.source), ("demo-app:latest", context("d/App")));
}

#[test]
fn an_app_needs_an_image_and_an_empty_section_is_none() {
    assert_eq!(yaml("app:\n").resolve().expect("good").stack.app, None);
    assert_eq!(
        yaml("app:\n  command: [x]\n").problems(),
        ["app: needs `app.image` or `app.build.context` (mcpo.yaml:2)"]
    );
    let app =
        yaml("app: {image: nginx, ports: {8080: 80}}\n").resolve().expect("good").stack.app.expect("app");
    assert_eq!((app.source, app.ports), (Source::Image, [(8080, 80)].into()));
}

#[test]
fn settings_that_exclude_each_other_are_told_where_they_stand() {
    for (text, problem) in [
        (
            "bridge: {rest_port: 8765}",
            "bridge.rest_port: must not be 8765, the port of `bridge.websocket_port` (mcpo.yaml:1)",
        ),
        (
            "bridge: {websocket_port: 5000}",
            "bridge.websocket_port: must not be 5000, the port of `bridge.rest_port` (mcpo.yaml:1)",
        ),
        (
            "app: {image: x, ports: {8765: 1}}",
            "app.ports: must not publish 8765, the port of `bridge.websocket_port` (mcpo.yaml:1)",
        ),
        (
            "logs: {volume: a1, folder: b}",
            "logs.folder: cannot be set together with `logs.volume` (mcpo.yaml:1)",
        ),
        ("logs: {mount: /tmp}", "logs.mount: must not be at /tmp, where `hardening.tmpfs` is (mcpo.yaml:1)"),
        (
            "app: {image: x, build: {dockerfile: D}}",
            "app.build.dockerfile: needs `app.build.context`, the folder that it lies in (mcpo.yaml:1)",
        ),
    ] {
        assert_eq!(yaml(text).problems(), [problem], "{text}");
    }
}

#[test]
fn paths_start_from_the_files_folder_and_those_of_flags_from_the_current_one() {
    let folder = yaml("logs: {folder: ./out}\n").with("sub/here", "");
    let env = Env::from_pairs::<&str, &str>([], folder.path.join("sub"));
    let resolved = resolve(&Input::new(&env)).expect("good");
    assert_eq!(resolved.stack.folder, folder.path);
    assert_eq!(resolved.stack.file, Some(folder.path.join("mcpo.yaml")));
    assert_eq!(resolved.stack.logs.place, LogPlace::Folder(folder.path.join("out")));
    assert!(resolved.settings.iter().all(|setting| setting.key != "logs.volume"));
    let flag = Override { key: "logs.folder".to_owned(), value: "out".to_owned(), flag: "--logs".to_owned() };
    let stack = resolve(&Input { overrides: vec![flag], ..Input::new(&env) }).expect("good").stack;
    assert_eq!(stack.logs.place, LogPlace::Folder(folder.path.join("sub/out")));
}

#[cfg(unix)]
#[test]
fn a_log_folder_of_the_systems_or_with_the_engines_socket_is_refused_where_it_stands() {
    for (folder, told) in [
        ("/", "/, the whole file system"),
        ("/var", "/var, which holds /var/lib/"),
        ("/etc/cron.d", "/etc/cron.d: /etc is the system's"),
        ("/proc", "/proc, which is the system's"),
        ("/var/lib/docker/volumes", "/var/lib/docker/volumes: /var/lib/docker is the system's"),
        ("/home", "/home, a whole home folder"),
    ] {
        let found = yaml(&format!("logs:\n  folder: {folder}\n")).problems();
        assert!(found[0].starts_with(&format!("logs.folder: must not be {told}")), "{found:?}");
        assert!(found.len() == 1 && found[0].ends_with("(mcpo.yaml:2)"), "{found:?}");
    }
    // Whatever it is called.
    let folder = yaml("logs:\n  folder: ./etc/new\n  mount: /proc/x\n");
    std::os::unix::fs::symlink("/etc", folder.path.join("etc")).expect("a link");
    let error = folder.resolve().expect_err("problems");
    assert_eq!(error.exit(), Exit::BadInput);
    assert_eq!(
        folder.problems(),
        [
            "logs.folder: must not be /etc/new: /etc is the system's (mcpo.yaml:2)",
            "logs.mount: must not be /proc/x: /proc is the kernel's (mcpo.yaml:3)",
        ]
    );
    let folder = yaml("logs: {folder: ./run}\n").with("run/docker.sock", "");
    assert!(folder.problems()[0].contains("which holds the engine's socket"), "{:?}", folder.problems());
    let folder = yaml("logs: {folder: ./run}\n").with("run/deep/my.sock", "");
    assert!(folder.resolve().is_ok());
    let host = format!("unix://{}/run/deep/my.sock", folder.path.display());
    assert_eq!(problems(folder.resolve_with(&[("DOCKER_HOST", &host)], &[])).len(), 1);
    assert!(yaml("logs: {folder: /var/log/mcp}\n").resolve().is_ok());
}

#[test]
fn a_seccomp_profile_is_read_and_must_be_one() {
    let folder =
        yaml("hardening: {seccomp: p.json}\n").with("p.json", "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}");
    let seccomp = folder.resolve().expect("good").stack.hardening.seccomp;
    let json = "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}".to_owned();
    assert_eq!(seccomp, Seccomp::Profile { path: folder.path.join("p.json"), json });
    for (profile, problem) in [
        (
            Some("[]"),
            "hardening.seccomp: p.json is not a seccomp profile, which is a JSON object (mcpo.yaml:1)",
        ),
        (None, "hardening.seccomp: p.json does not exist (mcpo.yaml:1)"),
    ] {
        let folder = yaml("hardening: {seccomp: p.json}\n");
        let folder = match profile {
            Some(profile) => folder.with("p.json", profile),
            None => folder,
        };
        assert_eq!(folder.problems(), [problem]);
    }
    let stack = yaml("hardening: {seccomp: unconfined}\n").resolve().expect("good").stack;
    assert_eq!(stack.hardening.seccomp, Seccomp::Unconfined);
}

#[cfg(unix)]
#[test]
fn an_env_file_is_required_when_it_is_named_and_told_about_by_name_only() {
    let named = yaml("orchestrator: {env_file: x.env}\n");
    assert_eq!(named.problems(), ["orchestrator.env_file: x.env does not exist (mcpo.yaml:1)"]);
    let folder = Folder::new().with(".env", "OPENAI_API_KEY=\"sk-SECRET\"\nOPENROUTER_API_KEY=\n");
    std::fs::set_permissions(folder.path.join(".env"), owner_and_all(0o644)).expect("mode");
    let resolved = folder.resolve().expect("good");
    assert_eq!(
        warnings(&resolved),
        [
            "orchestrator.env_file: others can read or change .env; run `chmod 600 .env` (.env)",
            "orchestrator.env_file: the value of `OPENAI_API_KEY` is in quotes, and Docker keeps them as a part of \
             it; remove them (.env:1)",
            "orchestrator.required_keys: OPENROUTER_API_KEY is not set; write it into .env (default)",
        ]
    );
    let file = resolved.stack.orchestrator.env_file.as_ref().expect("file");
    assert_eq!(file.variables["OPENAI_API_KEY"], Secret::new("\"sk-SECRET\""));
    assert!(!format!("{resolved:?}").contains("SECRET"));
    let folder = folder.with(".env", "A=1\nexport sk-SECRET\n=sk-SECRET\n");
    assert_eq!(
        folder.problems(),
        [
            "orchestrator.env_file: the name of the variable contains a space or tab (`export` belongs to shells); \
             write NAME=value (.env:2)",
            "orchestrator.env_file: there is no name before the `=` (.env:3)",
        ]
    );
    let stack = folder.resolve_with(&[], &[("orchestrator.env_file", "none")]).expect("good").stack;
    assert_eq!(stack.orchestrator.env_file, None);
}

#[cfg(unix)]
fn owner_and_all(mode: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[test]
fn a_variable_without_a_value_comes_from_the_environment_and_a_dollar_is_warned_of() {
    let folder =
        yaml("orchestrator:\n  environment:\n    LANG:\n    GONE:\n    OPENAI_API_KEY: ${OPENAI_API_KEY}\n");
    let resolved =
        folder.resolve_with(&[("LANG", "C")], &[("orchestrator.required_keys", "[LANG]")]).expect("good");
    let environment = &resolved.stack.orchestrator.environment;
    assert_eq!(environment.get("LANG"), Some(&Secret::new("C")));
    assert_eq!(environment.get("GONE"), None);
    let warnings = warnings(&resolved);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("orchestrator.environment.OPENAI_API_KEY: is kept as it is written"));
    let shown = origin(&resolved, "orchestrator.environment").0;
    assert_eq!(shown, serde_json::json!({"GONE": null, "LANG": "[secret]", "OPENAI_API_KEY": "[secret]"}));
}

#[test]
fn a_variable_that_another_setting_decides_is_warned_of_where_it_stands() {
    let folder = yaml("orchestrator:\n  environment: {MCPO_LOG_DIR: /tmp}\n");
    let folder = folder.with(".env", "MCP_BRIDGE_ALLOW_HOST=evil.example\n");
    let resolved = folder.resolve_with(&[], &[("orchestrator.required_keys", "[]")]).expect("good");
    let of_file =
        "orchestrator.env_file: MCP_BRIDGE_ALLOW_HOST is beaten by `bridge.allowed_hosts`: set it there";
    let by_name = "orchestrator.environment: MCPO_LOG_DIR is beaten by `logs.mount`: set it there";
    let warnings = warnings(&resolved);
    for wanted in [of_file, by_name] {
        assert!(warnings.iter().any(|warning| warning.starts_with(wanted)), "{warnings:?}");
    }
}

#[test]
fn a_file_that_is_no_yaml_or_too_large_or_not_there_is_one_problem() {
    assert_eq!(yaml("a: [1\n").problems().len(), 1);
    let long = format!("# {}\n", "x".repeat(1 << 20));
    assert_eq!(yaml(&long).problems(), ["mcpo.yaml cannot be used: it is larger than 1 MiB (mcpo.yaml)"]);
    let folder = Folder::new().with("mcpo.yaml", b"a: 1\nb: \xff\n");
    assert_eq!(folder.problems(), ["this is not UTF-8 (mcpo.yaml:2)"]);
    let env = Env::from_pairs::<&str, &str>([], folder.path.clone());
    let input = Input { file: Some("other.yaml".into()), ..Input::new(&env) };
    assert_eq!(problems(resolve(&input)), ["other.yaml does not exist (--file)"]);
}

#[test]
fn a_file_of_nothing_but_mistakes_is_told_up_to_a_cap() {
    let lines: Vec<String> = (0..5000).map(|number| format!("key{number}: 1")).collect();
    let error = yaml(&lines.join("\n")).resolve().expect_err("problems");
    assert_eq!((error.problems.len(), error.more), (MAX_PROBLEMS, 5000 - MAX_PROBLEMS));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_value_makes_it_panic_and_no_secret_is_repeated(value in ".{0,40}", key in 0_usize..42) {
        let folder = Folder::new();
        let defaults = mcpo_deploy::config::reference();
        let key = defaults.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).nth(key);
        let key = key.expect("a key of the reference");
        let secret = format!("sk-SECRET{value}");
        for text in [value.as_str(), &secret, &format!("[{secret}"), &format!("{{A: [{secret}]}}")] {
            let _ = folder.resolve_with(&[], &[(key, text)]);
            for map in ["orchestrator.environment", "app.environment"] {
                let said = match folder.resolve_with(&[], &[(map, &format!("A={secret}")), (map, text)]) {
                    Ok(resolved) => format!("{resolved:?}"),
                    Err(error) => format!("{error}{error:?}"),
                };
                assert!(!said.contains("SECRET"), "{said}");
            }
        }
    }

    #[test]
    fn no_file_makes_it_panic(text in "[ a-z:#&*!\\[\\]{},\"'|>%@?\n-]{0,200}") {
        let _ = yaml(&text).resolve();
    }
}

#[test]
fn the_nearest_file_above_is_found_and_two_in_one_folder_are_refused() {
    let folder = yaml("project: above\n").with("sub/deep/x", "");
    let env = Env::from_pairs::<&str, &str>([], folder.path.join("sub/deep"));
    assert_eq!(resolve(&Input::new(&env)).expect("good").stack.project.as_str(), "above");
    let folder = folder.with("mcpo.yml", "");
    assert_eq!(folder.problems(), ["mcpo.yaml lies beside mcpo.yml; remove one of the two (mcpo.yaml)"]);
}
