//! Who may come in, and how much of the bridge each of them may use.
//!
//! A request passes, in this order: its `Host` and `Origin` ([`guard`](super::guard)), its page's
//! leave to read the answer ([`cors`]), its principal and that principal's rate ([`gate`]). What lets
//! it in is a [`Principal`], which whoever handles the request is handed; whatever outlives a request, such
//! as a session, belongs to that principal. Knows nothing of tools besides their names.

pub(crate) mod access;
pub(crate) mod args;
mod bearer;
pub(crate) mod cors;
mod doors;
mod entries;
pub(crate) mod gate;
pub(crate) mod limits;
mod principal;
mod tokens;
pub(crate) mod watched;

pub use doors::Doors;
pub(crate) use principal::{Caller, Identity, Principal};
pub use tokens::TokenFile;
