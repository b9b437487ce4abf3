//! What should be, as text: Compose files. Writes no file and asks no engine.
//!
//! The text comes from templates, the values from the same [`Desired`](crate::plan::Desired) that
//! `up` creates containers from; what a template made is read back and compared with it, so that
//! neither a value nor a template of the user's can say something else unnoticed.

mod compose;
mod read_back;
mod seal;
mod templates;
mod view;
mod yaml;

#[doc(hidden)]
pub use compose::compose_times;
pub use compose::{Generation, Options, Rendered, compose, file_name};
pub use read_back::Weaker;
pub use seal::{Seal, seal, seal_of, unsealed};
pub use templates::{RenderError, Templates};
