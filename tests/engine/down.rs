//! `down` removes what is the project's, and only that.

use super::docker::{container, docker, inspect, labelled};
use super::rig::Rig;

#[test]
fn down_removes_only_ours_and_keeps_volumes_unless_asked() {
    let rig = Rig::new("down");
    rig.up();
    let volume = format!("{}_mcp-logs", rig.project);
    let image = rig.image("beside", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n");
    // Named as ours would be, and nobody's.
    let beside = rig.named("mcp-bridge-2");
    rig.owns_container(&beside);
    docker(&["run", "-d", "--init", "--name", &beside, &image, "idle"]).ok();

    let down = rig.run(&["down"]).ok();
    assert!(down.err.contains(&format!("kept volume {volume}")), "{}", down.all());
    assert_eq!(rig.what_there_is(), [volume.as_str()]);
    assert_eq!(container(&beside)["State"]["Running"], true);

    let again = rig.run(&["down"]).ok();
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    rig.run(&["down", "--volumes"]).ok();
    assert!(inspect("volume", &volume).is_none());
    assert_eq!(labelled("volume", &rig.project), Vec::<String>::new());
    assert_eq!(container(&beside)["State"]["Running"], true);
}

#[test]
fn a_service_ends_within_its_grace_and_takes_its_children_along() {
    let rig = Rig::new("ending");
    rig.up();
    let pid = container(&rig.bridge())["State"]["Pid"].as_i64().expect("a process");
    let down = rig.run(&["down", "--format", "json"]).ok().json();
    assert_eq!(down["changed"], true);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
