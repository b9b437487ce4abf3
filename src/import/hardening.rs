//! The hardening of several services → the one that holds for every container.
//!
//! What a service does not say has our default, and is a gap that closes. What it says by name is
//! kept, stronger or weaker, where a key can say it.

use std::collections::{BTreeMap, BTreeSet};

use super::description::Draft;
use super::paths::relocated;
use super::service::{Project, Service};
use super::writer::Value;
use crate::config::{self, ORCHESTRATOR_IMAGE};
use crate::model::{Bytes, User};

/// The name of no limit at all.
pub(super) const UNLIMITED: &str = "unlimited";

/// Decides the hardening.
pub(super) fn of(draft: &mut Draft<'_>, project: &Project, services: &[&Service]) {
    files(draft, services);
    user(draft, services);
    privileges(draft, services);
    limit(draft, services, "hardening.memory", "mem_limit", |service| {
        service.limits.memory.as_deref().map(memory)
    });
    limit(draft, services, "hardening.cpus", "cpus", |service| service.limits.cpus.as_deref().map(cpus));
    limit(draft, services, "hardening.pids", "pids_limit", |service| {
        service.limits.pids.as_deref().map(pids)
    });
    network(draft, project, services);
}

fn files(draft: &mut Draft<'_>, services: &[&Service]) {
    if let Some(service) = services.iter().find(|service| service.read_only == Some(false)) {
        draft.one("hardening.read_only", "false", service.line, &service.path);
        draft.ledger.keep("hardening.read_only", "false", "the root file system can be written");
    }
    let mut tmpfs: BTreeMap<String, Option<String>> = BTreeMap::new();
    let strict = services.iter().any(|service| service.read_only == Some(true));
    for service in services {
        for (path, options) in &service.tmpfs {
            let what = format!("{} ({path})", service.at("tmpfs"));
            let options = unconfined(options);
            let one = Value::Map([(path.clone(), Some(options.clone()))].into());
            if let Some(fault) = config::fault("hardening.tmpfs", &super::writer::flow(&one)) {
                draft.ledger.note(service.line, what, fault);
            } else if tmpfs.get(path).is_some_and(|taken| taken.as_deref() != Some(&*options)) {
                draft.ledger.note(
                    service.line,
                    what,
                    "one setting holds for every container; another service's is taken",
                );
            } else {
                tmpfs.insert(path.clone(), Some(options));
            }
        }
    }
    if tmpfs.is_empty() && !(strict && services.iter().any(|service| service.ours)) {
        return;
    }
    if !strict && !tmpfs.contains_key("/tmp") {
        // What writes its temporary files to the root file system could no longer.
        tmpfs.insert("/tmp".to_owned(), Some("size=64m,mode=1777".to_owned()));
    }
    let mount = draft.entries.effective("logs.mount");
    if tmpfs.remove(&mount).is_some() {
        draft.ledger.note(services[0].line, format!("tmpfs ({mount})"), "the logs are mounted there");
    }
    for (path, options) in &tmpfs {
        if options
            .iter()
            .flat_map(|options| options.split(','))
            .any(|option| matches!(option, "exec" | "suid" | "dev"))
        {
            draft.ledger.keep(
                "hardening.tmpfs",
                path,
                "programs, devices or rights can come from an in-memory folder",
            );
        }
    }
    draft.value("hardening.tmpfs", Value::Map(tmpfs), services[0].line, "tmpfs", false);
}

/// Mount options without those that are added anyway, and without what no option may hold.
fn unconfined(options: &str) -> String {
    let kept = |option: &&str| !matches!(*option, "" | "rw" | "noexec" | "nosuid" | "nodev");
    options.split(',').map(str::trim).filter(kept).collect::<Vec<_>>().join(",")
}

fn user(draft: &mut Draft<'_>, services: &[&Service]) {
    let mut taken: Option<String> = None;
    for service in services {
        let Some(user) = &service.user else { continue };
        let what = service.at("user");
        let number = if is_root(user) { "0:0".to_owned() } else { user.clone() };
        if taken.as_ref().is_some_and(|taken| *taken != number) {
            draft.ledger.note(
                service.line,
                what,
                "one user holds for every container; another service's is taken",
            );
            continue;
        }
        if number.parse::<User>().is_err() {
            draft.ledger.note(
                service.line,
                what,
                "a user is given by number; set `hardening.user` to uid:gid",
            );
            continue;
        }
        // Our images name this user themselves.
        let own = service.ours
            && number.parse() == Ok(User::NONROOT)
            && draft.entries.effective("orchestrator.image") == ORCHESTRATOR_IMAGE;
        if taken.is_none()
            && !own
            && draft.one("hardening.user", &number, service.line, &what)
            && is_root(&number)
        {
            draft.ledger.keep("hardening.user", &number, "processes run as root");
        }
        taken = Some(number);
    }
}

/// Whether a user is root, in whatever way it is written.
pub(super) fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or(user);
    name == "root" || (!name.is_empty() && name.bytes().all(|b| b == b'0'))
}

fn privileges(draft: &mut Draft<'_>, services: &[&Service]) {
    let mut added = BTreeSet::new();
    for service in services {
        let what = service.at("cap_add");
        for name in &service.privileges.cap_add {
            let upper = name.to_ascii_uppercase();
            let name = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
            match config::fault("hardening.cap_add", &super::writer::flow(&Value::List(vec![name.clone()]))) {
                None => drop(added.insert(name)),
                Some(_) if name == "ALL" => {
                    draft.ledger.note(
                        service.line,
                        &*what,
                        "name the capabilities that it needs in `hardening.cap_add`",
                    );
                }
                Some(fault) => draft.ledger.note(service.line, &*what, fault),
            }
        }
    }
    if !added.is_empty() {
        let names: Vec<String> = added.into_iter().collect();
        draft.ledger.keep("hardening.cap_add", names.join(", "), "capabilities are kept");
        draft.value("hardening.cap_add", Value::List(names), services[0].line, "cap_add", false);
    }
    if let Some(service) =
        services.iter().find(|service| service.privileges.no_new_privileges() == Some(false))
    {
        draft.one("hardening.no_new_privileges", "false", service.line, &service.path);
        draft.ledger.keep("hardening.no_new_privileges", "false", "processes may gain rights");
    }
    for service in services {
        let what = service.at("security_opt");
        match service.privileges.option("seccomp") {
            None | Some("builtin" | "default" | "") => {}
            Some("unconfined") => {
                draft.one("hardening.seccomp", "unconfined", service.line, &what);
                if draft.ledger.kept.iter().all(|kept| kept.key != "hardening.seccomp") {
                    draft.ledger.keep("hardening.seccomp", "unconfined", "every system call is allowed");
                }
            }
            Some(profile) if profile.starts_with('{') => {
                draft.ledger.note(
                    service.line,
                    what,
                    "put the profile into a file and name it in `hardening.seccomp`",
                );
            }
            Some(profile) => {
                draft.one("hardening.seccomp", &relocated(profile, draft.origin), service.line, &what);
            }
        }
    }
}

/// One limit for all: the largest that any of them has, by its own word or by default.
fn limit(
    draft: &mut Draft<'_>,
    services: &[&Service],
    key: &'static str,
    name: &str,
    read: impl Fn(&Service) -> Option<Limit>,
) {
    let default =
        Limit { text: config::default_text(key).to_owned(), weight: weight(key, config::default_text(key)) };
    let mut largest: Option<(Limit, usize)> = None;
    for service in services {
        let what = service.at(name);
        let limit = match read(service) {
            None => default.clone(),
            Some(limit) => match config::fault(key, &super::writer::flow(&Value::One(limit.text.clone()))) {
                None => Limit { weight: weight(key, &limit.text), ..limit },
                Some(fault) => {
                    draft.ledger.note(service.line, what, fault);
                    default.clone()
                }
            },
        };
        if let Some((taken, _)) = &largest
            && taken.text != limit.text
        {
            draft.ledger.note(
                service.line,
                service.at(name),
                "one limit holds for every container; the largest is taken",
            );
        }
        if largest.as_ref().is_none_or(|(taken, _)| limit.weight > taken.weight) {
            largest = Some((limit, service.line));
        }
    }
    let Some((limit, line)) = largest else { return };
    if draft.one(key, &limit.text, line, name) && limit.weight > default.weight {
        draft.ledger.keep(key, &*limit.text, format!("it is more than the default of {}", default.text));
    }
}

/// A limit as it is written in a `mcpo.yaml`, and how large it is.
#[derive(Debug, Clone)]
struct Limit {
    text: String,
    weight: u128,
}

impl Limit {
    fn of(text: String) -> Self {
        Self { text, weight: 0 }
    }
}

fn weight(key: &str, text: &str) -> u128 {
    if text == UNLIMITED {
        return u128::MAX;
    }
    match key {
        "hardening.memory" => text.parse::<Bytes>().map_or(0, |bytes| u128::from(bytes.0)),
        "hardening.cpus" => text.parse::<crate::model::Cpus>().map_or(0, |cpus| u128::from(cpus.0)),
        _ => text.parse::<u128>().unwrap_or(0),
    }
}

fn memory(text: &str) -> Limit {
    Limit::of(match text {
        "0" | "-1" => UNLIMITED.to_owned(),
        text => size(text).unwrap_or_else(|| text.to_owned()),
    })
}

fn cpus(text: &str) -> Limit {
    Limit::of(match text {
        "0" | "0.0" | "0.00" => UNLIMITED.to_owned(),
        text if text.starts_with('.') => format!("0{text}"),
        text => text.to_owned(),
    })
}

fn pids(text: &str) -> Limit {
    Limit::of(if matches!(text, "0" | "-1") { UNLIMITED.to_owned() } else { text.to_owned() })
}

/// A size with a fraction, which Docker takes, as one without.
pub(super) fn size(text: &str) -> Option<String> {
    if let Ok(bytes) = text.parse::<Bytes>() {
        return Some(bytes.to_string());
    }
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (whole, fraction) = lower[..end].split_once('.')?;
    let unit: Bytes = format!("1{}", &lower[end..]).parse().ok()?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let bytes =
        u128::from(whole) * u128::from(unit.0) + u128::from(part) * u128::from(unit.0) / 10_u128.pow(digits);
    u64::try_from(bytes).ok().map(|bytes| Bytes(bytes).to_string())
}

fn network(draft: &mut Draft<'_>, project: &Project, services: &[&Service]) {
    const KEY: &str = "hardening.network";
    let has_none = |service: &&Service| service.network_mode.as_deref() == Some("none");
    // In a rendering of ours the bridge keeps its network all the same.
    if !services.is_empty() && services.iter().all(has_none)
        || services.iter().any(|service| service.ours && has_none(service))
    {
        draft.one(KEY, "none", services[0].line, "network_mode");
        return;
    }
    for service in services {
        for name in &service.networks {
            let own = if service.is_run_line() { Some(name) } else { project.external_networks.get(name) };
            let Some(own) = own else { continue };
            let what = service.at("network");
            if draft.entries.get(KEY).is_some_and(|taken| *taken != Value::One(own.clone())) {
                draft.ledger.note(
                    service.line,
                    what,
                    "containers join one network; another service's is taken",
                );
            } else if draft.entries.get(KEY).is_none() && draft.one(KEY, own, service.line, &what) {
                draft.ledger.keep(KEY, own, "the containers join a network that others may be on");
            }
        }
    }
}

/// The name of a volume within the project: a rendering of ours puts the user's number behind it.
pub(super) fn own_volume<'n>(name: &'n str, service: &Service) -> &'n str {
    let user = service.user.as_deref().and_then(|user| user.parse::<User>().ok());
    let suffix = user
        .filter(|user| service.ours && user.uid != User::NONROOT.uid)
        .map(|user| format!("-{}", user.uid));
    suffix.and_then(|suffix| name.strip_suffix(&suffix)).unwrap_or(name)
}
