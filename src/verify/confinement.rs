//! What `inspect` says of every live container against what the plan promised.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::catalog::CATALOG;
use super::report::Check;
use crate::plan::{Container, Live, Mismatch, compare};

/// One check for each field, over all containers.
pub(super) fn confinement(live: &[(&Container, &Live)]) -> Vec<Check> {
    let mut by_check: BTreeMap<&'static str, Vec<(&str, Mismatch)>> = BTreeMap::new();
    for (container, live) in live {
        for field in compare(container, live) {
            let of = container.service.name();
            by_check.entry(check_of(field.id)).or_default().push((of, field));
        }
    }
    let fields = CATALOG.iter().filter_map(|check| Some((check.id, by_check.get(check.id)?)));
    let mut checks: Vec<Check> = fields.map(|(id, fields)| of_fields(id, fields)).collect();
    checks.push(published(live));
    checks
}

/// Small fields that are shown together.
fn check_of(field: &'static str) -> &'static str {
    match field {
        "workdir" => "command",
        "restart" | "init" | "log-driver" | "log-limits" => "lifecycle",
        other => other,
    }
}

fn of_fields(id: &'static str, fields: &[(&str, Mismatch)]) -> Check {
    let differing: Vec<String> = fields
        .iter()
        .filter(|(_, field)| field.differs)
        .map(|(of, field)| format!("{of}: {} is {}, promised {}", field.id, field.found, field.promised))
        .collect();
    if !differing.is_empty() {
        return Check::fail(id, differing.join("; "));
    }
    let mut seen: Vec<(String, Vec<&str>)> = Vec::new();
    for (of, field) in fields {
        let words =
            if id == field.id { field.found.clone() } else { format!("{} {}", field.id, field.found) };
        match seen.iter_mut().find(|(found, _)| *found == words) {
            Some((_, containers)) => containers.push(of),
            None => seen.push((words, vec![of])),
        }
    }
    let all = fields.iter().map(|(of, _)| of).collect::<std::collections::BTreeSet<_>>().len();
    let words = seen
        .into_iter()
        .map(|(words, of)| if of.len() == all { words } else { format!("{words} ({})", of.join(", ")) });
    Check::pass(id, words.collect::<Vec<_>>().join("; "))
}

/// Where ports are reachable from, whatever was promised: a port beyond loopback fails even where
/// it was asked for by name.
fn published(live: &[(&Container, &Live)]) -> Check {
    let ports = live
        .iter()
        .flat_map(|(container, live)| live.ports.iter().map(|port| (container.service.name(), port)));
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for (of, (address, host, _)) in ports {
        let loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let shown = if address.is_empty() { "0.0.0.0" } else { address };
        if loopback { &mut closed } else { &mut open }.push(format!("{of} {shown}:{host}"));
    }
    if !open.is_empty() {
        return Check::fail("published", format!("anybody on the network reaches {}", open.join(", ")));
    }
    Check::pass(
        "published",
        if closed.is_empty() { "no port is published".to_owned() } else { closed.join(", ") },
    )
}
