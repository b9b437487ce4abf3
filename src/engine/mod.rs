//! Effects: the only layer that talks to a Docker engine, and the only one that names `bollard`
//! (in `docker/` and `error.rs`).

mod client;
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
mod log_folder;
mod process;
mod programs;
mod tls;

pub use client::{Claim, ClientError, Leased, create_for_client};
pub use context::{BuildContext, ContextError};
pub use docker::{
    Attached, Docker, Ending, ExecOutput, Input, LogLine, Output, Placed, Sink, Standard, StderrTail, Streams,
};
pub use endpoint::{Endpoint, TlsFiles};
pub use error::{EngineError, Reason};
pub use execute::execute;
pub use host_port::{free_port, holder_of};
pub use inputs::{Inputs, inputs};
pub use log_folder::with_log_folder;
pub use process::{own_lease, process};
pub use programs::{ProgramError, Programs, is_checkout};
