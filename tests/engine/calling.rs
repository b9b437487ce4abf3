//! `call` and `tools`: a fresh container where no bridge runs, and the bridge where it does.

use super::docker::until;
use super::rig::Rig;

const STATUS: &str = "get_orchestrator_status";

#[test]
fn a_fresh_container_answers_until_there_is_a_bridge_and_leaves_nothing() {
    let rig = Rig::new("calling");
    rig.run(&["up", "build-only"]).ok();
    let called = rig.run(&["call", STATUS, "-o", "content"]).ok();
    assert_eq!(called.json()["status"], "active");
    assert!(called.err.contains("a fresh container answers"), "{}", called.err);
    assert_eq!(rig.clients(), Vec::<String>::new());
    rig.up();
    let called = rig.run(&["call", STATUS, "-o", "content"]).ok();
    assert_eq!(called.json()["status"], "active");
    assert!(called.err.contains("note: through the bridge at http://"), "{}", called.err);
    let fresh = rig.run(&["tools", "--fresh"]).ok();
    assert_eq!(fresh.out, rig.run(&["tools"]).ok().out);
    assert_eq!(rig.clients(), Vec::<String>::new());
}

#[test]
fn an_interrupted_call_of_a_fresh_container_removes_it() {
    let rig = Rig::new("call-cut");
    rig.up();
    // One that says nothing has to be waited for.
    let silent = rig.image("silent", "FROM scratch\nCOPY contained-fixture /idle\nENTRYPOINT [\"/idle\"]\n");
    let named = format!("orchestrator.image={silent}");
    let mut call = rig.start(&["call", "x", "--fresh", "--set", &named]);
    until("a container of the call's", || !rig.clients().is_empty());
    super::interruption::signal(&call, "INT");
    assert_eq!(call.wait().expect("an end").code(), Some(130));
    assert_eq!(rig.clients(), Vec::<String>::new());
}
