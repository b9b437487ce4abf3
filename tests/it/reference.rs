//! `docs/reference` is what the code says of itself.

use std::collections::BTreeMap;
use std::path::Path;

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).expect("a text");
        (entry.file_name().into_string().expect("a name"), text)
    };
    entries.map(read).collect()
}

#[test]
fn the_committed_reference_is_the_generated_one() {
    let folder = tempfile::tempdir().expect("a folder");
    mcpo_deploy::cli::write_reference(folder.path()).expect("the reference");
    let generated = texts(folder.path());
    let committed = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference"));
    let stale: Vec<&String> = generated
        .keys()
        .chain(committed.keys())
        .filter(|name| generated.get(*name) != committed.get(*name))
        .collect();
    assert!(stale.is_empty(), "{stale:?} are stale; write them anew: cargo run -- reference docs/reference");
}
