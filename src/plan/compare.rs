//! What a container promises against what `inspect` says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};

use super::desired::{Container, MountSource, Restart};
use super::observed::{Live, LiveMount};

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
        fields.equal("image", short(id), short(&live.image_id));
    }
    if !container.command.is_empty() {
        fields.debug("command", &container.command, &live.command);
    }
    fields.equal("user", container.user.to_string(), live.user.clone());
    fields.equal("privileged", false, live.privileged);
    fields.set("cap-drop", BTreeSet::from(["ALL".to_owned()]), live.cap_drop.clone());
    fields.set("cap-add", container.cap_add.clone(), live.cap_add.clone());
    fields.equal("read-only", container.read_only, live.read_only);
    fields.equal("no-new-privileges", container.no_new_privileges, no_new_privileges(&live.security_opt));
    fields.equal(
        "seccomp",
        seccomp_in_words(container.seccomp.as_deref()),
        seccomp_in_words(option(&live.security_opt, "seccomp")),
    );
    fields.equal(
        "memory",
        limit(container.memory.map(crate::model::Bytes::as_i64)),
        limit(Some(live.memory)),
    );
    // Swap counts memory in: equal means that there is none.
    fields.equal(
        "swap",
        limit(container.memory.map(crate::model::Bytes::as_i64)),
        limit(Some(live.memory_swap)),
    );
    fields.equal("cpus", limit(container.cpus.map(crate::model::Cpus::as_i64)), limit(Some(live.nano_cpus)));
    fields.equal("pids", limit(container.pids.map(i64::from)), limit(Some(live.pids)));
    fields.equal("init", container.init, live.init);
    fields.debug("tmpfs", &tmpfs(&container.tmpfs), &tmpfs(&live.tmpfs));
    fields.debug("mounts", &promised_mounts(container), &found_mounts(&live.mounts));
    fields.set("networks", BTreeSet::from([container.network.clone()]), live.networks.clone());
    fields.set("host-namespaces", BTreeSet::new(), live.host_namespaces.clone());
    fields.debug("ports", &promised_ports(container), &found_ports(live));
    fields.equal("restart", restart(container.restart).to_owned(), live.restart.clone());
    fields.equal("log-driver", "json-file".to_owned(), live.log_driver.clone());
    fields.debug("log-limits", &promised_log(container), &found_log(&live.log_options));
    fields.equal("devices", 0, live.devices);
    fields.0
}

struct Fields(Vec<Mismatch>);

impl Fields {
    fn equal<T: PartialEq + Display>(&mut self, id: &'static str, promised: T, found: T) {
        let differs = promised != found;
        self.0.push(Mismatch { id, promised: promised.to_string(), found: found.to_string(), differs });
    }

    fn debug<T: PartialEq + Debug>(&mut self, id: &'static str, promised: &T, found: &T) {
        let words = |value: &T| format!("{value:?}").replace('"', "");
        let differs = promised != found;
        self.0.push(Mismatch { id, promised: words(promised), found: words(found), differs });
    }

    fn set(&mut self, id: &'static str, promised: BTreeSet<String>, found: BTreeSet<String>) {
        let words = |set: BTreeSet<String>| {
            if set.is_empty() { "none".to_owned() } else { set.into_iter().collect::<Vec<_>>().join(", ") }
        };
        let differs = promised != found;
        self.0.push(Mismatch { id, promised: words(promised), found: words(found), differs });
    }
}

/// The first twelve digits of an image's id, as Docker shows it.
fn short(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect()
}

fn limit(value: Option<i64>) -> String {
    match value {
        Some(value) if value > 0 => value.to_string(),
        _ => "unlimited".to_owned(),
    }
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

/// Options in order, since engines do not keep it.
fn tmpfs(folders: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    folders
        .iter()
        .map(|(path, options)| (path.clone(), options.split(',').map(str::to_owned).collect()))
        .collect()
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
    let words = |port: &super::desired::Port| format!("{}:{}→{}", port.address, port.host, port.container);
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

fn promised_log(container: &Container) -> BTreeMap<String, String> {
    [("max-size", container.log_size.to_string()), ("max-file", container.log_files.to_string())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

fn found_log(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    options.iter().filter(|(key, _)| key.starts_with("max-")).map(|(k, v)| (k.clone(), v.clone())).collect()
}
