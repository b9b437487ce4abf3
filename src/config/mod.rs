//! `mcpo.yaml`, the environment and flags → a checked [`Stack`].
//!
//! One table of settings (`settings.rs`) is the source of the keys, of the variables of the
//! environment, of the JSON Schema, of the reference and of the file that `init` writes. This
//! layer is the only one that reads files a person wrote, and it writes none but those of `init`.

mod accepted;
mod assemble;
mod env_file;
pub(crate) mod files;
mod find;
mod init;
mod kind;
mod layers;
mod log_place;
mod problem;
mod reference;
mod resolve;
mod schema;
mod secrets;
mod settings;
mod shape;
mod stack;
mod suggest;
pub(crate) mod tree;
mod values;

pub(crate) use accepted::{default_text, fault, is_default, place};
pub use init::{Done, InitError, Written, env_text, file_text, write};
pub use layers::Override;
pub use problem::{ConfigError, MAX_PROBLEMS, Place, Problem, Warning};
pub use reference::reference;
pub use resolve::{Input, Resolved, Setting, resolve, resolve_text};
pub use schema::schema;
pub use secrets::DECIDED;
pub(crate) use settings::{BRIDGE_IMAGE, ORCHESTRATOR_IMAGE, REST, WEBSOCKET};
pub(crate) use shape::is_variable;
pub use stack::{
    App, Bridge, EnvFile, Hardening, LogPlace, Logs, Network, Orchestrator, Protection, Seccomp, Source,
    Stack,
};
pub(crate) use suggest::nearest;
