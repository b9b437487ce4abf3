//! How long a Compose file of many services takes to be rendered and read back:
//! `cargo bench --bench render`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpo_deploy::config::{Input, resolve};
use mcpo_deploy::env::Env;
use mcpo_deploy::plan::{ImageFacts, Images, Machine, Profile, desired};
use mcpo_deploy::render::{Generation, Options, Templates, compose_times};

const RUNS: usize = 9;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let env = Env::from_pairs::<&str, &str>([], PathBuf::from("/srv/demo"));
    let stack = resolve(&Input::new(&env))?.stack;
    let ours = ImageFacts::of_our_server();
    let images = Images { orchestrator: Some(&ours), ..Images::default() };
    let desired = desired(&stack, Profile::Bridge, &Machine::any(), images)?;
    let options = Options {
        templates: &Templates::embedded(),
        folder: Path::new("/srv/demo/compose"),
        fixed_paths: &stack.fixed_paths,
        generation: Generation::Current,
        own_images: &BTreeSet::new(),
        checkout: None,
        pins: &BTreeMap::new(),
        allow_weaker: false,
    };
    for services in [1, 125, 250, 500, 1000, 2000] {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let begun = Instant::now();
            compose_times(&desired, Profile::Bridge, &options, services)?;
            times.push(begun.elapsed());
        }
        times.sort();
        let median: Duration = times[RUNS / 2];
        writeln!(
            std::io::stdout(),
            "{services:5} services: median {median:9.1?} (min {:.1?}, max {:.1?})",
            times[0],
            times[RUNS - 1]
        )?;
    }
    Ok(())
}
