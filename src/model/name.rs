//! The project's name, by Compose's rule.

use std::fmt;
use std::str::FromStr;

/// Why a text is no project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a project name; it must consist of lowercase letters, digits, `-` and `_` and start with a letter or digit"
)]
pub struct InvalidProject(pub String);

/// A project name as Compose accepts it: `^[a-z0-9][a-z0-9_-]*$`, at most 63 characters, so that
/// it also fits a label and a host name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    const MAX: usize = 63;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compose's rule for a project without a name: the folder's, in lower case, without the
    /// characters that a name cannot have. `None` where nothing is left of it.
    #[must_use]
    pub fn of_folder(folder: &str) -> Option<Self> {
        let kept: String = folder
            .to_lowercase()
            .chars()
            .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
            .collect();
        let name: String = kept.trim_start_matches(['_', '-']).chars().take(Self::MAX).collect();
        name.parse().ok()
    }
}

impl FromStr for ProjectName {
    type Err = InvalidProject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() <= Self::MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidProject(text.to_owned())) }
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_a_project_as_in_compose() {
        for (folder, project) in
            [("My App", "myapp"), ("__x-1", "x-1"), ("Ünï.codé", "ncod"), ("2026", "2026")]
        {
            assert_eq!(ProjectName::of_folder(folder).map(|p| p.to_string()).as_deref(), Some(project));
        }
        assert_eq!(ProjectName::of_folder("日本"), None);
    }

    #[test]
    fn a_name_that_compose_would_refuse_is_refused() {
        for name in ["", "-a", "A", "a.b", "a b", &"a".repeat(64)] {
            assert!(name.parse::<ProjectName>().is_err(), "{name}");
        }
    }
}
