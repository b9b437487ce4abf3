//! Which images are built or pulled, and why.

use mcpo_deploy::config::{Source, Stack};
use mcpo_deploy::model::{ImageRef, User, label};
use mcpo_deploy::plan::{
    BridgeBase, BuildFrom, Digest, DigestOf, ImageFacts, ImageInputs, Observed, Op, Plan, Profile,
    bridge_step, image_steps, known_user, stands_in_for_ours,
};

use super::rig::{APP, BRIDGE, ORCHESTRATOR, brought_up, facts, observed, stack, told};

fn digest(of: &str) -> Digest {
    DigestOf::default().part("test", of.as_bytes()).finish()
}

fn inputs(program: &str) -> ImageInputs {
    let app = BuildFrom::Context { context: "/srv/demo/app".into(), dockerfile: "Dockerfile".to_owned() };
    ImageInputs {
        orchestrator: Some((BuildFrom::Program("mcp-orchestrator"), digest(program))),
        bridge: (BuildFrom::Program("mcp-bridge"), digest(program)),
        app: Some((app, digest(program))),
    }
}

fn base() -> BridgeBase {
    BridgeBase {
        id: ORCHESTRATOR.to_owned(),
        command: vec!["/mcp-orchestrator".to_owned()],
        user: "65532:65532".to_owned(),
        image_user: None,
    }
}

fn nothing() -> Observed {
    Observed { images: [].into(), ..observed(&stack(&[])) }
}

/// The engine once an image was built from an input.
fn built(engine: &mut Observed, image: &ImageRef, input: &Digest) {
    let mut facts = facts(ORCHESTRATOR);
    facts.labels.insert(label::INPUT_DIGEST.to_owned(), input.to_string());
    engine.images.insert(image.clone(), facts);
}

fn steps(stack: &Stack, profile: Profile, engine: &Observed) -> Vec<String> {
    told(&Plan { steps: image_steps(stack, profile, &inputs("1"), engine), ..Plan::default() })
}

#[test]
fn an_image_of_ours_is_built_once_and_again_when_what_goes_in_changes() {
    let stack = stack(&[]);
    let mut engine = nothing();
    assert_eq!(
        steps(&stack, Profile::Bridge, &engine),
        ["build image mcp-orchestrator:latest (it does not exist)"]
    );
    built(&mut engine, &stack.orchestrator.image, &digest("1"));
    assert_eq!(steps(&stack, Profile::Bridge, &engine), [""; 0]);
    built(&mut engine, &stack.orchestrator.image, &digest("0"));
    assert_eq!(
        steps(&stack, Profile::Bridge, &engine),
        ["build image mcp-orchestrator:latest (what it is built from has changed)"]
    );
}

#[test]
fn an_image_of_that_name_that_is_not_ours_is_used_as_it_is() {
    let stack = stack(&[]);
    let mut engine = nothing();
    assert!(!stands_in_for_ours(&stack, &engine));
    let mut theirs = facts(APP);
    theirs.labels.clear();
    engine.images.insert(stack.orchestrator.image.clone(), theirs);
    assert!(stands_in_for_ours(&stack, &engine));
    assert_eq!(steps(&stack, Profile::Bridge, &engine), [""; 0]);
    // The bridge goes on top of it.
    assert!(bridge_step(&stack, &inputs("1"), &base(), &engine).is_some());
}

#[test]
fn an_image_of_somebody_elses_is_pulled_where_it_is_missing_and_never_built() {
    let stack = stack(&[("orchestrator.image", "acme/server:1.2")]);
    let without = ImageInputs { orchestrator: None, ..inputs("1") };
    let found = |engine: &Observed| {
        told(&Plan { steps: image_steps(&stack, Profile::Bridge, &without, engine), ..Plan::default() })
    };
    assert_eq!(found(&nothing()), ["pull image acme/server:1.2 (it is not here)"]);
    assert_eq!(found(&observed(&stack)), [""; 0]);
}

#[test]
fn a_context_of_the_users_is_built_even_over_an_image_that_is_not_ours() {
    let mut stack = stack(&[("app.image", "shop/web")]);
    let app = stack.app.as_mut().expect("an app");
    app.source = Source::Context { context: "/srv/demo/app".into(), dockerfile: "Dockerfile".to_owned() };
    let mut engine = nothing();
    built(&mut engine, &stack.orchestrator.image, &digest("1"));
    let image = "build image shop/web:latest";
    assert_eq!(steps(&stack, Profile::FullStack, &engine), [format!("{image} (it does not exist)")]);
    // Not part of the other profiles.
    assert_eq!(steps(&stack, Profile::Bridge, &engine), [""; 0]);
    let mut theirs = facts(APP);
    theirs.labels.clear();
    engine.images.insert("shop/web".parse().expect("a reference"), theirs);
    assert_eq!(
        steps(&stack, Profile::FullStack, &engine),
        [format!("{image} (it was not built by mcpo-deploy)")]
    );
}

#[test]
fn the_bridges_image_follows_its_program_base_command_and_user() {
    let stack = stack(&[]);
    let mut engine = nothing();
    let step = bridge_step(&stack, &inputs("1"), &base(), &engine).expect("a step");
    let Op::Build(build) = &step.op else { panic!("{step:?}") };
    assert_eq!(build.args["command"], "[\"/mcp-orchestrator\"]");
    assert_eq!((build.args["base"].as_str(), build.args["user"].as_str()), (ORCHESTRATOR, "65532:65532"));
    built(&mut engine, &stack.bridge.image, &build.input);
    assert_eq!(bridge_step(&stack, &inputs("1"), &base(), &engine), None);
    for (inputs, base) in [
        (inputs("2"), base()),
        (inputs("1"), BridgeBase { id: APP.to_owned(), ..base() }),
        (inputs("1"), BridgeBase { command: vec!["/other".to_owned()], ..base() }),
        (inputs("1"), BridgeBase { user: "7:7".to_owned(), ..base() }),
        (inputs("1"), BridgeBase { image_user: Some(User { uid: 7, gid: 7 }), ..base() }),
    ] {
        let step = bridge_step(&stack, &inputs, &base, &engine).expect("a step");
        assert_eq!(step.cause, "what it is built from has changed");
    }
}

#[test]
fn the_number_of_a_user_is_known_from_the_bridges_image_as_long_as_it_has_that_base() {
    let stack = stack(&[]);
    let mut engine = nothing();
    let app = User { uid: 1001, gid: 1002 };
    let base = BridgeBase { image_user: Some(app), ..base() };
    let step = bridge_step(&stack, &inputs("1"), &base, &engine).expect("a step");
    let Op::Build(build) = step.op else { panic!("{step:?}") };
    let named = |id| ImageFacts { user: "app".to_owned(), ..facts(id) };
    assert!(named(ORCHESTRATOR).names_user() && !facts(ORCHESTRATOR).names_user());
    assert_eq!(known_user(&stack, &named(ORCHESTRATOR), &engine), None);
    engine.images.insert(stack.bridge.image.clone(), ImageFacts { labels: build.labels, ..facts(BRIDGE) });
    assert_eq!(known_user(&stack, &named(ORCHESTRATOR), &engine), Some(app));
    assert_eq!(known_user(&stack, &named(APP), &engine), None);
}

#[test]
fn the_number_of_an_applications_user_is_known_from_what_runs_of_its_image() {
    let stack = stack(&[("app.image", "shop/web"), ("hardening.user", "1001:1002")]);
    let engine = brought_up(&stack, Profile::FullStack);
    let named = ImageFacts { user: "app".to_owned(), ..facts(APP) };
    assert_eq!(known_user(&stack, &named, &engine), Some(User { uid: 1001, gid: 1002 }));
}

#[test]
fn the_parts_of_a_digest_cannot_run_into_each_other() {
    let of = |parts: &[(&str, &str)]| {
        let add = |digest: DigestOf, (name, bytes): &(&str, &str)| digest.part(name, bytes.as_bytes());
        parts.iter().fold(DigestOf::default(), add).finish()
    };
    assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
    assert_ne!(of(&[("a", "b"), ("", "")]), of(&[("a", "b")]));
    assert_ne!(of(&[("a", "b"), ("c", "d")]), of(&[("c", "d"), ("a", "b")]));
}
