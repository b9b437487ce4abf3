//! An `OpenAPI` 3.1 document: one path for each tool, or the one path of a dialect that has no lists.

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::schema::{object, placed};
use crate::mcp::{Members, json_text};

/// What stands for itself in a path (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The failures of a call, with what each means.
const FAILURES: [(&str, &str); 12] = [
    ("400", "The body is not what it has to be."),
    ("401", "The request shows no token, or a wrong one."),
    ("403", "This client may not call this tool, or come in at all."),
    ("404", "The server has no such tool."),
    ("408", "The body did not come in time."),
    ("413", "The body is longer than the bridge takes."),
    ("415", "The body is not declared as JSON."),
    ("422", "The tool failed, or the arguments do not fit; what the tool said is in `result`."),
    ("429", "Too many requests or calls of this client at a time."),
    ("502", "The server cannot be started, ended, or refused the call."),
    ("503", "Every server process is in use, or the bridge is stopping."),
    ("504", "The server did not answer in time."),
];
const JSON: &str = "application/json";
const PROBLEM_REF: &str = "#/components/schemas/Problem";

/// How clients show who they are; either is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Security {
    /// By a bearer token.
    pub(crate) tokens: bool,
    /// By a certificate.
    pub(crate) certificates: bool,
}

/// The document. `server` is what the server said when it was greeted; a tool is its name and its JSON
/// object of MCP's, or there is no list of them.
pub(crate) fn document(server: &str, tools: Option<Vec<(&str, &str)>>, security: Security) -> String {
    let mut paths = Vec::new();
    let mut schemas = vec![("Problem".to_owned(), problem().to_string())];
    match tools {
        Some(tools) => {
            let mut ids = Ids::default();
            let mut tools: Vec<(Described, String)> =
                tools.into_iter().map(|(name, text)| (Described::read(name, text), String::new())).collect();
            // The names that can stay as they are come first, so that no other takes them.
            for fits in [true, false] {
                for (tool, id) in tools.iter_mut().filter(|(tool, _)| is_id(tool.name) == fits) {
                    *id = ids.id_for(tool.name);
                }
            }
            for (tool, id) in &tools {
                let path = format!("/tools/{}", utf8_percent_encode(tool.name, SEGMENT));
                paths.push((path, object([("post", tool.operation(id, security))])));
                schemas.extend(tool.schemas(id));
            }
        }
        None => paths.push(("/mcp".to_owned(), object([("post", bare(security).to_string())]))),
    }
    let owned = |members: Vec<(String, String)>| {
        object(members.iter().map(|(name, text)| (name.as_str(), text.clone())))
    };
    let mut components = vec![("schemas", owned(schemas)), ("responses", failures().to_string())];
    if security.tokens || security.certificates {
        components.push(("securitySchemes", schemes(security).to_string()));
    }
    object([
        ("openapi", json_text(&"3.1.1")),
        ("info", info(server).to_string()),
        ("servers", json!([{"url": "/"}]).to_string()),
        ("paths", owned(paths)),
        ("components", object(components)),
    ])
}

/// What a server says of itself: in its answer to `initialize`, or, without a handshake, in the `_meta`
/// of its answer to `server/discover`.
fn info(server: &str) -> Value {
    let said: Value = serde_json::from_str(server).unwrap_or_default();
    let names = [&said["serverInfo"], &said["_meta"]["io.modelcontextprotocol/serverInfo"]];
    let of =
        |key: &str| names.into_iter().find_map(|info| info[key].as_str().filter(|text| !text.is_empty()));
    let mut info = json!({
        "title": of("title").or_else(|| of("name")).unwrap_or("An MCP server's tools"),
        "version": of("version").unwrap_or("0"),
    });
    if let Some(instructions) = said["instructions"].as_str() {
        info["description"] = instructions.into();
    }
    info
}

/// A tool, taken apart.
struct Described<'t> {
    name: &'t str,
    members: Members<'t>,
}

impl<'t> Described<'t> {
    fn read(name: &'t str, text: &'t str) -> Self {
        Self { name, members: Members::read(text).unwrap_or_default() }
    }

    fn schemas(&self, id: &str) -> impl Iterator<Item = (String, String)> {
        let input = self.members.get("inputSchema").unwrap_or("{\"type\":\"object\"}");
        let output = self.members.get("outputSchema");
        let schemas = [(input_of(id), Some(input)), (output_of(id), output)];
        schemas.into_iter().filter_map(|(name, schema)| {
            let place = format!("#/components/schemas/{name}");
            let schema = placed(schema?, &place);
            Some((name, schema))
        })
    }

    fn needs_arguments(&self) -> bool {
        let input = self.members.get("inputSchema").and_then(Members::read);
        input.and_then(|input| input.value::<Vec<String>>("required")).is_some_and(|names| !names.is_empty())
    }

    fn operation(&self, id: &str, security: Security) -> String {
        let title = self
            .members
            .value::<String>("title")
            .or_else(|| self.members.value::<Value>("annotations")?["title"].as_str().map(str::to_owned));
        let output = self.members.get("outputSchema").map_or(json!({}), |_| reference(&output_of(id)));
        let mut operation = json!({
            "operationId": id,
            "summary": title.as_deref().unwrap_or(self.name),
            "requestBody": {"content": {JSON: {"schema": reference(&input_of(id))}}},
            "responses": responses(&output, security),
        });
        if self.needs_arguments() {
            operation["requestBody"]["required"] = true.into();
        }
        if let Some(description) = self.members.value::<String>("description") {
            operation["description"] = description.into();
        }
        secure(operation, security).to_string()
    }
}

fn input_of(id: &str) -> String {
    format!("{id}_input")
}

fn output_of(id: &str) -> String {
    format!("{id}_output")
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The one operation of a server whose tools nobody can list.
fn bare(security: Security) -> Value {
    let operation = json!({
        "operationId": "call",
        "summary": "Calls a tool",
        "description": "The server lists no tools; its own documentation names them.",
        "requestBody": {"required": true, "content": {JSON: {"schema": {
            "type": "object",
            "properties": {
                "method": {"type": "string", "minLength": 1, "description": "The tool's name"},
                "params": {"type": "object", "description": "The tool's arguments"},
            },
            "required": ["method"],
        }}}},
        "responses": responses(&json!({}), security),
    });
    secure(operation, security)
}

fn secure(mut operation: Value, security: Security) -> Value {
    let ways = [("bearer", security.tokens), ("certificate", security.certificates)];
    let ways: Vec<Value> =
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| json!({way: []})).collect();
    if !ways.is_empty() {
        operation["security"] = ways.into();
    }
    operation
}

fn schemes(security: Security) -> Value {
    let mut schemes = json!({});
    if security.tokens {
        schemes["bearer"] = json!({"type": "http", "scheme": "bearer"});
    }
    if security.certificates {
        schemes["certificate"] = json!({"type": "mutualTLS"});
    }
    schemes
}

fn responses(result: &Value, security: Security) -> Value {
    let mut responses =
        json!({"200": {"description": "The tool's answer.", "content": {JSON: {"schema": result}}}});
    for (status, _) in FAILURES.iter().filter(|(status, _)| *status != "401" || security.tokens) {
        responses[status] = json!({"$ref": format!("#/components/responses/{status}")});
    }
    responses
}

fn failures() -> Value {
    let content = json!({"application/problem+json": {"schema": {"$ref": PROBLEM_REF}}});
    let failures = FAILURES
        .map(|(status, meaning)| (status.to_owned(), json!({"description": meaning, "content": content})));
    failures.into_iter().collect()
}

/// RFC 9457, with members of our own.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string", "description": "What the status means"},
            "status": {"type": "integer", "description": "The status, once more"},
            "detail": {"type": "string", "description": "What is wrong"},
            "hint": {"type": "string", "description": "What would help"},
            "result": {"description": "What a tool said that failed"},
            "code": {"type": "integer", "description": "The server's JSON-RPC error code"},
            "request_id": {"type": "string", "description": "What the bridge's log calls this request"},
        },
    })
}

/// Whether a name can stand in `components` (`OpenAPI` 3.1.1 §4.8.7.2), and so in everything.
fn is_id(name: &str) -> bool {
    name.bytes().all(is_id_byte)
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// The operations' ids: the tools' names, each once, of what an id may be made of.
#[derive(Default)]
struct Ids {
    taken: HashSet<String>,
    /// The number to try next for names that come to look the same.
    next: HashMap<String, usize>,
}

impl Ids {
    fn id_for(&mut self, name: &str) -> String {
        let plain = |c: char| u8::try_from(c).is_ok_and(is_id_byte);
        let base: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let mut id = base.clone();
        while !self.taken.insert(id.clone()) {
            let next = self.next.entry(base.clone()).or_insert(1);
            *next += 1;
            id = format!("{base}_{next}");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Security = Security { tokens: false, certificates: false };

    fn of(server: &Value, tools: &[Value], security: Security) -> Value {
        let tools: Vec<(String, String)> = tools
            .iter()
            .map(|tool| (tool["name"].as_str().expect("a name").to_owned(), tool.to_string()))
            .collect();
        let tools = tools.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        serde_json::from_str(&document(&server.to_string(), Some(tools), security)).expect("JSON")
    }

    #[test]
    fn a_tool_is_a_path_with_its_schemas_and_every_failure() {
        let tool = json!({
            "name": "read file", "title": "Read", "description": "Reads.",
            "inputSchema": {"type": "object", "$defs": {"p": {}}, "properties": {"a": {"$ref": "#/$defs/p"}}, "required": ["a"]},
            "outputSchema": {"type": "object", "properties": {"b": {"$ref": "#"}}},
        });
        let server = json!({"serverInfo": {"name": "files", "version": "1.2"}, "instructions": "Do."});
        let security = Security { tokens: true, certificates: true };
        let text = serde_json::to_string_pretty(&of(&server, &[tool], security)).expect("JSON");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_tool_has_a_path_and_an_id_of_its_own() {
        let names = ["a b", "a_b_2", "a/b", "a_b", "ä", "{x}", "..", "a%2Fb"];
        let tools: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let document = of(&json!({}), &tools, OPEN);
        let paths = document["paths"].as_object().expect("paths");
        let mut seen: Vec<(&str, &str)> = paths
            .iter()
            .map(|(path, item)| (path.as_str(), item["post"]["operationId"].as_str().expect("an id")))
            .collect();
        seen.sort_unstable();
        let expected = [
            ("/tools/%7Bx%7D", "_x_"),
            ("/tools/%C3%A4", "_"),
            ("/tools/..", ".."),
            ("/tools/a%20b", "a_b_3"),
            ("/tools/a%252Fb", "a_2Fb"),
            ("/tools/a%2Fb", "a_b_4"),
            ("/tools/a_b", "a_b"),
            ("/tools/a_b_2", "a_b_2"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_great_many_names_that_look_the_same_are_told_apart() {
        let mut ids = Ids::default();
        let all: HashSet<String> = (0..10_000).map(|_| ids.id_for("é")).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn a_server_without_lists_has_the_one_path_for_all_its_tools() {
        let text = document("{}", None, OPEN);
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let paths: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
        assert_eq!(paths, ["/mcp"]);
        assert!(document["components"].get("securitySchemes").is_none(), "{text}");
        assert!(document["paths"]["/mcp"]["post"]["responses"].get("401").is_none(), "{text}");
    }

    #[test]
    fn a_server_of_the_stateless_era_names_itself_too() {
        let discovered = json!({"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "n", "title": "T", "version": "3"}}});
        assert_eq!(info(&discovered.to_string()), json!({"title": "T", "version": "3"}));
        assert_eq!(info("{}"), json!({"title": "An MCP server's tools", "version": "0"}));
    }
}
