//! The page `/docs` in a real browser, which is Chromium from the system's packages.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::bridge::Serving;
use super::run;

/// How long the browser may take for everything.
const SECONDS: u32 = 120;

#[test]
fn the_page_calls_a_tool_and_shows_what_a_hostile_server_says_as_text() {
    let bridge = Serving::start_before("stdio-fixture", &["legacy", "hostile"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/clients/docs_page.py");
    let ran = run(Command::new("python3").arg(script).arg(bridge.url()), SECONDS);
    bridge.end();
    let seen: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| {
        panic!("this needs Chromium (apt-get install chromium chromium-driver): {}{}", ran.out, ran.err)
    });
    let markup =
        "</script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
    let expected = json!({
        "state": "4 tools",
        "title": "fixture",
        "made": {"images": 0, "scripts": 1},
        "first": format!("echo {markup}"),
        "called": {"status": "200 OK", "answer": {(markup): markup}},
        "second": {"status": "422 Unprocessable Entity"},
        "markup": "refused",
        "elsewhere": "refused",
        "kept": [0, 0, ""],
        "complaints": [],
    });
    assert_eq!(seen, expected);
}
