//! What should be, as text: every value comes back as it was, and nothing else comes with it.

mod any_text;
mod files;
mod lines;
mod round_trip;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpo_deploy::config::{Input, Override, Stack, resolve};
use mcpo_deploy::env::Env;
use mcpo_deploy::model::ImageRef;
use mcpo_deploy::plan::{Desired, ImageFacts, Images, Machine, Profile, Service, desired};
use mcpo_deploy::render::{Generation, Options, RenderError, Rendered, Templates, compose};

/// A description of a project `demo` in a folder that no test needs to exist.
fn stack(settings: &[(&str, &str)]) -> Stack {
    let env = Env::from_pairs::<&str, &str>([("PASSED", "of this machine")], PathBuf::from("/srv/demo"));
    let overrides = settings.iter().map(|(key, value)| Override {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "--set".to_owned(),
    });
    resolve(&Input { overrides: overrides.collect(), ..Input::new(&env) }).expect("a description").stack
}

fn of(stack: &Stack, profile: Profile) -> Desired {
    let ours = ImageFacts::of_our_server();
    let images = Images { orchestrator: Some(&ours), ..Images::default() };
    let running = if profile == Profile::BuildOnly { Profile::Bridge } else { profile };
    desired(stack, running, &Machine::any(), images).expect("a desired state")
}

/// What a file is rendered with unless a test says otherwise.
struct With {
    templates: Templates,
    folder: &'static str,
    generation: Generation,
    own: BTreeSet<Service>,
    checkout: Option<&'static str>,
    pins: BTreeMap<Service, String>,
    allow_weaker: bool,
}

impl Default for With {
    fn default() -> Self {
        Self {
            templates: Templates::embedded(),
            folder: "/srv/demo/compose",
            generation: Generation::Current,
            own: [Service::Orchestrator, Service::Bridge].into(),
            checkout: None,
            pins: BTreeMap::new(),
            allow_weaker: false,
        }
    }
}

fn rendered(stack: &Stack, profile: Profile, with: &With) -> Result<Rendered, RenderError> {
    let options = Options {
        templates: &with.templates,
        folder: Path::new(with.folder),
        fixed_paths: &stack.fixed_paths,
        generation: with.generation,
        own_images: &with.own,
        checkout: with.checkout.map(Path::new),
        pins: &with.pins,
        allow_weaker: with.allow_weaker,
    };
    compose(&of(stack, profile), profile, &options)
}

fn text(stack: &Stack, profile: Profile, with: &With) -> String {
    rendered(stack, profile, with).expect("a file").text
}

fn image(name: &str) -> ImageRef {
    name.parse().expect("a reference")
}
