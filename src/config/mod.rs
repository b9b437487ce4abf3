//! `mcpo.yaml`, the environment and flags → a checked [`Stack`].

mod stack;

pub use stack::{
    App, Bridge, EnvFile, Hardening, LogPlace, Logs, Network, Orchestrator, Protection, Seccomp, Source,
    Stack,
};
