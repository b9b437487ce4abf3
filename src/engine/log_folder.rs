//! The folder of this machine that logs go to.

use crate::model::User;
use crate::plan::{Container, Folder, MountSource, Observed, Op, Plan, PlanError, PlanProblem, Step};

/// Adds the step that makes a folder of `containers` that is not there, or what stands in its way: an engine would
/// make it root's, and nobody could write. An engine of another machine's is not given any.
pub fn with_log_folder(
    planned: Result<Plan, PlanError>,
    containers: &[Container],
    observed: &Observed,
) -> Result<Plan, PlanError> {
    if observed.machine.remote {
        return planned;
    }
    let mounts = containers.iter().flat_map(|one| one.mounts.iter().map(|mount| (mount, one.user)));
    let missing = mounts.filter_map(|(mount, user)| match &mount.source {
        // Of a folder that may not be looked for, the engine says more.
        MountSource::Folder(path) if path.try_exists().is_ok_and(|exists| !exists) => Some((path, user)),
        _ => None,
    });
    let Some((path, user)) = missing.into_iter().next() else { return planned };
    let owner = match maker(user) {
        Some(Maker::Owner) => None,
        Some(Maker::Root) => Some(user),
        None => {
            let mut problems = planned.err().map(|error| error.problems).unwrap_or_default();
            problems.push(PlanProblem::NoFolder { folder: path.clone(), user });
            return Err(PlanError { problems });
        }
    };
    let mut plan = planned?;
    let op = Op::CreateFolder(Folder { path: path.clone(), owner });
    plan.steps.insert(0, Step { op, cause: "it does not exist".to_owned() });
    Ok(plan)
}

/// Who this process is to a folder's owner.
enum Maker {
    /// The owner.
    Owner,
    /// Who can give it away.
    Root,
}

#[cfg(unix)]
fn maker(owner: User) -> Option<Maker> {
    match rustix::process::geteuid().as_raw() {
        uid if uid == owner.uid => Some(Maker::Owner),
        0 => Some(Maker::Root),
        _ => None,
    }
}

/// Folders have no numbers for owners there.
#[cfg(not(unix))]
fn maker(_: User) -> Option<Maker> {
    Some(Maker::Owner)
}
