//! `config`: every setting and where its value comes from.

use serde_json::json;

use super::session::Global;
use crate::diagnostic::{Exit, Failure};
use crate::report::plain_table;

pub(super) fn run(global: &Global) -> Result<Exit, Failure> {
    let resolved = global.resolve()?;
    global.warn(&resolved);
    let rows: Vec<Vec<String>> = resolved
        .settings
        .iter()
        .map(|setting| vec![setting.key.to_owned(), setting.value.to_string(), setting.origin.to_string()])
        .collect();
    global.reporter.text(&plain_table(&["KEY", "VALUE", "FROM"], &rows, global.reporter.style()));
    let settings = resolved.settings.iter().map(|setting| {
        (setting.key.to_owned(), json!({"value": setting.value, "from": setting.origin.to_string()}))
    });
    global.reporter.json(&settings.collect::<serde_json::Map<_, _>>().into());
    Ok(Exit::Done)
}
