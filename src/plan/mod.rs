//! What should be, what is, and the steps from the one to the other. Pure: no engine, clock,
//! prompt or log.

mod compare;
mod container;
mod containers;
mod desired;
mod deviation;
mod diff;
mod event;
mod hash;
mod images;
mod lease;
mod limits;
mod observed;
mod op;
mod path;
mod problem;
mod process;
mod redactor;
mod run_line;
mod spawn;

pub use compare::{Mismatch, compare};
pub use container::{Container, EnvFileRef, Inherited, Mount, MountSource, Origins, Port, Restart, Service};
pub use desired::{BuildContext, Desired, Images, Profile, described, desired};
pub use deviation::{Deviation, deviations};
pub use diff::{removal, setting_of, steps};
pub use event::{Event, Events};
pub use hash::{Digest, DigestOf, config_hash};
pub use images::{BridgeBase, ImageInputs, bridge_step, image_steps, known_user, stands_in_for_ours};
pub use lease::{Holder, LeasedContainer, Process, for_client, holder, places};
pub use observed::{
    Health, HeldPort, ImageFacts, Live, LiveContainer, LiveMount, Machine, Observed, OwnedObject, State,
};
pub use op::{BuildFrom, Folder, ImageBuild, Network, Op, Plan, Step, Volume};
pub use path::from_folder;
pub use problem::{PlanError, PlanProblem};
pub use redactor::Redactor;
pub use run_line::{Needed, Part, RunLine, absolute_line, run_line};
