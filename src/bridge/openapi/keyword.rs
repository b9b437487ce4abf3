//! The keywords of a schema, by what may stand in them (JSON Schema 2020-12, and what `OpenAPI` 3.1 adds).
//!
//! A keyword whose value is not what the dialect says would make a whole document invalid, and is left
//! out: servers write `"required": true` and `"type": "any"`.

use serde_json::value::RawValue;

use crate::mcp::Members;

/// A keyword's value, by what has to be done with it.
#[derive(Debug)]
pub(super) enum Part<'t> {
    /// To be kept.
    AsIs,
    /// To be rewritten.
    Reference(String),
    /// A schema.
    Schema,
    /// Schemas, by their index.
    List(Vec<&'t RawValue>),
    /// Schemas, by their name.
    Map(Members<'t>),
    /// `OpenAPI`'s own: references by the values of a property.
    Discriminator(Members<'t>),
}

/// A keyword and its value.
#[derive(Debug)]
pub(super) struct Keyword<'t> {
    /// Its name in the server's schema.
    pub(super) was: &'t str,
    /// Its name in ours.
    pub(super) is: &'t str,
    pub(super) text: &'t str,
    pub(super) part: Part<'t>,
}

/// The keywords of a schema that have a place in the document.
pub(super) fn keywords<'t>(schema: &'t Members) -> impl Iterator<Item = Keyword<'t>> {
    // Before 2020-12 a list of items was called what all of them are called now.
    let is_tuple = schema.get("items").is_some_and(|items| items.starts_with('['));
    schema.iter().filter_map(move |(was, text)| {
        let is = match was {
            "items" if is_tuple => "prefixItems",
            "additionalItems" if is_tuple => "items",
            "prefixItems" if is_tuple => return None,
            _ => was,
        };
        Some(Keyword { was, is, text, part: part(is, text)? })
    })
}

fn part<'t>(keyword: &str, text: &'t str) -> Option<Part<'t>> {
    let as_is = |fits: bool| fits.then_some(Part::AsIs);
    match keyword {
        "$schema" | "$id" | "$anchor" | "$dynamicAnchor" | "$vocabulary" | "$recursiveAnchor"
        | "$recursiveRef" | "xml" | "externalDocs" => None,
        "$ref" | "$dynamicRef" => Some(Part::Reference(read(text)?)),
        "additionalProperties"
        | "unevaluatedProperties"
        | "unevaluatedItems"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "contentSchema"
        | "items" => Some(Part::Schema),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
            let schemas: Vec<&RawValue> = read(text)?;
            (!schemas.is_empty()).then_some(Part::List(schemas))
        }
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            Some(Part::Map(Members::read(text)?))
        }
        "discriminator" => {
            let members = Members::read(text)?;
            members.value::<String>("propertyName")?;
            Some(Part::Discriminator(members))
        }
        "title" | "description" | "$comment" | "format" | "pattern" | "contentMediaType"
        | "contentEncoding" => as_is(text.starts_with('"')),
        "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => as_is(read::<bool>(text).is_some()),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => as_is(is_number(text)),
        "multipleOf" => as_is(read::<f64>(text).is_some_and(|number| number > 0.0)),
        "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties"
        | "maxContains" | "minContains" => {
            as_is(read::<f64>(text).is_some_and(|number| number >= 0.0 && number.fract() == 0.0))
        }
        "required" => as_is(are_distinct(text, |_| true)),
        "type" => {
            as_is(read::<String>(text).is_some_and(|name| is_type(&name)) || are_distinct(text, is_type))
        }
        "dependentRequired" => {
            let lists = Members::read(text)?;
            as_is(lists.iter().all(|(_, list)| are_distinct(list, |_| true)))
        }
        // Draft 7's, of either kind.
        "dependencies" => {
            let either = Members::read(text)?;
            let are_lists = either.iter().all(|(_, value)| are_distinct(value, |_| true));
            if are_lists { Some(Part::AsIs) } else { Some(Part::Map(either)) }
        }
        "enum" | "examples" => as_is(text.starts_with('[')),
        _ => Some(Part::AsIs),
    }
}

fn read<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn is_type(name: &str) -> bool {
    ["null", "boolean", "object", "array", "number", "string", "integer"].contains(&name)
}

/// Whether a text is a list of different texts that all fit; an empty one only where any would.
fn are_distinct(text: &str, fits: impl Fn(&str) -> bool) -> bool {
    read::<Vec<String>>(text).is_some_and(|mut names| {
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        names.len() == all && names.iter().all(|name| fits(name)) && (all > 0 || fits(""))
    })
}
