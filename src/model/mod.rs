//! The words that every layer uses: names, sizes, image references, secrets, labels.
//!
//! Each is a type that can only hold what is valid, so that nothing downstream checks again.

mod image;
pub mod label;
mod lease;
mod luck;
mod name;
mod secrecy;
mod secret;
mod size;
mod user;

pub use image::{ImageRef, InvalidImageRef};
pub use lease::Lease;
pub use luck::{Luck, may_stay_awake};
pub use name::{InvalidProject, ProjectName};
pub use secrecy::{is_known_secret, is_secret_name, is_secret_value, secret_argument};
pub use secret::Secret;
pub use size::{Bytes, Cpus, InvalidSize};
pub use user::{InvalidUser, User};
