//! `$NAME`, `${NAME}`, `${NAME:-default}` and `$$`, as the Compose specification has them.

/// A text after interpolation, as far as that can be done without an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interpolated {
    /// The text; a variable without a default is left as it is written.
    pub(super) text: String,
    /// The variable that is the whole of the text.
    pub(super) whole: Option<String>,
    /// Variables whose default stands in the text.
    pub(super) defaulted: Vec<String>,
    /// Variables that have no default.
    pub(super) unresolved: Vec<String>,
}

/// How deep defaults of defaults are followed.
const MAX_DEPTH: usize = 8;

/// Replaces what can be known.
pub(super) fn interpolate(text: &str) -> Interpolated {
    let mut done = Interpolated::default();
    expand(text, 0, &mut done);
    if let ([name], true) = (done.unresolved.as_slice(), done.defaulted.is_empty()) {
        done.whole = (done.text == text && is_whole(text, name)).then(|| name.clone());
    }
    done
}

/// Whether a text is one variable and nothing else, with no other value than the variable's.
fn is_whole(text: &str, name: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match inner {
        Some(inner) => inner.strip_prefix(name).is_some_and(|rest| {
            matches!(rest, "" | "-" | ":-") || ["?", ":?"].iter().any(|mark| rest.starts_with(mark))
        }),
        None => text.strip_prefix('$') == Some(name),
    }
}

fn expand(text: &str, depth: usize, done: &mut Interpolated) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('$') {
            done.text.push('$');
            rest = next;
        } else if let Some(body) = after.strip_prefix('{') {
            let Some(end) = closing(body) else {
                // Compose refuses this; here it is a variable without a name.
                done.unresolved.push("${".to_owned());
                done.text.push_str(&rest[at..]);
                return;
            };
            braces(&body[..end], depth, done);
            rest = &body[end + 1..];
        } else {
            let name = name_at(after);
            if name.is_empty() {
                done.text.push('$');
                if after.starts_with('(') {
                    done.unresolved.push("$(…)".to_owned());
                }
            } else {
                done.unresolved.push(name.to_owned());
                done.text.push('$');
                done.text.push_str(name);
            }
            rest = &after[name.len()..];
        }
    }
    done.text.push_str(rest);
}

fn braces(body: &str, depth: usize, done: &mut Interpolated) {
    let name = name_at(body);
    let rest = &body[name.len()..];
    let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
    match default {
        Some(default) if !default.is_empty() && !name.is_empty() && depth < MAX_DEPTH => {
            done.defaulted.push(name.to_owned());
            expand(default, depth + 1, done);
        }
        _ => {
            done.unresolved.push(if name.is_empty() { "${".to_owned() } else { name.to_owned() });
            done.text.push_str("${");
            done.text.push_str(body);
            done.text.push('}');
        }
    }
}

/// Where the brace that is open closes.
fn closing(body: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut before = ' ';
    for (at, c) in body.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = c;
    }
    None
}

fn name_at(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variable_and_nothing_else_is_told_apart() {
        for text in ["${A}", "$A", "${A:-}", "${A-}", "${A:?must be set}", "${A?}"] {
            assert_eq!(interpolate(text).whole.as_deref(), Some("A"), "{text}");
        }
        for text in ["${A:-x}", "x${A}", "${A}${B}", "$$A", "${A:+x}", "A", "$A-b"] {
            assert_eq!(interpolate(text).whole, None, "{text}");
        }
    }

    #[test]
    fn defaults_are_filled_in_and_dollars_are_dollars() {
        let text = |text: &str| interpolate(text).text;
        assert_eq!(text("${PORT:-8765}:8765"), "8765:8765");
        assert_eq!(text("${A:-${B:-c}}"), "c");
        assert_eq!(text("a$$b $$$$"), "a$b $$");
        assert_eq!(interpolate("${A}/$B $(x)").unresolved, ["A", "B", "$(…)"]);
        assert_eq!(text("${A"), "${A");
    }
}
