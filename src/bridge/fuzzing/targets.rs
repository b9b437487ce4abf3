//! The targets by their names.

use super::{bodies, frames, headers, lines};
use crate::bridge::link;
use crate::bridge::sessions::eras;

/// What panics where it does not hold for some bytes.
type Check = fn(&[u8]);

/// Every target's name, and what it checks.
pub const TARGETS: [(&str, Check); 6] = [
    ("bodies", bodies::check),
    ("eras", eras::check),
    ("frames", frames::check),
    ("headers", headers::check),
    ("lines", lines::check),
    ("tokens", link::fuzzing::check),
];

/// Runs a target over an input.
///
/// # Panics
///
/// Where what is to be true of every input is not true of this one, and where there is no such target.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = found.unwrap_or_else(|| panic!("there is no target {target:?}"));
    check(data);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use proptest::test_runner::{Config, RngSeed, TestRunner};

    use super::*;

    /// What is worth trying again, by its file's name.
    fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        let read = |path: &Path| (path.display().to_string(), std::fs::read(path).expect("bytes"));
        let files: Vec<_> = files.iter().map(|path| read(path)).collect();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        files
    }

    /// Runs a target over its corpus, over what becomes of it with some bytes changed, and over noise.
    fn holds(target: &str, cases: u32) {
        let known = corpus(target);
        for (file, data) in &known {
            let outcome = std::panic::catch_unwind(|| run(target, data));
            assert!(outcome.is_ok(), "{file}");
        }
        let known: Vec<Vec<u8>> = known.into_iter().map(|(_, data)| data).collect();
        let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..6);
        let nearly = (select(known), changes).prop_map(|(mut data, changes)| {
            for (at, byte) in changes {
                if !data.is_empty() {
                    let at = at.index(data.len());
                    data[at] = byte;
                }
            }
            data
        });
        let inputs = prop_oneof![nearly, prop::collection::vec(any::<u8>(), 0..400)];
        let config =
            Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&inputs, |data| {
            run(target, &data);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        holds("lines", 1000);
    }

    #[test]
    fn large_frames_become_fragments_of_the_same_message() {
        holds("frames", 60);
    }

    #[test]
    fn of_a_body_what_is_accepted_means_the_same_and_what_is_not_is_told_why() {
        holds("bodies", 1000);
    }

    #[test]
    fn headers_and_events_are_read_as_they_were_written() {
        holds("headers", 1000);
    }

    #[test]
    fn a_request_has_one_answer_in_every_pair_of_eras() {
        holds("eras", 1000);
    }

    #[test]
    fn answers_and_progress_reach_the_call_that_they_are_of() {
        holds("tokens", 1000);
    }
}
