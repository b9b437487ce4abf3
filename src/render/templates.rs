//! The templates of Compose files: ours, embedded, or the user's in their place.

use std::collections::BTreeMap;

use serde::Serialize;
use tera::{Context, Tera};

use super::yaml;
use crate::diagnostic::{Diagnostic, Exit};

/// A set of templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates(BTreeMap<String, String>);

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template cannot be understood, or wants what there is not. The text names the template, the
    /// line and what was undefined.
    #[error("a template cannot be rendered:\n{0}")]
    Template(String),
    /// What a template made is no Compose file that can be read back.
    #[error("{template} makes no Compose file: {reason}")]
    Unreadable {
        /// The template.
        template: &'static str,
        /// Why.
        reason: String,
    },
    /// A template's file says other than what was asked for.
    #[error("the rendered file would say other than the description:\n  {}", .0.join("\n  "))]
    Weaker(Vec<String>),
}

impl Diagnostic for RenderError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Template(_) | Self::Unreadable { .. } => {
                "`mcpo-deploy render --eject` writes the templates that work, to compare with".to_owned()
            }
            Self::Weaker(_) => "mend the template, or accept it by name: --allow-weaker".to_owned(),
        })
    }
}

impl Templates {
    /// Ours, by file name.
    pub const EMBEDDED: [(&'static str, &'static str); 5] = [
        ("bridge.yml", include_str!("../../templates/compose/bridge.yml")),
        ("build-only.yml", include_str!("../../templates/compose/build-only.yml")),
        ("full-stack.yml", include_str!("../../templates/compose/full-stack.yml")),
        ("objects.yml", include_str!("../../templates/compose/objects.yml")),
        ("service.yml", include_str!("../../templates/compose/service.yml")),
    ];

    /// Ours.
    #[must_use]
    pub fn embedded() -> Self {
        Self(Self::EMBEDDED.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }

    /// Ours, with others in the place of those of the same name, and beside them.
    #[must_use]
    pub fn with(mut self, others: impl IntoIterator<Item = (String, String)>) -> Self {
        self.0.extend(others);
        self
    }

    /// Fills in the template `name`.
    pub(super) fn render(&self, name: &str, values: &impl Serialize) -> Result<String, RenderError> {
        let failed = |error: tera::Error| RenderError::Template(error.to_string().trim().to_owned());
        let mut tera = Tera::new();
        // Every value is a scalar by construction: there is no filter to forget.
        // The empty suffix is every template's.
        tera.autoescape_on([""]);
        tera.set_escape_fn(yaml::escape);
        let all = self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        tera.add_raw_templates(all.collect::<Vec<_>>()).map_err(failed)?;
        tera.render(name, &Context::from_serialize(values).map_err(failed)?).map_err(failed)
    }
}
