//! libFuzzer over the target that `FUZZ_TARGET` names.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcpo_deploy::bridge::fuzzing;

static TARGET: LazyLock<String> = LazyLock::new(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET"));

fuzz_target!(|data: &[u8]| fuzzing::run(&TARGET, data));
