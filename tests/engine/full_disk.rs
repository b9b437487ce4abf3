//! A disk that is full.

use super::rig::Rig;
use super::second_engine::Engine;

#[test]
fn a_full_disk_is_told_leaves_nothing_and_a_rerun_with_room_succeeds() {
    let mut engine = Engine::start();
    let rig = Rig::of_ours("full-disk");
    engine.order("fill");
    let failed = engine.mcpo(&rig, &["build"]).ended(1);
    assert!(failed.err.contains("\nerror: cannot build image mcp-orchestrator:latest: "), "{}", failed.err);
    assert!(failed.err.contains("no space left on device\n"), "{}", failed.err);
    let hint = "hint: free room where the engine keeps its data: docker system df, then docker system prune";
    assert!(failed.err.contains(hint), "{}", failed.err);
    for kind in ["image", "container"] {
        let left = engine.docker(&[kind, "ls", "--all", "--quiet"]).ok();
        assert_eq!(left.out, "", "an {kind} is left");
    }

    engine.order("empty");
    engine.mcpo(&rig, &["build"]).ok();
    let images = engine.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).ok().out;
    for image in ["mcp-orchestrator:latest", "mcp-bridge:latest"] {
        assert!(images.lines().any(|line| line == image), "{images}");
    }
    assert!(engine.mcpo(&rig, &["build"]).ok().out.starts_with("nothing to do"));
}
