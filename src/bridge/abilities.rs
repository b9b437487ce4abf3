//! What a client says that it can be asked for.

use serde_json::{Map, Value, json};

use crate::mcp::Members;

/// What a server may ask of a client, and the capability that it takes.
const QUESTIONS: [(&str, &str); 3] =
    [("elicitation/create", "elicitation"), ("sampling/createMessage", "sampling"), ("roots/list", "roots")];
/// The parts of capabilities that both eras know. Of all else a server of the older era is not told, so that
/// few kinds of servers serve all clients.
const PARTS: [(&str, &[&str]); 3] =
    [("elicitation", &["form", "url"]), ("sampling", &["context", "tools"]), ("roots", &[])];

/// A client's abilities, as a server of the older era is told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Abilities(Map<String, Value>);

impl Abilities {
    /// Of a client's capabilities, as JSON.
    pub(crate) fn of(capabilities: &str) -> Self {
        let said: Value = serde_json::from_str(capabilities).unwrap_or_default();
        let known = |(name, parts): &(&str, &[&str])| {
            let said = said.get(*name)?.as_object()?;
            let parts = parts.iter().filter(|part| said.get(**part).is_some_and(Value::is_object));
            let parts: Map<String, Value> = parts.map(|part| ((*part).to_owned(), json!({}))).collect();
            Some(((*name).to_owned(), parts.into()))
        };
        Self(PARTS.iter().filter_map(known).collect())
    }

    /// As JSON.
    pub(crate) fn as_json(&self) -> Value {
        self.0.clone().into()
    }

    /// What a question takes that this client has not; `None` where it may be asked.
    pub(crate) fn lacks(&self, method: &str) -> Option<&'static str> {
        let (_, capability) = QUESTIONS.iter().find(|(question, _)| *question == method)?;
        (!self.0.contains_key(*capability)).then_some(capability)
    }
}

/// Whether a client can be asked this at all.
pub(crate) fn is_question(method: &str) -> bool {
    QUESTIONS.iter().any(|(question, _)| *question == method)
}

/// Whether a client's answer to a question is of its form (MCP 2026-07-28, "Error Handling" of multi
/// round-trip requests).
pub(crate) fn is_answer(method: &str, answer: &str) -> bool {
    let Some(answer) = Members::read(answer) else { return false };
    match method {
        "elicitation/create" => answer
            .value::<String>("action")
            .is_some_and(|action| ["accept", "decline", "cancel"].contains(&action.as_str())),
        "sampling/createMessage" => answer.get("role").is_some() && answer.get("content").is_some(),
        _ => answer.get("roots").is_some_and(|roots| roots.starts_with('[')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_what_both_eras_know() {
        let said = r#"{"elicitation":{"form":{},"x":{}},"roots":{"listChanged":true},"extensions":{"a":{}},"sampling":7}"#;
        let able = Abilities::of(said);
        assert_eq!(able.as_json(), json!({"elicitation": {"form": {}}, "roots": {}}));
        assert_eq!(able.lacks("elicitation/create"), None);
        assert_eq!(able.lacks("sampling/createMessage"), Some("sampling"));
        assert_eq!(Abilities::of("noise"), Abilities::default());
    }

    #[test]
    fn an_answer_has_the_form_that_its_question_asks_for() {
        for (method, answer, is) in [
            ("elicitation/create", r#"{"action":"decline"}"#, true),
            ("elicitation/create", r#"{"action":"shout"}"#, false),
            ("elicitation/create", "7", false),
            ("sampling/createMessage", r#"{"role":"assistant","content":{}}"#, true),
            ("sampling/createMessage", "{}", false),
            ("roots/list", r#"{"roots":[]}"#, true),
            ("roots/list", "null", false),
        ] {
            assert_eq!(is_answer(method, answer), is, "{method} {answer}");
        }
    }
}
