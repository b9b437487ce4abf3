//! Every option of `docker run`, and what becomes of it.

use super::compose_service::security_option;
use super::reader::{Reader, variable_path};
use super::service::{Mount, Service};
use super::short::{long_mount, mount, ports, tmpfs};
use super::words::host_path;

/// Options without a value (docker/cli `run`, and those that Podman adds).
pub(super) const FLAGS: [&str; 20] = [
    "detach",
    "disable-content-trust",
    "env-host",
    "help",
    "http-proxy",
    "init",
    "interactive",
    "no-healthcheck",
    "no-hosts",
    "oom-kill-disable",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "replace",
    "rm",
    "rmi",
    "sig-proxy",
    "tty",
    "use-api-socket",
];

/// Options with a value that change nothing here: what they ask for is so anyway, or means nothing
/// to a service.
const SILENT: [&str; 12] = [
    "attach",
    "cidfile",
    "detach-keys",
    "log-opt",
    "pull",
    "platform",
    "annotation",
    "sig-proxy",
    "expose",
    "stop-signal",
    "pidfile",
    "cgroup-parent",
];

/// Options with a value that have no counterpart, and why.
const REASONS: [(&str, &str); 40] = [
    ("name", "containers are named after project and service"),
    ("hostname", "a service is reached by its name"),
    ("entrypoint", ENTRYPOINT),
    ("workdir", "the image's own is used"),
    ("label", LABELS),
    ("label-file", LABELS),
    ("health-cmd", HEALTH),
    ("health-interval", HEALTH),
    ("health-retries", HEALTH),
    ("health-start-period", HEALTH),
    ("health-start-interval", HEALTH),
    ("health-timeout", HEALTH),
    ("stop-timeout", "containers have 10 s to end"),
    ("volumes-from", "nothing is mounted but the logs"),
    ("volume-driver", NO_KEY),
    ("add-host", NO_KEY),
    ("dns", NO_KEY),
    ("dns-option", NO_KEY),
    ("dns-search", NO_KEY),
    ("domainname", NO_KEY),
    ("group-add", NO_KEY),
    ("ip", NO_KEY),
    ("ip6", NO_KEY),
    ("isolation", NO_KEY),
    ("kernel-memory", NO_KEY),
    ("link", "services reach each other by name on the private network"),
    ("link-local-ip", NO_KEY),
    ("mac-address", NO_KEY),
    ("memory-reservation", NO_KEY),
    ("memory-swappiness", "there is no swap"),
    ("network-alias", "a service is reached by its name"),
    ("oom-score-adj", NO_KEY),
    ("runtime", NO_KEY),
    ("shm-size", NO_KEY),
    ("storage-opt", NO_KEY),
    ("sysctl", NO_KEY),
    ("ulimit", NO_KEY),
    ("blkio-weight", NO_KEY),
    ("cpu-shares", "processors are limited by their number alone"),
    ("cpuset-cpus", "processors are limited by their number alone"),
];

pub(super) const UNKNOWN: &str = "this is no option of `docker run` that is known here";
const NO_KEY: &str = "mcpo.yaml has no key for it";
const LABELS: &str = "containers carry labels of ours and of Compose alone";
const HEALTH: &str = "the bridge's image brings its own, and `verify` speaks with the server";
pub(super) const ENTRYPOINT: &str = "the image's own is used; `orchestrator.command` is what it is handed";

/// Options with a value that are read.
const READ: [&str; 29] = [
    "cap-add",
    "cap-drop",
    "cgroupns",
    "cpus",
    "device",
    "device-cgroup-rule",
    "env",
    "env-file",
    "gpus",
    "ipc",
    "log-driver",
    "log-opt",
    "memory",
    "memory-swap",
    "mount",
    "net",
    "network",
    "pid",
    "pids-limit",
    "publish",
    "restart",
    "security-opt",
    "stop-timeout",
    "tmpfs",
    "user",
    "userns",
    "uts",
    "volume",
    "entrypoint",
];

/// The long name of a letter.
pub(super) fn of_letter(letter: char) -> Option<&'static str> {
    Some(match letter {
        'a' => "attach",
        'c' => "cpu-shares",
        'd' => "detach",
        'e' => "env",
        'h' => "hostname",
        'i' => "interactive",
        'l' => "label",
        'm' => "memory",
        'P' => "publish-all",
        'p' => "publish",
        'q' => "quiet",
        't' => "tty",
        'u' => "user",
        'v' => "volume",
        'w' => "workdir",
        _ => return None,
    })
}

/// Whether an option with a value is known.
pub(super) fn takes_value(name: &str) -> bool {
    READ.contains(&name) || SILENT.contains(&name) || REASONS.iter().any(|(known, _)| *known == name)
}

/// Takes an option without a value.
pub(super) fn flag(reader: &mut Reader<'_>, service: &mut Service, name: &str, on: bool, line: usize) {
    match name {
        "interactive" => service.interactive = on,
        "privileged" => service.privileges.privileged = on,
        "read-only" => service.read_only = Some(on),
        "publish-all" => reader.ledger.note(line, path(service, name), "ports are published one by one"),
        "oom-kill-disable" => reader.ledger.note(line, path(service, name), NO_KEY),
        _ => {}
    }
}

/// Takes an option with its value, in which nothing is replaced yet.
pub(super) fn value(reader: &mut Reader<'_>, service: &mut Service, name: &str, raw: &str, line: usize) {
    let at = path(service, name);
    if name == "env" {
        let (key, value) = match raw.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (raw, None),
        };
        let variable = reader.variable(key, value, line, &variable_path(&at, key));
        service.environment.insert(key.to_owned(), variable);
        return;
    }
    let read = READ.contains(&name);
    if !read && SILENT.contains(&name) {
        return;
    }
    if let Some((_, why)) = REASONS.iter().find(|(known, _)| *known == name) {
        return reader.ledger.note(line, at, *why);
    }
    if !read {
        return reader.ledger.note(line, at, UNKNOWN);
    }
    let path = HOST_PATHS.contains(&name).then(|| host_path(raw));
    if let Some(text) = reader.replaced(path.as_deref().unwrap_or(raw), line, &at) {
        replaced(reader, service, name, text, line);
    }
}

/// Options whose values begin with, or name, a path of the host's.
const HOST_PATHS: [&str; 4] = ["env-file", "mount", "security-opt", "volume"];

fn replaced(reader: &mut Reader<'_>, service: &mut Service, name: &str, text: String, line: usize) {
    let at = path(service, name);
    let mut misshapen = |what: &str| reader.ledger.note(line, at.clone(), format!("it is not {what}"));
    match name {
        "env-file" => service.env_files.push(text),
        "user" => service.user = Some(text),
        "cap-add" => service.privileges.cap_add.push(text),
        "cap-drop" => service.privileges.cap_drop.push(text),
        "security-opt" => service.privileges.security_opt.push(security_option(&text)),
        "memory" => service.limits.memory = Some(text),
        "memory-swap" => service.limits.swap = Some(text),
        "cpus" => service.limits.cpus = Some(text),
        "pids-limit" => service.limits.pids = Some(text),
        "restart" => service.restart = Some(text),
        "device" | "device-cgroup-rule" => service.devices.push(text),
        "gpus" => service.devices.push("gpus".to_owned()),
        "network" | "net" => match text.as_str() {
            "none" | "host" | "bridge" | "default" => service.network_mode = Some(text),
            mode if mode.starts_with("container:") || mode.starts_with("ns:") => {
                service.network_mode = Some(text);
            }
            // `name=…,alias=…` is the long form.
            _ => service.networks.push(long_network(&text).to_owned()),
        },
        "pid" | "ipc" | "uts" | "userns" | "cgroupns" if text == "host" || text.starts_with("container:") => {
            service.namespaces.of_host.push(name.trim_end_matches("ns").replace("user", "userns"));
        }
        "log-driver" => service.logs.driver = Some(text),
        "log-opt" => match text.split_once('=') {
            Some(("max-size", size)) => service.logs.max_size = Some(size.to_owned()),
            Some(("max-file", count)) => service.logs.max_files = Some(count.to_owned()),
            _ => misshapen("one that mcpo.yaml has a key for"),
        },
        "publish" => match ports(&text) {
            Some(ports) => service.ports.extend(ports),
            None => misshapen("a port, or is a range of more than 100"),
        },
        "tmpfs" => match tmpfs(&text) {
            Some((target, options)) => drop(service.tmpfs.insert(target, options)),
            None => misshapen("a path with options"),
        },
        "volume" => match mount(&text) {
            Some(mount) => service.mounts.push(mount),
            None => misshapen("a mount"),
        },
        "mount" => match long_mount(&text) {
            Some((Mount { kind: super::MountKind::Other(kind), target }, options)) if kind == "tmpfs" => {
                service.tmpfs.insert(target, options);
            }
            Some((mount, _)) => service.mounts.push(mount),
            None => misshapen("a mount"),
        },
        _ => {}
    }
}

fn long_network(text: &str) -> &str {
    text.split(',').find_map(|part| part.strip_prefix("name=")).unwrap_or(text)
}

/// What a note about an option starts with.
pub(super) fn path(service: &Service, name: &str) -> String {
    format!("{} --{name}", service.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_an_option_that_is_known() {
        for letter in ('a'..='z').chain('A'..='Z') {
            if let Some(name) = of_letter(letter) {
                assert!(FLAGS.contains(&name) || takes_value(name), "{letter}: {name}");
            }
        }
    }
}
