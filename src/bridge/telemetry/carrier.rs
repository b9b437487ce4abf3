//! Trace context in a request's parameters (SEP-414: `_meta` with `traceparent`, `tracestate` and
//! `baggage`). Pure: text in, text out, and whatever else stands there stays as it is, byte for byte.

use memchr::memmem::Finder;

use super::trace::{Context, Parent};
use crate::mcp::{Members, Words, json_text};

const PARENT: &str = "traceparent";
static PARENTS: Words = Words::new(|| Finder::new(PARENT));
const STATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// The place in a trace that the parameters name themselves.
pub(crate) fn own(params: &str) -> Option<Parent> {
    if !PARENTS.are_in(params) {
        return None;
    }
    let members = Members::read(params)?;
    Parent::parse(&Members::read(members.get("_meta")?)?.value::<String>(PARENT)?)
}

/// The parameters with a context in their `_meta`. `None` where they are to stay: there is nothing to put
/// in, they have a context of their own, or they are not what has a `_meta`.
pub(crate) fn put(params: &str, context: &Context) -> Option<String> {
    if context.is_empty() {
        return None;
    }
    let mut members = Members::read(params)?;
    let meta = members.get("_meta").unwrap_or("{}").to_owned();
    let mut meta = Members::read(&meta)?;
    if [PARENT, STATE, BAGGAGE].iter().any(|key| meta.get(key).is_some()) {
        return None;
    }
    if let Some(parent) = context.parent {
        meta.set(PARENT, json_text(&parent.to_string()));
    }
    for (key, value) in [(STATE, &context.state), (BAGGAGE, &context.baggage)] {
        if let Some(value) = value {
            meta.set(key, json_text(value));
        }
    }
    members.set("_meta", meta.to_string());
    Some(members.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context() -> Context {
        Context { parent: Parent::parse(TEXT), state: Some("a=1".into()), baggage: Some("k=\"v\"".into()) }
    }

    #[test]
    fn a_context_goes_into_the_metadata_and_the_rest_stays_as_it_stands() {
        let put = put(r#"{"n": 1e999 ,"_meta":{"progressToken": 7.0},"s":"\u00e9"}"#, &context());
        insta::assert_snapshot!(put.expect("a text"));
        let put = super::put("{}", &Context { parent: None, state: None, ..context() });
        assert_eq!(put.as_deref(), Some(r#"{"_meta":{"baggage":"k=\"v\""}}"#));
    }

    #[test]
    fn parameters_with_a_context_of_their_own_or_without_a_place_for_one_stay() {
        for params in [
            r#"{"_meta":{"traceparent":"x"}}"#,
            r#"{"_meta":{"tracestate":"a=1"}}"#,
            r#"{"_meta":{"baggage":null}}"#,
            r#"{"_meta":[]}"#,
            r#"{"_meta":{},"_meta":{}}"#,
            "[1]",
            "",
        ] {
            assert_eq!(put(params, &context()), None, "{params}");
        }
        assert_eq!(put("{}", &Context::default()), None);
    }

    #[test]
    fn the_context_of_the_parameters_is_found_where_it_is_one() {
        let own_of = |parent: &str| own(&format!(r#"{{"_meta":{{"traceparent":"{parent}"}}}}"#));
        assert_eq!(own_of(TEXT).map(|parent| parent.to_string()).as_deref(), Some(TEXT));
        assert_eq!((own_of("x"), own("{}"), own(r#"{"traceparent":"x"}"#)), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_found_again_and_nothing_else_has_changed(
            members in proptest::collection::btree_map("[a-z]{1,5}", any::<String>(), 0..5)
        ) {
            let params = json_text(&members);
            let put = put(&params, &context()).expect("a text");
            prop_assert_eq!(own(&put), Parent::parse(TEXT));
            let mut without = Members::read(&put).expect("an object");
            prop_assert!(without.remove("_meta").is_some());
            prop_assert_eq!(without.to_string(), params);
        }
    }
}
