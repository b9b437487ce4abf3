//! What a container promises against what `inspect` says of it.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{Container, MountSource, Restart};
use super::observed::{Live, LiveMount};
use super::process;
use super::redactor::Redactor;
use crate::model::{Bytes, Cpus};

/// A field that is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The check's id, such as `read-only`.
    pub id: &'static str,
    /// What was promised, in words.
    pub promised: String,
    /// What is, in words; equal to what was promised where the field is right.
    pub found: String,
    /// Whether it differs.
    pub differs: bool,
}

/// Every field that was compared, in a fixed order, the right ones too: each is evidence.
#[must_use]
pub fn compare(container: &Container, live: &Live) -> Vec<Mismatch> {
    let mut fields = Fields(Vec::new());
    if let Some(id) = &container.image_id {
        fields.add("image", short(id), short(&live.image_id));
    }
    if let Some(inherited) = &container.inherited {
        // Some images take their key as an argument.
        let redactor = Redactor::of(container);
        let promised = redactor.redacted(&process::promised_command(container, inherited));
        fields.add("command", promised, redactor.redacted(&process::found_command(live)));
        let (promised, found) = (process::folder(&inherited.working_dir), process::folder(&live.working_dir));
        fields.add("workdir", promised, found);
        let (promised, found) = process::environments(container, inherited, live);
        fields.add("environment", promised, found);
    }
    let memory = container.memory.map(Bytes::as_i64);
    // Without one the image decides, which may be root.
    let user = if live.user.is_empty() { "the image's own" } else { &live.user };
    fields.add("user", container.user, user);
    fields.add("groups", "none", listed(&live.groups));
    fields.add("privileged", false, live.privileged);
    fields.add("cap-drop", "ALL", dropped(&live.cap_drop));
    fields.add("cap-add", listed(&container.cap_add), listed(&live.cap_add));
    fields.add("read-only", container.read_only, live.read_only);
    fields.add("no-new-privileges", container.no_new_privileges, no_new_privileges(&live.security_opt));
    let filter = option(&live.security_opt, "seccomp");
    fields.add("seccomp", seccomp_in_words(container.seccomp.as_deref()), seccomp_in_words(filter));
    fields.add("security-options", "none", listed(&further_options(&live.security_opt)));
    match &live.system_paths {
        Some(paths) => fields.add("system-paths", "protected", system_paths_in_words(paths)),
        None => fields.not_shown("system-paths", "protected".to_owned()),
    }
    fields.add("sysctls", "none", listed(&pairs(&live.sysctls)));
    fields.add("memory", bytes_in_words(memory), bytes_in_words(Some(live.memory)));
    // Swap counts memory in: equal means that there is none.
    fields.add(
        "swap",
        swap_in_words(memory, memory.filter(|_| container.no_swap)),
        swap_in_words(Some(live.memory), Some(live.memory_swap)),
    );
    fields.add("cpus", cpus_in_words(container.cpus.map(Cpus::as_i64)), cpus_in_words(Some(live.nano_cpus)));
    fields.add("pids", limit(container.pids.map(i64::from)), limit(Some(live.pids)));
    fields.add("init", container.init, live.init);
    fields.add("tmpfs", tmpfs(&container.tmpfs), tmpfs(&live.tmpfs));
    fields.add("mounts", listed(&promised_mounts(container)), listed(&found_mounts(&live.mounts)));
    fields.add("networks", &container.network, listed(&live.networks));
    fields.add("host-namespaces", "none", listed(&shared_namespaces(container, live)));
    fields.add("ports", listed(&promised_ports(container)), listed(&found_ports(live)));
    fields.add("restart", restart(container.restart), &live.restart);
    fields.add("log-driver", "json-file", &live.log_driver);
    match &live.log_options {
        Some(options) => fields.add("log-limits", promised_log(container), found_log(options)),
        None => fields.not_shown("log-limits", promised_log(container)),
    }
    fields.add("devices", "none", listed(&live.devices));
    fields.0
}

struct Fields(Vec<Mismatch>);

impl Fields {
    /// Both sides in the same words: they are the same where the words are.
    #[expect(clippy::needless_pass_by_value, reason = "numbers, texts and references alike")]
    fn add(&mut self, id: &'static str, promised: impl ToString, found: impl ToString) {
        let (promised, found) = (promised.to_string(), found.to_string());
        let differs = promised != found;
        self.0.push(Mismatch { id, promised, found, differs });
    }

    /// What the engine keeps to itself is no difference, and no evidence either.
    fn not_shown(&mut self, id: &'static str, promised: String) {
        self.0.push(Mismatch { id, promised, found: "not shown by this engine".to_owned(), differs: false });
    }
}

/// The capabilities that a container has unless they are dropped: Docker's list, which holds all of
/// Podman's.
const GIVEN: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Podman shows `ALL` as the list of what would have been given.
fn dropped(capabilities: &BTreeSet<String>) -> String {
    if GIVEN.iter().all(|given| capabilities.contains(*given)) {
        "ALL".to_owned()
    } else {
        listed(capabilities)
    }
}

fn listed(words: &BTreeSet<String>) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

fn bytes_in_words(limit: Option<i64>) -> String {
    in_words(limit, |bytes| Bytes(bytes).to_string())
}

fn cpus_in_words(limit: Option<i64>) -> String {
    in_words(limit, |nano| Cpus(nano).to_string())
}

/// What there is on top of memory.
fn swap_in_words(memory: Option<i64>, with_swap: Option<i64>) -> String {
    match (memory.filter(|&memory| memory > 0), with_swap) {
        (Some(memory), Some(both)) if both > 0 => {
            let extra = u64::try_from(both.saturating_sub(memory)).unwrap_or(0);
            if extra == 0 { "none".to_owned() } else { Bytes(extra).to_string() }
        }
        // Without a limit the engine adds as much swap as memory.
        _ => "unlimited".to_owned(),
    }
}

fn in_words(limit: Option<i64>, words: impl Fn(u64) -> String) -> String {
    match limit.and_then(|limit| u64::try_from(limit).ok()) {
        Some(limit) if limit > 0 => words(limit),
        _ => "unlimited".to_owned(),
    }
}

/// The first twelve digits of an image's id, as Docker shows it.
fn short(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect()
}

fn limit(value: Option<i64>) -> String {
    in_words(value, |number| number.to_string())
}

fn option<'a>(security_opt: &'a [String], name: &str) -> Option<&'a str> {
    security_opt.iter().find_map(|option| {
        let (key, value) = option.split_once(['=', ':'])?;
        (key == name).then_some(value)
    })
}

fn no_new_privileges(security_opt: &[String]) -> bool {
    security_opt.iter().any(|option| {
        matches!(option.as_str(), "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true")
    })
}

/// What options there are besides the two that have a check of their own: each can only switch a
/// protection off, or replace the engine's by another.
fn further_options(security_opt: &[String]) -> BTreeSet<String> {
    let own = |option: &&String| {
        let name = option.split(['=', ':']).next().unwrap_or_default();
        !matches!(name, "seccomp" | "no-new-privileges")
    };
    security_opt.iter().filter(own).cloned().collect()
}

/// Files of the kernel's that every engine hides or makes read-only, whatever its version.
const SYSTEM_PATHS: [&str; 10] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/kcore",
    "/proc/keys",
    "/proc/sched_debug",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/sys/firmware",
];

fn system_paths_in_words(paths: &BTreeSet<String>) -> String {
    let open: Vec<&str> = SYSTEM_PATHS.into_iter().filter(|path| !paths.contains(*path)).collect();
    if open.is_empty() { "protected".to_owned() } else { format!("open: {}", open.join(", ")) }
}

/// Where cgroups are the host's by default, that they are is no difference.
fn shared_namespaces(container: &Container, live: &Live) -> BTreeSet<String> {
    let differs = |name: &&String| container.private_cgroups || *name != "cgroup";
    live.shared_namespaces.iter().filter(differs).cloned().collect()
}

/// The engine keeps a profile as compact JSON, so that two are compared as values.
fn seccomp_in_words(profile: Option<&str>) -> String {
    match profile {
        None | Some("builtin") => "default".to_owned(),
        Some("unconfined") => "unconfined".to_owned(),
        Some(json) => {
            let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let digest =
                super::hash::DigestOf::default().part("seccomp", value.to_string().as_bytes()).finish();
            format!("profile {}", short(digest.as_str()))
        }
    }
}

/// Options in order, since engines do not keep theirs. Podman adds two options to each folder, and
/// two folders of its own to a read-only root.
fn tmpfs(folders: &BTreeMap<String, String>) -> String {
    let folder = |(path, options): (&String, &String)| {
        let all: BTreeSet<&str> = options.split(',').collect();
        let podmans = all.contains("tmpcopyup");
        if podmans && matches!(path.as_str(), "/run" | "/var/tmp") {
            return None;
        }
        let options = all.into_iter().filter(|option| !matches!(*option, "tmpcopyup" | "rprivate"));
        Some(format!("{path} ({})", options.collect::<Vec<_>>().join(",")))
    };
    listed(&folders.iter().filter_map(folder).collect())
}

fn promised_mounts(container: &Container) -> BTreeSet<String> {
    let mounts = container.mounts.iter().map(|mount| match &mount.source {
        MountSource::Volume(name) => format!("volume {name} on {}", mount.target),
        MountSource::Folder(path) => format!("bind {} on {}", path.display(), mount.target),
    });
    mounts.collect()
}

fn found_mounts(mounts: &[LiveMount]) -> BTreeSet<String> {
    let words = |mount: &LiveMount| {
        let read_only = if mount.writable { "" } else { " (read-only)" };
        format!("{} {} on {}{read_only}", mount.kind, mount.source, mount.target)
    };
    mounts.iter().map(words).collect()
}

fn promised_ports(container: &Container) -> BTreeSet<String> {
    let words = |port: &super::container::Port| format!("{}:{}→{}", port.address, port.host, port.container);
    container.ports.iter().map(words).collect()
}

fn found_ports(live: &Live) -> BTreeSet<String> {
    let words = |(address, host, container): &(String, u16, u16)| {
        // An empty address is every address.
        let address = if address.is_empty() { "0.0.0.0" } else { address };
        format!("{address}:{host}→{container}")
    };
    live.ports.iter().map(words).collect()
}

const fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Never => "no",
        Restart::UnlessStopped => "unless-stopped",
    }
}

fn promised_log(container: &Container) -> String {
    format!("max-file={}, max-size={}", container.log_files, container.log_size)
}

fn found_log(options: &BTreeMap<String, String>) -> String {
    let limits = options.iter().filter(|(key, _)| key.starts_with("max-"));
    listed(&limits.map(pair).collect())
}

fn pairs(options: &BTreeMap<String, String>) -> BTreeSet<String> {
    options.iter().map(pair).collect()
}

fn pair((key, value): (&String, &String)) -> String {
    format!("{key}={value}")
}
