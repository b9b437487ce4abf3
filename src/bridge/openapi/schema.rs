//! A tool's schema (JSON Schema 2020-12; many servers still write draft 7) as a part of an `OpenAPI` 3.1
//! document. Pure.
//!
//! In a larger document a reference such as `#/$defs/a` would lead elsewhere, so every reference is
//! rewritten to where its target comes to stand; identifiers and anchors, which could clash with another
//! tool's, go. A reference that leads out of the schema goes too: nobody should fetch what a server
//! names. What is left out makes the schema accept more, and the server has the last word.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::keyword::{Keyword, Part, keywords};
use crate::mcp::{Members, json_text};

/// How deep schemas are read within schemas; what lies deeper accepts everything.
const MAX_DEPTH: usize = 32;
/// A schema that accepts everything.
const ANYTHING: &str = "{}";
/// What stands for itself in a URI's fragment and in a pointer.
const POINTER: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'$').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The schema as it stands at `place`, a URI reference such as `#/components/schemas/a`.
pub(crate) fn placed(schema: &str, place: &str) -> String {
    let mut survey = Survey::default();
    survey.look(schema, &At::default());
    let placement = Placement { place, survey: &survey };
    placement.write(schema, &At::default()).unwrap_or_else(|| ANYTHING.to_owned())
}

/// Where a schema is, within the whole.
#[derive(Debug, Clone, Default)]
struct At {
    /// As the server's pointers name it.
    was: String,
    /// As ours do.
    is: String,
    /// The schema that references here are relative to, as the server's pointers name it.
    resource: String,
    depth: usize,
}

impl At {
    fn below(&self, was: &[&str], is: &[&str]) -> Self {
        Self {
            was: pointer(&self.was, was),
            is: pointer(&self.is, is),
            resource: self.resource.clone(),
            depth: self.depth + 1,
        }
    }
}

/// RFC 6901.
fn pointer(base: &str, tokens: &[&str]) -> String {
    tokens
        .iter()
        .fold(base.to_owned(), |pointer, token| pointer + "/" + &token.replace('~', "~0").replace('/', "~1"))
}

/// The schema's members, where it is an object and not too deep.
fn members<'t>(schema: &'t str, at: &At) -> Option<Members<'t>> {
    if at.depth > MAX_DEPTH { None } else { Members::read(schema) }
}

/// Where everything is that a reference may name, by the server's names.
#[derive(Debug, Default)]
struct Survey {
    /// Our pointer for each of the server's.
    places: HashMap<String, String>,
    /// The server's pointer for each anchor of a resource.
    anchors: HashMap<(String, String), String>,
    /// The server's pointer for each identifier.
    resources: HashMap<String, String>,
}

impl Survey {
    fn look(&mut self, schema: &str, at: &At) {
        self.places.insert(at.was.clone(), at.is.clone());
        let Some(members) = members(schema, at) else { return };
        let mut at = at.clone();
        if let Some(id) = members.value::<String>("$id") {
            match id.strip_prefix('#') {
                // Draft 7's way to name an anchor.
                Some(anchor) if !anchor.is_empty() => self.anchor(&at, anchor),
                _ => {
                    at.resource.clone_from(&at.was);
                    self.resources.insert(id.trim_end_matches('#').to_owned(), at.was.clone());
                }
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = members.value::<String>(keyword) {
                self.anchor(&at, &anchor);
            }
        }
        for keyword in keywords(&members) {
            each(&keyword, &at, |text, at| self.look(text, at));
        }
    }

    fn anchor(&mut self, at: &At, anchor: &str) {
        self.anchors.insert((at.resource.clone(), anchor.to_owned()), at.was.clone());
    }

    /// Our pointer for what a reference at a place names.
    fn find(&self, reference: &str, at: &At) -> Option<&str> {
        let (id, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = if id.is_empty() { &at.resource } else { self.resources.get(id)? };
        let fragment = percent_decode_str(fragment).decode_utf8().ok()?;
        let was = if fragment.is_empty() || fragment.starts_with('/') {
            format!("{resource}{fragment}")
        } else {
            self.anchors.get(&(resource.clone(), fragment.into_owned()))?.clone()
        };
        self.places.get(&was).map(String::as_str)
    }
}

/// Every schema right within a keyword, with its place.
fn each(keyword: &Keyword, at: &At, mut visit: impl FnMut(&str, &At)) {
    let (was, is) = (keyword.was, keyword.is);
    match &keyword.part {
        Part::AsIs | Part::Reference(_) | Part::Discriminator(_) => {}
        Part::Schema => visit(keyword.text, &at.below(&[was], &[is])),
        Part::List(schemas) => {
            for (index, schema) in schemas.iter().enumerate() {
                let index = index.to_string();
                visit(schema.get(), &at.below(&[was, &index], &[is, &index]));
            }
        }
        Part::Map(schemas) => {
            for (name, schema) in schemas.iter() {
                visit(schema, &at.below(&[was, name], &[is, name]));
            }
        }
    }
}

/// Writing a schema at its place.
struct Placement<'a> {
    place: &'a str,
    survey: &'a Survey,
}

impl Placement<'_> {
    /// `None` where the text is no schema.
    fn write(&self, schema: &str, at: &At) -> Option<String> {
        if matches!(schema, "true" | "false") {
            return Some(schema.to_owned());
        }
        let members = members(schema, at)?;
        let mut at = at.clone();
        if members.value::<String>("$id").is_some_and(|id| id.len() < 2 || !id.starts_with('#')) {
            at.resource.clone_from(&at.was);
        }
        let written = keywords(&members).filter_map(|keyword| Some((keyword.is, self.value(&keyword, &at)?)));
        Some(object(written))
    }

    fn value(&self, keyword: &Keyword, at: &At) -> Option<String> {
        let mut schemas = Vec::new();
        each(keyword, at, |text, at| {
            schemas.push(self.write(text, at).unwrap_or_else(|| ANYTHING.to_owned()));
        });
        match &keyword.part {
            Part::AsIs => Some(keyword.text.to_owned()),
            Part::Reference(reference) => Some(json_text(&self.target(reference, at)?)),
            Part::Schema => schemas.pop(),
            Part::List(_) => Some(format!("[{}]", schemas.join(","))),
            Part::Map(names) => Some(object(names.iter().map(|(name, _)| name).zip(schemas))),
            Part::Discriminator(members) => Some(self.discriminator(members, at)),
        }
    }

    fn target(&self, reference: &str, at: &At) -> Option<String> {
        let pointer = self.survey.find(reference, at)?;
        Some(format!("{}{}", self.place, utf8_percent_encode(pointer, POINTER)))
    }

    fn discriminator(&self, members: &Members, at: &At) -> String {
        let mapping: BTreeMap<String, String> = members.value("mapping").unwrap_or_default();
        let mapping: BTreeMap<String, String> = mapping
            .into_iter()
            .filter_map(|(value, reference)| Some((value, self.target(&reference, at)?)))
            .collect();
        let name = members.get("propertyName").unwrap_or("\"\"").to_owned();
        let mapping = (!mapping.is_empty()).then(|| ("mapping", json_text(&mapping)));
        object([("propertyName", name)].into_iter().chain(mapping))
    }
}

/// An object of members whose values are JSON.
pub(super) fn object<'n>(members: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let members = members.into_iter().map(|(name, text)| format!("{}:{text}", Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const PLACE: &str = "#/components/schemas/a";

    fn at_place(schema: &Value) -> Value {
        serde_json::from_str(&placed(&schema.to_string(), PLACE)).expect("JSON")
    }

    fn reference(pointer: &str) -> Value {
        json!({"$ref": format!("{PLACE}{pointer}")})
    }

    #[test]
    fn a_reference_leads_to_where_its_target_comes_to_stand() {
        let schema = json!({
            "$defs": {"a b/c": {"type": "string"}, "list": {"items": [{"$anchor": "first"}, true]}},
            "properties": {
                "self": {"$ref": "#"},
                "escaped": {"$ref": "#/$defs/a%20b~1c"},
                "raw": {"$ref": "#/$defs/a b~1c"},
                "tuple": {"$ref": "#/$defs/list/items/1"},
                "anchor": {"$ref": "#first"},
                "dynamic": {"$dynamicRef": "#first"},
            },
        });
        let placed = at_place(&schema);
        for (property, pointer) in [
            ("self", ""),
            ("escaped", "/$defs/a%20b~1c"),
            ("raw", "/$defs/a%20b~1c"),
            ("tuple", "/$defs/list/prefixItems/1"),
            ("anchor", "/$defs/list/prefixItems/0"),
        ] {
            assert_eq!(placed["properties"][property], reference(pointer), "{property}");
        }
        assert_eq!(
            placed["properties"]["dynamic"]["$dynamicRef"],
            reference("/$defs/list/prefixItems/0")["$ref"]
        );
        assert_eq!(placed["$defs"]["list"], json!({"prefixItems": [{}, true]}));
    }

    #[test]
    fn a_schema_with_an_identifier_is_its_own_root() {
        let schema = json!({
            "$id": "https://example.com/whole",
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {
                "inner": {"$id": "https://example.com/inner#", "definitions": {"x": {"type": "null"}},
                          "allOf": [{"$ref": "#/definitions/x"}, {"$ref": "https://example.com/whole"}]},
                "named": {"$id": "#old"},
            },
            "anyOf": [{"$ref": "https://example.com/inner#/definitions/x"}, {"$ref": "#old"}],
        });
        let expected = json!({
            "definitions": {
                "inner": {"definitions": {"x": {"type": "null"}},
                          "allOf": [reference("/definitions/inner/definitions/x"), reference("")]},
                "named": {},
            },
            "anyOf": [reference("/definitions/inner/definitions/x"), reference("/definitions/named")],
        });
        assert_eq!(at_place(&schema), expected);
    }

    #[test]
    fn a_reference_that_leads_nowhere_or_out_goes_and_the_rest_stays() {
        for out in
            ["https://evil.example/schema", "#/$defs/missing", "#missing", "file:///etc/passwd", "%ff#%ff"]
        {
            assert_eq!(at_place(&json!({"$ref": out, "title": "t"})), json!({"title": "t"}), "{out}");
        }
    }

    #[test]
    fn what_only_looks_like_a_keyword_stays_as_it_is() {
        let schema = json!({
            "properties": {"$ref": {"default": {"$ref": "#/x", "$id": "y"}}, "$id": {"const": {"$schema": "z"}}},
            "enum": [{"$anchor": "q"}],
            "x-own": {"$ref": "#/x"},
        });
        assert_eq!(at_place(&schema), schema);
    }

    #[test]
    fn a_keyword_whose_value_is_not_what_the_dialect_says_is_left_out() {
        let schema = json!({
            "required": true, "type": "any", "title": 7, "minLength": -1, "maximum": "9", "exclusiveMinimum": true,
            "properties": [], "items": 3, "anyOf": [], "enum": "a", "pattern": null, "uniqueItems": "yes",
            "multipleOf": 0, "dependentRequired": {"a": "b"}, "discriminator": {}, "xml": 1, "minItems": 1.5,
        });
        assert_eq!(at_place(&schema), json!({"items": {}}));
        let kept = json!({
            "required": [], "type": ["string", "null"], "minLength": 0, "maxItems": 2.0, "multipleOf": 0.5,
            "dependencies": {"a": ["b"]}, "dependentRequired": {"a": []},
        });
        assert_eq!(at_place(&kept), kept);
        assert_eq!((placed("7", PLACE), placed("false", PLACE)), ("{}".to_owned(), "false".to_owned()));
    }

    #[test]
    fn the_order_and_the_numbers_are_the_servers() {
        let schema = r#"{"properties":{"b":{"maximum":1e999},"a":{"default":12345678901234567890123}},"type":"object"}"#;
        assert_eq!(placed(schema, PLACE), schema);
    }

    #[test]
    fn the_mapping_of_a_discriminator_is_rewritten() {
        let schema = json!({
            "$defs": {"cat": {}},
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/cat", "dog": "Dog"}},
        });
        let target = format!("{PLACE}/$defs/cat");
        assert_eq!(
            at_place(&schema)["discriminator"],
            json!({"propertyName": "kind", "mapping": {"cat": target}})
        );
    }

    #[test]
    fn what_lies_too_deep_accepts_everything() {
        let depth = 100_000;
        let schema = format!("{}{{\"type\":\"null\"}}{}", "{\"not\":".repeat(depth), "}".repeat(depth));
        let placed = placed(&schema, PLACE);
        assert_eq!(placed, format!("{}{{}}{}", "{\"not\":".repeat(MAX_DEPTH + 1), "}".repeat(MAX_DEPTH + 1)));
    }

    /// Values that look like schemas.
    fn schemas() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            Just("$ref"),
            Just("$defs"),
            Just("items"),
            Just("properties"),
            Just("$id"),
            Just("$anchor"),
            Just("allOf"),
            Just("additionalItems"),
            Just("type"),
            Just("~/%"),
            Just("not"),
        ];
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            Just(json!(1)),
            Just(json!("#")),
            Just(json!("string")),
            Just(json!("#/$defs/items")),
            Just(json!("#/properties/~0~1%25")),
            Just(json!("#/items/0")),
        ];
        leaf.prop_recursive(5, 48, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec((words.clone(), inner), 0..5).prop_map(|members| {
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    /// Every reference in the schemas of a document.
    fn references(value: &Value, found: &mut Vec<String>) {
        for keyword in ["$ref", "$dynamicRef"] {
            found.extend(value.get(keyword).and_then(Value::as_str).map(str::to_owned));
        }
        for keyword in ["not", "items"] {
            value.get(keyword).into_iter().for_each(|value| references(value, found));
        }
        for keyword in ["$defs", "properties"] {
            let inner =
                value.get(keyword).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
            inner.for_each(|value| references(value, found));
        }
        for keyword in ["allOf", "prefixItems"] {
            let inner = value.get(keyword).and_then(Value::as_array).into_iter().flatten();
            inner.for_each(|value| references(value, found));
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_writes_every_reference_that_is_left_leads_to_a_schema(schema in schemas()) {
            let document = json!({"components": {"schemas": {"a": at_place(&schema)}}});
            let mut found = Vec::new();
            references(&document["components"]["schemas"]["a"], &mut found);
            for reference in found {
                let fragment = reference.strip_prefix('#').expect("a local reference");
                let pointer = percent_decode_str(fragment).decode_utf8().expect("text");
                let target = document.pointer(&pointer);
                prop_assert!(target.is_some_and(|target| target.is_object() || target.is_boolean()), "{reference}");
            }
        }
    }
}
