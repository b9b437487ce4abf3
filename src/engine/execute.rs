//! Carries out a plan, one step after the other, and tells what happens.

use std::collections::BTreeSet;
use std::time::Instant;

use super::docker::Docker;
use super::error::EngineError;
use super::folder;
use super::programs::Programs;
use crate::config::Protection;
use crate::diagnostic::Failure;
use crate::plan::{Event, Events, Op, Plan};

/// Carries out `plan`. The first step that fails ends it; a rerun continues from there, since the
/// next plan starts from what is. Warnings of the engine's become notes. `ready` waits until the
/// container of that name answers: how one is asked is not the engine's to know.
pub async fn execute(
    plan: &Plan,
    docker: &Docker,
    programs: &Programs,
    architecture: &str,
    events: &dyn Events,
    ready: impl AsyncFn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for step in &plan.steps {
        let what = step.op.to_string();
        events.on(Event::Began { what: what.clone(), cause: step.cause.clone() });
        let began = Instant::now();
        match &step.op {
            Op::Pull(image) => docker.pull(image, events).await?,
            Op::Build(build) => docker.build(build, programs, architecture, events).await?,
            Op::CreateFolder(made) => folder::create(made)?,
            Op::CreateNetwork(network) => docker.create_network(network).await?,
            Op::CreateVolume(volume) => docker.create_volume(volume).await?,
            Op::Create(container) => {
                let warnings = docker.create(container, &container.name).await?;
                if let Some(warning) = warnings.iter().find(|text| refuses(text, &plan.accept_unenforced)) {
                    docker.remove(&container.name, true).await?;
                    let (name, warning) = (container.name.clone(), warning.clone());
                    return Err(EngineError::Unenforced { name, warning }.into());
                }
                for warning in warnings {
                    events.on(Event::Note(format!("{}: {warning}", container.name)));
                }
            }
            Op::Start(name) => docker.start(name).await?,
            Op::AwaitReady(name) => ready(name).await?,
            Op::Stop(name) => docker.stop(name).await?,
            Op::Remove(name) => docker.remove(name, false).await?,
            Op::RemoveNetwork(name) => docker.remove_network(name).await?,
            Op::RemoveVolume(name) => docker.remove_volume(name).await?,
        }
        events.on(Event::Done { what, took: began.elapsed() });
    }
    Ok(())
}

/// Whether the engine says that it left out a protection, and nobody accepted that. Its words since
/// 1.13: "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory
/// limited without swap."
pub(super) fn refuses(warning: &str, accepted: &BTreeSet<Protection>) -> bool {
    let text = warning.to_lowercase();
    if !text.contains("does not support") && !text.contains("discarded") {
        return false;
    }
    let subject = [
        ("swap", Protection::Swap),
        ("memory", Protection::Memory),
        ("cpu", Protection::Cpus),
        ("pids", Protection::Pids),
        ("seccomp", Protection::Seccomp),
    ];
    let about = subject.into_iter().find(|(word, _)| text.contains(word));
    about.is_none_or(|(_, protection)| !accepted.contains(&protection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_that_the_engine_leaves_out_stops_the_plan_unless_accepted() {
        let swap = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
        let none = BTreeSet::new();
        assert!(refuses(swap, &none));
        assert!(!refuses(swap, &BTreeSet::from([Protection::Swap])));
        assert!(refuses(
            "Your kernel does not support pids limit capabilities. Limitation discarded.",
            &none
        ));
        assert!(!refuses("the image's platform does not match", &none));
    }
}
