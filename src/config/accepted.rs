//! Single values, asked about before they are written into a file.

use super::settings::{SETTINGS, setting};
use super::tree;
use super::values::{Value, read};
use crate::env::Env;

/// Why a key would refuse a value, in words that follow the key and a colon; `None` where it takes
/// it. `yaml` is the value as it would stand in the file. Of an environment no value is repeated.
pub(crate) fn fault(key: &str, yaml: &str) -> Option<String> {
    checked(key, yaml).err()
}

/// Whether a value means what the table's default means.
pub(crate) fn is_default(key: &str, yaml: &str) -> bool {
    let default = default_text(key);
    !default.is_empty()
        && matches!((checked(key, yaml), checked(key, default)), (Ok(one), Ok(two)) if one == two)
}

/// The table's default of a key as YAML; empty where it has none.
pub(crate) fn default_text(key: &str) -> &'static str {
    setting(key).and_then(|setting| setting.default).unwrap_or_default()
}

/// A key's place in the order of the file.
pub(crate) fn place(key: &str) -> usize {
    SETTINGS.iter().position(|setting| setting.key == key).unwrap_or(SETTINGS.len())
}

fn checked(key: &str, yaml: &str) -> Result<Option<Value>, String> {
    let setting = setting(key).ok_or_else(|| "is not a key".to_owned())?;
    let node = tree::read(yaml).map_err(|error| error.message)?;
    let (value, mut faults) = read(setting, &node, &Env::default());
    if faults.is_empty() { Ok(value) } else { Err(faults.swap_remove(0).fault.message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_or_refused_in_the_words_of_its_kind() {
        assert_eq!(fault("hardening.memory", "512m"), None);
        assert_eq!(fault("hardening.memory", "1k").as_deref(), Some("must be at least 6 MiB, not 1k"));
        assert_eq!(fault("orchestrator.environment", "{\"A\": \"x\"}"), None);
        assert_eq!(fault("no.key", "1").as_deref(), Some("is not a key"));
    }

    #[test]
    fn a_default_is_known_in_every_spelling() {
        assert!(is_default("hardening.memory", "2048m") && is_default("hardening.cpus", "\"2.0\""));
        assert!(!is_default("hardening.memory", "1g") && !is_default("project", "x"));
    }
}
