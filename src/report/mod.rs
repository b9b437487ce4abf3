//! Events, reports and errors → text for people or JSON for programs. The only layer that prints:
//! data to standard output, talk to standard error.

mod error;
mod json;
mod progress;
mod table;
mod terminal;
mod visible;

pub use error::{error_json, error_text};
pub use json::{plan_json, report_json};
pub use table::{plain_table, report_table};
pub use terminal::{Format, Reporter, Style, Verbosity};
pub use visible::visible;
