//! Two `docker inspect` documents, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// A difference that remains, and why.
pub(super) struct Remains {
    /// The field; a `*` stands for any text.
    pub(super) field: &'static str,
    pub(super) why: &'static str,
}
const fn remains(field: &'static str, why: &'static str) -> Remains {
    Remains { field, why }
}

/// Whatever made the container.
pub(super) const ALWAYS: [Remains; 15] = [
    remains("Created", "the moment"),
    remains("State.StartedAt", "the moment"),
    remains("State.Pid", "the process's number on this machine"),
    remains("State.Health.*", "how often it was asked by now; what is asked is in Config.Healthcheck"),
    remains("GraphDriver.Data.*", "folders of the container's own, by generated names"),
    remains("NetworkSettings.SandboxID", "generated"),
    remains("NetworkSettings.SandboxKey", "generated"),
    remains("NetworkSettings.Networks.*.EndpointID", "generated"),
    remains("NetworkSettings.Networks.*.Gateway", "the engine gives addresses out as they come"),
    remains("NetworkSettings.Networks.*.IPAddress", "the engine gives addresses out as they come"),
    remains("NetworkSettings.Networks.*.IPPrefixLen", "the engine gives addresses out as they come"),
    remains("NetworkSettings.Networks.*.MacAddress", "follows from the address"),
    remains("Config.AttachStdout", "whether who created it wanted to listen at once"),
    remains("Config.AttachStderr", "whether who created it wanted to listen at once"),
    remains("Config.Labels.io.mcpo-deploy.config-hash", "what `up` was asked for; nobody else knows it"),
];

/// Where Compose made it.
pub(super) const OF_COMPOSE: [Remains; 6] = [
    remains("Config.Labels.com.docker.compose.config-hash", "of Compose's own model"),
    remains("Config.Labels.com.docker.compose.depends_on", "Compose's note of the order"),
    remains("Config.Labels.com.docker.compose.image", "Compose's note of the image's id, which is Image"),
    remains("Config.Labels.com.docker.compose.version", "who made it"),
    remains("Config.Labels.com.docker.compose.project.config_files", "the file that it was made from"),
    remains("Config.Labels.com.docker.compose.project.working_dir", "where that file lies"),
];

/// Where Compose v2 or 1.29 made it.
pub(super) const AS_MOUNTS: [Remains; 3] = [
    remains("HostConfig.Binds", "asked for as HostConfig.Mounts; what came of it is in Mounts"),
    remains("HostConfig.Mounts.*", "asked for as HostConfig.Binds; what came of it is in Mounts"),
    remains("Mounts.*.Mode", "the word of a bind; whether it may be written to is RW"),
];

/// Where Compose 1.29 made it.
pub(super) const OF_COMPOSE_1: [Remains; 2] = [
    remains("Name", "with underscores"),
    remains("NetworkSettings.Networks.*.Aliases", "by its service's name, as always, and not by its own"),
];

/// Where a `docker run` line made it.
pub(super) const OF_LINE: [Remains; 6] = [
    remains("Config.Labels.com.docker.compose.config-hash", "of nobody's model"),
    remains("Config.Labels.com.docker.compose.project.config_files", "made from no file"),
    remains("Config.Labels.com.docker.compose.project.working_dir", "made from no file"),
    remains("HostConfig.Init", "not asked for, instead of asked not to be"),
    remains("Mounts.*.Mode", "the word of a bind; whether it may be written to is RW"),
    remains("NetworkSettings.Networks.*.Aliases", "the container's name is resolved without being one"),
];

/// Where a line created the stdio server and did not start it, against a verification's.
pub(super) const OF_SERVER: [Remains; 11] = [
    remains("NetworkSettings.Networks.*.NetworkID", "not started"),
    remains("Config.Labels.com.docker.compose.*", "a client's container is no service of Compose's"),
    remains("Name", "generated"),
    remains("Config.Labels.io.mcpo-deploy.role", "a client's container is no verification's"),
    remains("Config.Labels.io.mcpo-deploy.lease.*", "Docker's client leaves no word of who it is"),
    remains("State.Status", "not started"),
    remains("State.Running", "not started"),
    remains("HostnamePath", "written at the start"),
    remains("HostsPath", "written at the start"),
    remains("ResolvConfPath", "written at the start"),
    remains("LogPath", "written at the start"),
];

/// Fields that decide what a container may do, what it runs and who reaches it: in no table.
const CONFINING: [&str; 45] = [
    "Image",
    "Path",
    "Args",
    "AppArmorProfile",
    "ProcessLabel",
    "MountLabel",
    "Config.User",
    "Config.Env",
    "Config.Cmd",
    "Config.Entrypoint",
    "Config.WorkingDir",
    "Config.Image",
    "Config.Healthcheck.Test",
    "Config.ExposedPorts.8765/tcp",
    "Config.Labels.io.mcpo-deploy.project",
    "Config.StopTimeout",
    "HostConfig.ReadonlyRootfs",
    "HostConfig.Privileged",
    "HostConfig.CapAdd",
    "HostConfig.CapDrop",
    "HostConfig.SecurityOpt",
    "HostConfig.Memory",
    "HostConfig.MemorySwap",
    "HostConfig.NanoCpus",
    "HostConfig.PidsLimit",
    "HostConfig.Tmpfs./tmp",
    "HostConfig.LogConfig.Type",
    "HostConfig.LogConfig.Config.max-size",
    "HostConfig.NetworkMode",
    "HostConfig.PidMode",
    "HostConfig.IpcMode",
    "HostConfig.UTSMode",
    "HostConfig.UsernsMode",
    "HostConfig.CgroupParent",
    "HostConfig.Devices",
    "HostConfig.GroupAdd",
    "HostConfig.RestartPolicy.Name",
    "HostConfig.PortBindings.8765/tcp.0.HostIp",
    "HostConfig.MaskedPaths",
    "HostConfig.ReadonlyPaths",
    "NetworkSettings.Ports.8765/tcp.0.HostIp",
    "Mounts.0.Type",
    "Mounts.0.Source",
    "Mounts.0.Destination",
    "Mounts.0.RW",
];

#[test]
fn no_field_that_confines_a_container_may_differ() {
    for table in [&ALWAYS[..], &OF_COMPOSE, &AS_MOUNTS, &OF_COMPOSE_1, &OF_LINE, &OF_SERVER] {
        for one in table {
            let confines = CONFINING.iter().find(|name| matches(one.field, name));
            assert_eq!(confines, None, "{} ({})", one.field, one.why);
        }
    }
}

#[test]
fn what_differs_is_told_whether_it_is_there_or_not() {
    let document = |host: &Value| json!({"Id": "0123456789abcdef", "HostConfig": host});
    let told = |ours: Value, theirs: Value| differences(&document(&ours), &document(&theirs), &[&ALWAYS]);
    let none = Vec::<String>::new();
    assert_eq!(told(json!({"CapAdd": null}), json!({"CapAdd": []})), none);
    for (ours, theirs, words) in [
        (json!({"CapAdd": null}), json!({"CapAdd": ["CAP_KILL"]}), r#"CapAdd: nothing / ["KILL"]"#),
        (json!({"Memory": 1}), json!({}), "Memory: 1 / nothing"),
        (json!({"Privileged": false}), json!({"Privileged": true}), "Privileged: false / true"),
        (json!({"Binds": ["/a:/b"]}), json!({"Binds": ["/a:/b:ro"]}), r#"Binds: ["/a:/b"] / ["/a:/b:ro"]"#),
    ] {
        assert_eq!(told(ours, theirs), [format!("HostConfig.{words}")]);
    }
}

/// Every difference that is in none of the tables, as `field: this, that`. An empty list, an empty
/// object, `null` and a field that is not there all say the same: nothing. Ids of
/// the container and its networks are the same on both sides.
pub(super) fn differences(ours: &Value, theirs: &Value, tables: &[&[Remains]]) -> Vec<String> {
    let (ours, theirs) = (fields(ours), fields(theirs));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name));
    let allowed = |name: &str| tables.iter().flat_map(|table| *table).any(|one| matches(one.field, name));
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    differ
        .filter(|name| !allowed(name))
        .map(|name| format!("{name}: {} / {}", shown(ours.get(name)), shown(theirs.get(name))))
        .collect()
}

/// Every field that says something, by its path.
fn fields(document: &Value) -> BTreeMap<String, Value> {
    let mut document = document.clone();
    let id = document["Id"].as_str().expect("an id").to_owned();
    let short: String = id.chars().take(12).collect();
    let mut neutral = vec![(id, "<id>".to_owned()), (short, "<id>".to_owned())];
    let networks = document["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
    // Some name a network by its id.
    let network = |(name, network): (&String, &Value)| {
        let id = network["NetworkID"].as_str().filter(|id| !id.is_empty())?;
        Some((id.to_owned(), name.clone()))
    };
    neutral.extend(networks.filter_map(network));
    let neutral = |text: &str| {
        neutral.iter().fold(text.to_owned(), |text, (generated, name)| text.replace(generated, name))
    };
    let mut all = BTreeMap::new();
    flatten(&mut document, "", &neutral, &mut all);
    all
}

fn flatten(
    value: &mut Value,
    path: &str,
    neutral: &dyn Fn(&str) -> String,
    all: &mut BTreeMap<String, Value>,
) {
    match value {
        Value::Null => {}
        Value::Object(entries) => {
            for (key, value) in entries {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, &below, neutral, all);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter_mut().enumerate() {
                flatten(item, &format!("{path}.{index}"), neutral, all);
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                if let Value::String(text) = item {
                    *text = neutral(text);
                }
            }
            if path == "HostConfig.CapAdd" {
                items.iter_mut().for_each(bare_capability);
            }
            if path == "HostConfig.SecurityOpt" {
                items.iter_mut().for_each(profile_as_json);
            }
            if path == "HostConfig.Binds" {
                items.iter_mut().for_each(writable_bind);
            }
            if path == "Config.Env" {
                // What Compose and `docker run` leave of a variable that is not set where they run: a
                // name alone, which is no variable to any program.
                items.retain(|item| item.as_str().is_none_or(|item| item.contains('=')));
                keep_the_last(items);
            }
            // What has no order is in one.
            if UNORDERED.iter().any(|field| matches(field, path)) {
                items.sort_by_key(ToString::to_string);
            }
            if !items.is_empty() {
                all.insert(path.to_owned(), value.clone());
            }
        }
        Value::String(text) => {
            all.insert(path.to_owned(), Value::String(neutral(text)));
        }
        _ => {
            all.insert(path.to_owned(), value.clone());
        }
    }
}

/// The engine takes a capability by its name with and without `CAP_`, and shows it as it was given.
fn bare_capability(name: &mut Value) {
    if let Some(bare) = name.as_str().and_then(|name| name.strip_prefix("CAP_")) {
        *name = bare.into();
    }
}

/// A seccomp profile is JSON: some send it as it is in its file, some without its white space.
fn profile_as_json(option: &mut Value) {
    let profile = option.as_str().and_then(|option| option.strip_prefix("seccomp="));
    if let Some(profile) = profile.and_then(|profile| serde_json::from_str::<Value>(profile).ok()) {
        *option = json!({"seccomp": profile});
    }
}

/// A bind can be written to unless it says otherwise.
fn writable_bind(bind: &mut Value) {
    if let Some(bare) = bind.as_str().and_then(|bind| bind.strip_suffix(":rw")) {
        *bind = bare.into();
    }
}

/// `docker run` sends a variable of the env file and the one that beats it; the process has the last.
fn keep_the_last(variables: &mut Vec<Value>) {
    let name = |variable: &Value| {
        let text = variable.as_str().unwrap_or_default();
        text.split('=').next().unwrap_or_default().to_owned()
    };
    let last: BTreeMap<String, Value> =
        variables.iter().map(|variable| (name(variable), variable.clone())).collect();
    *variables = last.into_values().collect();
}

const UNORDERED: [&str; 5] =
    ["Config.Env", "HostConfig.SecurityOpt", "HostConfig.CapAdd", "HostConfig.Binds", "*.Aliases"];

/// Whether a name is one that the pattern, with at most one `*`, means.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}
