//! The description of a server's tools as an `OpenAPI` document. Pure: tools in, text out.

mod document;
mod keyword;
mod schema;

pub(crate) use document::{Security, document};
