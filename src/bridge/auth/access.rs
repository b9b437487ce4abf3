//! Which tools a principal may call. Pure.

/// The most names in one list.
const MAX_NAMES: usize = 256;
/// The longest name, in bytes: what MCP advises for a tool's.
const NAME_BYTES: usize = 128;

/// The tools that one principal may call; without a list, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    allowed: Vec<Names>,
    denied: Vec<Names>,
}

/// A name, or all that begin in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    One(String),
    From(String),
}

impl Access {
    /// Reads `read_*,list,!read_secrets`: names with commas, `*` at the end for any end, `!` before
    /// what is denied. A denial counts for more; without anything allowed, all else is.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let mut access = Self::default();
        let mut names = list.split(',');
        for entry in names.by_ref().take(MAX_NAMES) {
            match entry.strip_prefix('!') {
                Some(denied) => access.denied.push(Names::parse(denied)?),
                None => access.allowed.push(Names::parse(entry)?),
            }
        }
        match names.next() {
            Some(_) => Err(format!("the list names more than {MAX_NAMES} tools")),
            None => Ok(access),
        }
    }

    /// Whether a tool of this name may be called.
    pub(crate) fn permits(&self, tool: &str) -> bool {
        let within = |names: &[Names]| names.iter().any(|name| name.covers(tool));
        !within(&self.denied) && (self.allowed.is_empty() || within(&self.allowed))
    }

    /// Whether there is a list at all.
    pub(crate) fn is_restricted(&self) -> bool {
        !(self.allowed.is_empty() && self.denied.is_empty())
    }
}

impl Names {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        if (name.is_empty() && !open) || name.len() > NAME_BYTES || name.contains(['*', '!']) {
            return Err(format!(
                "the list of tools has an entry that is not a name of 1 to {NAME_BYTES} bytes, with ! before \
                 or * after it at most"
            ));
        }
        Ok(if open { Self::From(name.to_owned()) } else { Self::One(name.to_owned()) })
    }

    fn covers(&self, tool: &str) -> bool {
        match self {
            Self::One(name) => name == tool,
            Self::From(start) => tool.starts_with(start.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names_and_denials_count_for_more() {
        for (list, tool, may) in [
            ("read,list", "read", true),
            ("read,list", "reader", false),
            ("read,list", "Read", false),
            ("read_*", "read_", true),
            ("read_*", "read_file", true),
            ("read_*", "read", false),
            ("read_*,!read_secrets", "read_secrets", false),
            ("!read_secrets,read_*", "read_file", true),
            ("!delete_*", "delete_all", false),
            ("!delete_*", "anything else", true),
            ("*", "x", true),
            ("*,!x", "x", false),
            ("!*", "x", false),
        ] {
            let access = Access::parse(list).expect(list);
            assert!(access.is_restricted());
            assert_eq!(access.permits(tool), may, "{list}: {tool}");
        }
    }

    #[test]
    fn without_a_list_every_tool_may_be_called() {
        let access = Access::default();
        assert!(!access.is_restricted() && access.permits("any") && access.permits(""));
    }

    #[test]
    fn a_list_that_is_no_list_is_refused() {
        let long = "x".repeat(NAME_BYTES + 1);
        for list in ["", "a,", ",a", "!", "a*b", "**", "!!a", long.as_str()] {
            assert!(Access::parse(list).is_err(), "{list}");
        }
        let most = vec!["a"; MAX_NAMES].join(",");
        assert!(Access::parse(&most).is_ok());
        assert_eq!(Access::parse(&format!("{most},a")), Err("the list names more than 256 tools".to_owned()));
    }
}
