//! `/docs`: a page on which a person sees the tools and tries them. One file, the same for everybody.
//!
//! Whatever it shows of a server it shows as text. Should that ever fail, its policy lets no other script
//! run and nothing be fetched from elsewhere (Content Security Policy 3, Trusted Types).

use std::sync::LazyLock;

use axum_core::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("docs.html");

/// What the page may do: run its own script, as it was when this was built, and ask where it came from.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (script, style) = (hash(within("script")), hash(within("style")));
    let policy = format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    // Base64 and quotes are visible ASCII.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The page.
pub(crate) fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // A page that opened it cannot reach into it.
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    (headers, PAGE).into_response()
}

/// The text of the page's one element of a name.
fn within(element: &str) -> &'static str {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let rest = PAGE.split_once(&open).map_or("", |(_, rest)| rest);
    rest.split_once(&close).map_or("", |(text, _)| text)
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_asks_for_nothing_from_elsewhere() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            assert!(!within(element).is_empty(), "{element}");
        }
        for elsewhere in ["http:", "https:", "//", "src=", "@import", "url("] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn the_page_never_makes_markup_of_text() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval",
            "DOMParser",
            "setHTML",
            "srcdoc",
            "javascript:",
            "Function(",
            "style=",
            "onclick",
            "localStorage",
            "sessionStorage",
            "cookie",
        ] {
            assert!(!PAGE.contains(way), "{way}");
        }
    }

    #[test]
    fn the_policy_names_the_script_by_its_hash() {
        let policy = POLICY.to_str().expect("text");
        assert!(policy.contains(&hash(within("script"))) && !policy.contains("unsafe"), "{policy}");
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(hash(""), format!("'sha256-{empty}'"));
        assert!(!policy.contains(empty));
    }
}
