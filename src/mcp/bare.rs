//! The bare dialect: `{"method", "params"}` on a line, answered with a line of JSON, without JSON-RPC.

use serde_json::{Value, json};

use super::envelope::Members;

/// What `tools/list` says of a server that cannot list its tools.
pub const BARE_TOOLS: &str = r#"{"tools":[]}"#;

/// A call as one line. `params` is JSON.
#[must_use]
pub fn bare_line(method: &str, params: Option<&str>) -> String {
    format!(r#"{{"method":{},"params":{}}}"#, Value::from(method), params.unwrap_or("{}"))
}

/// The line that answers a call as the result of `tools/call`: one text, which is an error where it says so.
#[must_use]
pub fn bare_result(line: &str) -> String {
    let failed = Members::read(line).and_then(|line| Some(line.get("error")? != "null"));
    let text = json!([{"type": "text", "text": line}]);
    json!({"content": text, "isError": failed.unwrap_or_default()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_tool_s_text_and_an_error_where_it_says_so() {
        for (line, failed) in
            [(r#"{"a":1}"#, false), (r#"{"error":"no"}"#, true), (r#"{"error":null}"#, false), ("[1]", false)]
        {
            let result: Value = serde_json::from_str(&bare_result(line)).expect("JSON");
            assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(failed), &json!(line)));
        }
    }

    #[test]
    fn arguments_stand_in_the_line_as_they_were_given() {
        assert_eq!(bare_line("a\"b", Some(r#"{"n": 1e999}"#)), r#"{"method":"a\"b","params":{"n": 1e999}}"#);
        assert_eq!(bare_line("a", None), r#"{"method":"a","params":{}}"#);
    }
}
