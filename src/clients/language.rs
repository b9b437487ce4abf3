//! The languages that clients' files are written in, as one.

use super::error::EditError;
use super::node::{Node, Step};
use super::splice::spliced;
use super::value::Value;
use super::{json, toml, toml_statements, yaml, yaml_reader};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// With comments and trailing commas, where somebody wrote them.
    Json,
    Toml,
    Yaml,
}

impl Language {
    pub(super) fn read(self, text: &str) -> Result<Node, EditError> {
        match self {
            Self::Json => json::read(text),
            Self::Toml => toml_statements::read(text).map(|(root, _)| root),
            Self::Yaml => yaml_reader::read(text),
        }
    }

    /// The text with a value at a path, whose parents exist or come into being.
    pub(super) fn set(self, text: &str, path: &[Step], value: &Value) -> Result<String, EditError> {
        let splices = match self {
            Self::Json => json::set(text, &json::read(text)?, path, value),
            Self::Toml => {
                let (root, statements) = toml_statements::read(text)?;
                toml::check(text, &root, path)?;
                toml::set(text, &root, &statements, path, value)
            }
            Self::Yaml => yaml::set(text, &yaml_reader::read(text)?, path, value)?,
        };
        Ok(spliced(text, splices))
    }

    /// The text without what is at a path.
    pub(super) fn remove(self, text: &str, path: &[Step]) -> Result<String, EditError> {
        let splices = match self {
            Self::Json => json::remove(text, &json::read(text)?, path),
            Self::Toml => {
                let (root, statements) = toml_statements::read(text)?;
                toml::check(text, &root, path)?;
                toml::remove(text, &root, &statements, path)
            }
            Self::Yaml => yaml::remove(text, &yaml_reader::read(text)?, path)?,
        };
        Ok(spliced(text, splices))
    }
}
