//! What is asked of this engine: what a description asks for, as far as the engine can do it.

use super::desired::asked_for;
use super::observed::Machine;
use crate::config::{Hardening, Protection, Seccomp};
use crate::model::{Bytes, Cpus};

/// The limits of every container of one plan.
pub(super) struct Limits {
    pub(super) memory: Option<Bytes>,
    pub(super) no_swap: bool,
    pub(super) cpus: Option<Cpus>,
    pub(super) pids: Option<u32>,
    pub(super) seccomp: Option<String>,
}

impl Limits {
    /// Whatever the engine cannot enforce was accepted by name, else there would be no plan. It is
    /// not asked for: an engine leaves it out, and what runs would differ from the plan ever after.
    pub(super) fn of(hardening: &Hardening, machine: &Machine, notes: &mut Vec<String>) -> Self {
        let can = |protection: &Protection| !machine.unenforced.contains(protection);
        let lost = machine.unenforced.iter().filter(|protection| asked_for(hardening, **protection));
        notes.extend(lost.map(|protection| {
            format!("{} is not limited: the engine cannot, and that was accepted", protection.name())
        }));
        let available = Cpus::whole(u64::from(machine.cpus));
        let cpus = hardening.cpus.filter(|_| can(&Protection::Cpus)).map(|asked| {
            if asked > available {
                notes.push(format!("cpus lowered from {asked} to {available}: the engine has no more"));
            }
            asked.min(available)
        });
        let seccomp = match &hardening.seccomp {
            Seccomp::Default => None,
            Seccomp::Profile { .. } if !can(&Protection::Seccomp) => None,
            Seccomp::Profile { json, .. } => Some(json.clone()),
            Seccomp::Unconfined => Some("unconfined".to_owned()),
        };
        Self {
            memory: hardening.memory.filter(|_| can(&Protection::Memory)),
            no_swap: can(&Protection::Swap),
            cpus,
            pids: hardening.pids.filter(|_| can(&Protection::Pids)),
            seccomp,
        }
    }
}
