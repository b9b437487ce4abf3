//! Effects: the only layer that talks to a Docker engine, and the only one that names `bollard`
//! (in `docker/` and `error.rs`).

mod context;
mod docker;
mod dockerfile;
mod endpoint;
mod error;
mod execute;
mod folder;
mod host_port;
mod ignore_file;
mod inputs;
mod programs;
mod tls;

pub use context::{BuildContext, ContextError};
pub use docker::{Attached, Docker, ExecOutput, LogLine, StderrTail};
pub use endpoint::{Endpoint, TlsFiles};
pub use error::{EngineError, Reason};
pub use execute::execute;
pub use host_port::{free_port, holder_of};
pub use inputs::{Inputs, inputs};
pub use programs::{ProgramError, Programs, is_checkout};
