//! Containers that serve one client each: their places, and whose they still are.

use super::container::Container;
use crate::model::{Lease, ProjectName, label};

/// A container that was started for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedContainer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its project; empty where it has none.
    pub project: String,
    /// Whom it is for.
    pub lease: Lease,
}

impl LeasedContainer {
    /// Whether it is one of a project's.
    #[must_use]
    pub fn is_of(&self, project: &ProjectName) -> bool {
        self.project == project.as_str()
    }
}

/// What is known of a process by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It runs, and has since then: clock ticks since the machine started.
    Since(u64),
    /// One runs that nothing more is known of.
    Hidden,
    /// There is none.
    Gone,
}

/// Whether the process that a container is for is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// It is.
    There,
    /// It is not, and nobody needs the container.
    Gone,
    /// It cannot be seen from here: it is of another machine, or of another PID namespace.
    Elsewhere,
}

/// Looks for the holder of a lease; `here` is the lease of whoever looks.
pub fn holder(lease: &Lease, here: &Lease, process: impl Fn(u32) -> Process) -> Holder {
    let same_machine = lease.machine == here.machine;
    let known = !lease.machine.is_empty() && !here.machine.is_empty();
    // Copies of a machine that sleeps wake up with one and the same boot.
    if known && !same_machine {
        return Holder::Elsewhere;
    }
    if lease.boot != here.boot {
        // The machine that started anew has none of the processes that it had.
        return if known { Holder::Gone } else { Holder::Elsewhere };
    }
    if lease.pid_namespace != here.pid_namespace {
        return Holder::Elsewhere;
    }
    match process(lease.pid) {
        Process::Since(started) if started == lease.started => Holder::There,
        Process::Hidden => Holder::There,
        Process::Since(_) | Process::Gone => Holder::Gone,
    }
}

/// The stdio server's container for one client, with a command of its own where there is one.
#[must_use]
pub fn for_client(stdio: &Container, command: Vec<String>) -> Container {
    let mut container = stdio.clone();
    container.labels.insert(label::ROLE.to_owned(), label::ROLE_CLIENT.to_owned());
    if !command.is_empty() {
        container.command = command;
    }
    container
}

/// The names that a project's containers for clients may have. The engine gives a name once, so that
/// never more of them are there than names, however many are started at the same time.
pub fn places<'a>(project: &'a str, service: &'a str, count: u32) -> impl Iterator<Item = String> + 'a {
    (1..=count).map(move |number| format!("{project}-{service}-run-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease { machine: "m".into(), boot: "b".into(), pid_namespace: "n".into(), pid: 7, started: 70 }
    }

    #[test]
    fn a_holder_is_there_as_long_as_the_very_process_is() {
        for (process, expected) in [
            (Process::Since(70), Holder::There),
            // Somebody else has its number now.
            (Process::Since(71), Holder::Gone),
            (Process::Hidden, Holder::There),
            (Process::Gone, Holder::Gone),
        ] {
            assert_eq!(holder(&lease(), &lease(), |_| process), expected, "{process:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_from_here_is_left_alone() {
        let nobody = |_| Process::Gone;
        let elsewhere = Lease { boot: "b2".into(), machine: "m2".into(), ..lease() };
        assert_eq!(holder(&elsewhere, &lease(), nobody), Holder::Elsewhere);
        let namespace = Lease { pid_namespace: "n2".into(), ..lease() };
        assert_eq!(holder(&namespace, &lease(), nobody), Holder::Elsewhere);
        let copy = Lease { machine: "m2".into(), ..lease() };
        assert_eq!(holder(&copy, &lease(), nobody), Holder::Elsewhere);
        // Of machines that cannot be told apart nothing follows from another boot.
        let unnamed = Lease { machine: String::new(), ..lease() };
        let rebooted = Lease { boot: "b2".into(), ..unnamed.clone() };
        assert_eq!(holder(&rebooted, &unnamed, nobody), Holder::Elsewhere);
    }

    #[test]
    fn a_machine_that_started_anew_holds_nothing_from_before() {
        let before = Lease { boot: "b0".into(), ..lease() };
        assert_eq!(holder(&before, &lease(), |_| Process::Since(70)), Holder::Gone);
    }
}
