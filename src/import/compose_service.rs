//! One service of a compose file.

use super::reader::{Field, Reader, variable_path};
use super::service::{Build, Mount, MountKind, Service};
use super::short::{long_ports, mount, ports, target, tmpfs};
use crate::config::tree::{Data, Node};
use crate::model::label;

/// Keys that are read and need no word: what they ask for is so anyway, or changes nothing.
const SILENT: [&str; 8] =
    ["tty", "init", "expose", "attach", "pull_policy", "platform", "annotations", "scale"];

/// Keys that have no counterpart, and why.
const REASONS: [(&str, &str); 10] = [
    ("container_name", "containers are named after project and service"),
    ("healthcheck", "the bridge's image brings its own, and `verify` speaks with the server"),
    ("stop_grace_period", "containers have 10 s to end"),
    ("stop_signal", "containers are ended with SIGTERM"),
    ("secrets", "secrets belong into the env file"),
    ("extends", "what it extends is not read; write it out"),
    ("links", "services reach each other by name on the private network"),
    ("volumes_from", "nothing is mounted but the logs"),
    ("hostname", "a service is reached by its name"),
    ("working_dir", "the image's own is used"),
];

/// Reads a service.
pub(super) fn service(reader: &mut Reader<'_>, name: &str, node: &Node, line: usize) -> Service {
    let path = format!("services.{name}");
    let mut service = Service { name: name.to_owned(), path: path.clone(), line, ..Service::default() };
    for field in reader.fields(node, &path) {
        let below = format!("{path}.{}", field.name);
        take(reader, &mut service, &field, &below);
    }
    if service.ours {
        service.say_what_is_not_there();
    }
    service
}

fn take(reader: &mut Reader<'_>, service: &mut Service, field: &Field, path: &str) {
    let node = &field.node;
    match field.name.as_str() {
        "image" => service.image = reader.text(node, path),
        "build" => service.build = build(reader, node, path),
        "command" => service.command = reader.command(node, path),
        "entrypoint" => service.entrypoint = reader.command(node, path),
        "env_file" => env_files(reader, service, node, path),
        "environment" => {
            for (name, value, line) in reader.pairs(node, path) {
                let variable = reader.variable(&name, value, line, &variable_path(path, &name));
                service.environment.insert(name, variable);
            }
        }
        "user" => service.user = reader.text(node, path),
        "read_only" => service.read_only = reader.flag(node, path),
        "tmpfs" => {
            for text in reader.texts(node, path) {
                match tmpfs(&text) {
                    Some((target, options)) => drop(service.tmpfs.insert(target, options)),
                    None => reader.misshapen(node, path, "a path with options"),
                }
            }
        }
        "cap_add" => service.privileges.cap_add = reader.texts(node, path),
        "cap_drop" => service.privileges.cap_drop = reader.texts(node, path),
        "security_opt" => {
            let options = reader.texts(node, path);
            service.privileges.security_opt = options.iter().map(|text| security_option(text)).collect();
        }
        "privileged" => service.privileges.privileged = reader.flag(node, path).unwrap_or(false),
        "mem_limit" => service.limits.memory = reader.text(node, path),
        "memswap_limit" => service.limits.swap = reader.text(node, path),
        "cpus" => service.limits.cpus = reader.text(node, path),
        "pids_limit" => service.limits.pids = reader.text(node, path),
        "deploy" => deploy(reader, service, node, path),
        "ports" => all_ports(reader, service, node, path),
        "volumes" => mounts(reader, service, node, path),
        "networks" => {
            service.networks = match &node.data {
                Data::Map(_) => reader.fields(node, path).into_iter().map(|field| field.name).collect(),
                _ => reader.texts(node, path),
            };
        }
        "network_mode" => service.network_mode = reader.text(node, path),
        "restart" => service.restart = reader.text(node, path),
        "logging" => logging(reader, service, node, path),
        key @ ("pid" | "ipc" | "uts" | "userns_mode" | "cgroup") => {
            let mode = reader.text(node, path);
            if mode.is_some_and(|mode| {
                mode == "host" || mode.starts_with("container:") || mode.starts_with("service:")
            }) {
                service.namespaces.of_host.push(key.trim_end_matches("_mode").to_owned());
            }
        }
        "devices" => service.devices.extend(reader.texts(node, path)),
        "gpus" => service.devices.push("gpus".to_owned()),
        "stdin_open" => service.interactive = reader.flag(node, path).unwrap_or(false),
        "profiles" => service.profiles = reader.texts(node, path),
        "depends_on" => {
            service.depends_on = match &node.data {
                Data::Map(_) => reader.fields(node, path).into_iter().map(|field| field.name).collect(),
                _ => reader.texts(node, path),
            };
        }
        "labels" => labels(reader, service, node, path),
        // As it is anyway.
        "stop_grace_period" if matches!(&node.data, Data::Scalar(text) if &**text == "10s") => {}
        key if key.starts_with("x-") || SILENT.contains(&key) => {}
        key => {
            let reason = REASONS.iter().find(|(name, _)| *name == key);
            reader.ledger.note(
                field.line,
                path,
                reason.map_or("mcpo.yaml has no key for it", |(_, why)| why),
            );
        }
    }
}

/// `seccomp:unconfined` is the old spelling of `seccomp=unconfined`.
pub(super) fn security_option(text: &str) -> String {
    match (text.find('='), text.find(':')) {
        (None, Some(_)) => text.replacen(':', "=", 1),
        (Some(equals), Some(colon)) if colon < equals => text.replacen(':', "=", 1),
        _ => text.to_owned(),
    }
}

fn build(reader: &mut Reader<'_>, node: &Node, path: &str) -> Option<Build> {
    if !matches!(node.data, Data::Map(_)) {
        return reader.text(node, path).map(|context| Build { context, ..Build::default() });
    }
    let mut build = Build { context: ".".to_owned(), ..Build::default() };
    for field in reader.fields(node, path) {
        let below = format!("{path}.{}", field.name);
        match field.name.as_str() {
            "context" => build.context = reader.text(&field.node, &below)?,
            "dockerfile" => build.dockerfile = reader.text(&field.node, &below),
            "args" => {
                for (name, value, line) in reader.pairs(&field.node, &below) {
                    match (name.as_str(), value) {
                        ("ORCHESTRATOR_IMAGE", Some(value)) => {
                            build.orchestrator_image = reader.replaced(&value, line, &below);
                        }
                        ("MCP_COMMAND" | "MCP_USER" | "LOG_DIR", _) => {}
                        _ => reader.ledger.note(line, &below, "images are built without arguments"),
                    }
                }
            }
            "labels" | "tags" | "cache_from" | "cache_to" | "no_cache" | "pull" => {}
            _ => reader.ledger.note(field.line, below, "mcpo.yaml has no key for it"),
        }
    }
    Some(build)
}

fn env_files(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    let one = std::slice::from_ref(node);
    let items = if matches!(node.data, Data::List(_)) { reader.items(node, path) } else { one };
    let mut raw = true;
    for item in items {
        if !matches!(item.data, Data::Map(_)) {
            raw = false;
            service.env_files.extend(reader.text(item, path));
            continue;
        }
        let mut format = None;
        for field in reader.fields(item, path) {
            match field.name.as_str() {
                "path" => service.env_files.extend(reader.text(&field.node, path)),
                "format" => format = reader.text(&field.node, path),
                _ => {}
            }
        }
        raw &= format.as_deref() == Some("raw");
    }
    if !raw {
        let why =
            "the file is read as `docker run --env-file` reads it: quotes and `$` in a value are part of it";
        reader.ledger.note(node.spot.line, path, why);
    }
}

fn deploy(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    for field in reader.fields(node, path) {
        let below = format!("{path}.{}", field.name);
        match field.name.as_str() {
            "resources" => resources(reader, service, &field.node, &below),
            "restart_policy" => {
                for field in reader.fields(&field.node, &below) {
                    if field.name == "condition" && service.restart.is_none() {
                        let condition = reader.text(&field.node, &below);
                        service.restart =
                            condition.map(|word| if word == "any" { "always".to_owned() } else { word });
                    }
                }
            }
            _ => reader.ledger.note(field.line, below, "mcpo.yaml has no key for it"),
        }
    }
}

fn resources(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    for field in reader.fields(node, path) {
        let below = format!("{path}.{}", field.name);
        for entry in reader.fields(&field.node, &below) {
            let path = format!("{below}.{}", entry.name);
            let limits = &mut service.limits;
            let limit = match (field.name.as_str(), entry.name.as_str()) {
                ("limits", "memory") => &mut limits.memory,
                ("limits", "cpus") => &mut limits.cpus,
                ("limits", "pids") => &mut limits.pids,
                ("reservations", "devices") => {
                    service.devices.push(path);
                    continue;
                }
                _ => {
                    reader.ledger.note(entry.line, path, "mcpo.yaml has no key for it");
                    continue;
                }
            };
            if let Some(text) = reader.text(&entry.node, &path) {
                *limit = Some(text);
            }
        }
    }
}

fn all_ports(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    for item in reader.items(node, path) {
        let read = if matches!(item.data, Data::Map(_)) {
            let (mut container, mut host, mut address, mut protocol) = (None, None, None, None);
            for field in reader.fields(item, path) {
                match field.name.as_str() {
                    "target" => container = reader.text(&field.node, path),
                    "published" => host = reader.text(&field.node, path),
                    "host_ip" => address = reader.text(&field.node, path),
                    "protocol" => protocol = reader.text(&field.node, path),
                    _ => {}
                }
            }
            let protocol = protocol.unwrap_or_else(|| "tcp".to_owned());
            container
                .and_then(|container| long_ports(&container, host.as_deref(), address.as_deref(), &protocol))
        } else {
            let Some(text) = reader.text(item, path) else { continue };
            ports(&text)
        };
        match read {
            Some(ports) => service.ports.extend(ports),
            None => reader.misshapen(item, path, "a port, or is a range of more than 100"),
        }
    }
}

fn mounts(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    for item in reader.items(node, path) {
        if !matches!(item.data, Data::Map(_)) {
            let Some(text) = reader.text(item, path) else { continue };
            match mount(&text) {
                Some(mount) => service.mounts.push(mount),
                None => reader.misshapen(item, path, "a mount"),
            }
            continue;
        }
        let (mut kind, mut source, mut inside, mut options) = (None, None, None, Vec::new());
        for field in reader.fields(item, path) {
            match field.name.as_str() {
                "type" => kind = reader.text(&field.node, path),
                "source" => source = reader.text(&field.node, path),
                "target" => inside = reader.text(&field.node, path).and_then(|text| target(&text)),
                "tmpfs" => {
                    for field in reader.fields(&field.node, path) {
                        let value = reader.text(&field.node, path);
                        options.extend(value.map(|value| format!("{}={value}", field.name)));
                    }
                }
                _ => {}
            }
        }
        let Some(target) = inside else {
            reader.misshapen(item, path, "a mount");
            continue;
        };
        let kind = match (kind.as_deref().unwrap_or("volume"), source) {
            ("tmpfs", _) => {
                service.tmpfs.insert(target, options.join(","));
                continue;
            }
            ("bind", Some(source)) => MountKind::Host(source),
            ("volume", Some(source)) => MountKind::Volume(source),
            ("volume", None) => MountKind::Anonymous,
            (other, _) => MountKind::Other(other.to_owned()),
        };
        service.mounts.push(Mount { kind, target });
    }
}

fn logging(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    for field in reader.fields(node, path) {
        let below = format!("{path}.{}", field.name);
        if field.name == "driver" {
            service.logs.driver = reader.text(&field.node, &below);
            continue;
        }
        for option in reader.fields(&field.node, &below) {
            let below = format!("{below}.{}", option.name);
            match option.name.as_str() {
                "max-size" => service.logs.max_size = reader.text(&option.node, &below),
                "max-file" => service.logs.max_files = reader.text(&option.node, &below),
                _ => reader.ledger.note(option.line, below, "mcpo.yaml has no key for it"),
            }
        }
    }
}

fn labels(reader: &mut Reader<'_>, service: &mut Service, node: &Node, path: &str) {
    let labels = reader.pairs(node, path);
    service.ours = labels.iter().any(|(name, ..)| name == label::PROJECT);
    if !service.ours && !labels.is_empty() {
        reader.ledger.note(node.spot.line, path, "containers carry labels of ours and of Compose alone");
    }
}
