//! `.dockerignore`, by the rules of moby's `patternmatcher`: patterns are anchored at the context's
//! root, the last one that matches a path or a folder above it decides, `!` takes back.

use globset::{GlobBuilder, GlobMatcher};

/// What a `.dockerignore` says.
#[derive(Debug, Default)]
pub(super) struct IgnoreFile(Vec<(GlobMatcher, Verdict)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    LeaveOut,
    Keep,
}

impl IgnoreFile {
    /// Reads the text. A pattern that is no pattern is an error, as in Docker.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (verdict, pattern) = match line.strip_prefix('!') {
                Some(rest) => (Verdict::Keep, rest.trim()),
                None => (Verdict::LeaveOut, line),
            };
            let clean = clean(pattern);
            if clean.is_empty() {
                continue;
            }
            let glob = GlobBuilder::new(&clean).literal_separator(true).backslash_escape(true).build();
            patterns.push((glob.map_err(|error| error.to_string())?.compile_matcher(), verdict));
        }
        Ok(Self(patterns))
    }

    /// Whether a path, relative to the context and with `/` between its parts, is left out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let itself_and_above: Vec<&str> = ends.map(|end| &path[..end]).collect();
        let decides =
            self.0.iter().rev().find(|(glob, _)| itself_and_above.iter().any(|part| glob.is_match(part)));
        decides.is_some_and(|(_, verdict)| *verdict == Verdict::LeaveOut)
    }

    /// Whether something below a folder that is left out may be kept, so that it must be walked.
    pub(super) fn may_keep_below(&self) -> bool {
        self.0.iter().any(|(_, verdict)| *verdict == Verdict::Keep)
    }
}

/// Go's `filepath.Clean` on a pattern: no leading or trailing slash, no `.`.
fn clean(pattern: &str) -> String {
    pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(text: &str, path: &str) -> bool {
        IgnoreFile::parse(text).expect("patterns").leaves_out(path)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        for (text, path, expected) in [
            ("target", "target/debug/x", true),
            ("target", "sub/target", false),
            ("**/target", "sub/target/x", true),
            ("/target/", "target", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "docs/README.md", true),
            ("*.md\n!README.md", "README.md", false),
            ("!README.md\n*.md", "README.md", true),
            ("docs\n!docs/keep.md", "docs/keep.md", false),
            ("docs\n!docs/keep.md", "docs/other.md", true),
            ("# target\n\n  spaced  ", "spaced", true),
            ("a?c", "abc", true),
            ("./b", "b", true),
            ("*", "anything/at/all", true),
        ] {
            assert_eq!(left_out(text, path), expected, "{text:?} {path:?}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_an_error() {
        assert!(IgnoreFile::parse("a[").is_err());
    }
}
