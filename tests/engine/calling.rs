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
    for name in ["INT", "HUP"] {
        let mut call = rig.start(&["call", "x", "--fresh", "--set", &named]);
        until("a container of the call's", || !rig.clients().is_empty());
        super::interruption::signal(&call, name);
        assert_eq!(call.wait().expect("an end").code(), Some(130), "{name}");
        assert_eq!(rig.clients(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_folder_for_logs_that_is_not_there_is_made_as_the_server_s_whichever_way_it_is_started() {
    use std::os::unix::fs::MetadataExt;
    let mut rig = Rig::of_ours("call-logs");
    rig.run(&["up", "build-only"]).ok();
    // Only root can give a folder away.
    let own = rustix::process::geteuid().as_raw();
    let server = if own == 0 { 4321 } else { own };
    rig.set("MCPO_HARDENING_USER", &format!("{server}:{server}"));
    let asked = format!("{{\"method\": \"{STATUS}\", \"params\": {{}}}}\n");
    for (folder, line) in
        [("called", &["call", STATUS, "--fresh"][..]), ("listed", &["tools", "--fresh"]), ("ran", &["run"])]
    {
        let path = rig.folder().join(folder);
        let set = format!("logs.folder={}", path.display());
        super::docker::run(&mut rig.command(&[line, &["--set", &set]].concat()), &asked).ok();
        assert_eq!(path.metadata().expect("a folder").uid(), server, "{folder}");
    }
}
