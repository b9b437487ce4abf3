//! The words that every layer uses: names, sizes, image references, secrets, labels.
//!
//! Each is a type that can only hold what is valid, so that nothing downstream checks again.

mod image;
pub mod label;
mod name;
mod secret;
mod size;
mod user;

pub use image::{ImageRef, InvalidImageRef};
pub use name::{InvalidProject, ProjectName};
pub use secret::{Secret, is_secret_name};
pub use size::{Bytes, Cpus, InvalidSize};
pub use user::{InvalidUser, User};
