//! `--format json`: one document on standard output, whatever the verb.

use serde_json::Value;

use super::rig::Rig;

#[track_caller]
fn has(document: &Value, keys: &[&str]) {
    for key in keys {
        assert!(document.get(key).is_some(), "no {key} in {document:#}");
    }
}

#[test]
fn every_verb_that_reports_speaks_json() {
    let rig = Rig::new("json");
    let json = |args: &[&str]| rig.run(&[args, &["--format", "json"]].concat()).ok().json();

    let plan = json(&["up", "--dry-run"]);
    has(&plan, &["steps", "notes"]);
    has(&plan["steps"][0], &["operation", "object", "cause", "destructive"]);

    let up = json(&["up"]);
    has(&up, &["project", "engine", "changed", "plan", "endpoints", "verification"]);
    assert_eq!(up["endpoints"]["websocket"], format!("ws://127.0.0.1:{}", rig.websocket));
    assert_eq!(up["endpoints"]["rest"], format!("http://127.0.0.1:{}/mcp", rig.rest));
    assert_eq!(up["verification"]["counts"]["fail"], 0);
    let again = json(&["up"]);
    assert_eq!((&again["changed"], &again["verification"]["passed"]), (&false.into(), &true.into()));

    let report = json(&["verify"]);
    has(&report, &["passed", "counts", "checks", "deviations"]);
    for check in report["checks"].as_array().expect("checks") {
        has(check, &["id", "what", "severity", "outcome", "evidence", "fix"]);
    }
    let deviations = report["deviations"].as_array().expect("deviations");
    assert!(deviations.iter().any(|deviation| deviation["id"] == "cis-5.15"), "{report:#}");

    let status = json(&["status"]);
    has(&status, &["project", "engine", "services", "pending_images", "pending"]);
    assert_eq!(status["services"][0]["service"], "mcp-bridge");
    assert_eq!(status["services"][0]["state"], "running");

    let logs = rig.run(&["logs", "--format", "json"]).ok();
    for line in logs.out.lines() {
        has(&serde_json::from_str(line).expect("JSON"), &["service", "stream", "line"]);
    }
    assert!(logs.out.lines().count() > 0, "the bridge says that it listens");

    let build = json(&["build"]);
    has(&build, &["changed", "images"]);
    has(&build["images"][0], &["image", "id", "bytes"]);
    let down = json(&["down"]);
    has(&down, &["project", "changed", "plan"]);
}

#[test]
fn an_error_is_a_document_too() {
    let rig = Rig::new("json-error");
    let failed = rig.run(&["logs", "--format", "json"]).ended(64).json();
    has(&failed["error"], &["message", "causes", "hint", "exit"]);
    assert_eq!(failed["error"]["exit"], 64);
}

#[test]
fn without_a_terminal_output_is_plain_lines() {
    let rig = Rig::new("plain");
    let up = rig.up();
    assert!(!up.all().contains('\u{1b}') && !up.all().contains('\r'), "{}", up.all());
    let quiet = rig.run(&["up", "-q"]).ok();
    assert_eq!(quiet.err, "");
}
