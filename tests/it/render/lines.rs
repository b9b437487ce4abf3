//! `docker run` lines.

use std::process::Command;

use mcpo_deploy::plan::{Container, Desired, Profile, RunLine, run_line};

use proptest::prelude::*;

use super::{of, stack};

fn line(container: fn(&Desired) -> &Container, settings: &[(&str, &str)]) -> RunLine {
    let stack = stack(settings);
    let desired = of(&stack, Profile::Bridge);
    run_line(container(&desired), &desired, &stack.folder)
}

fn stdio(desired: &Desired) -> &Container {
    &desired.stdio
}

fn bridge(desired: &Desired) -> &Container {
    &desired.containers[0]
}

#[test]
fn the_guide_s_command_with_everything_that_it_recommends() {
    insta::assert_snapshot!("line_orchestrator", line(stdio, &[]).shell());
    insta::assert_snapshot!("line_bridge", line(bridge, &[]).shell());
    insta::assert_snapshot!("line_explained", line(stdio, &[("logs.folder", "./logs")]).explained());
}

#[test]
fn an_argument_vector_is_the_line_without_the_shell() {
    let line = line(stdio, &[("orchestrator.command", "[sh, -c, 'echo $HOME']")]);
    let argv = line.argv();
    assert_eq!((&*argv[0], &*argv[1]), ("docker", "run"));
    assert_eq!(argv[argv.len() - 4..], ["mcp-orchestrator:latest", "sh", "-c", "echo $HOME"]);
    assert!(line.shell().ends_with(" \\\n  sh -c 'echo $HOME'\n"), "{}", line.shell());
}

/// What a shell takes the words of the last command for, `docker` being a program that prints them.
fn through_a_shell(line: &RunLine) -> Vec<String> {
    let script = format!(
        "docker() {{ printf '%s\\0' \"$@\"; }}\n{}",
        RunLine { before: Vec::new(), ..line.clone() }.shell()
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(output.status.success(), "{script}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_terminator('\0').map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_word_survives_the_shell(word in "[^\0]{1,40}", value in "[^\0]{0,40}") {
        let mut stack = stack(&[]);
        stack.orchestrator.command = vec![word];
        stack.orchestrator.environment.insert("ANY".to_owned(), value.into());
        let desired = of(&stack, Profile::Bridge);
        let line = run_line(&desired.stdio, &desired, &stack.folder);
        prop_assert_eq!(&through_a_shell(&line)[..], &line.argv()[1..]);
    }
}

#[test]
fn a_pinned_line_names_its_image_by_the_pin_and_leaves_a_command_of_that_name_alone() {
    let stack = stack(&[("orchestrator.command", "[\"mcp-orchestrator:latest\"]")]);
    let desired = of(&stack, Profile::Bridge);
    let mut line = run_line(&desired.stdio, &desired, &stack.folder);
    line.pin(&desired.stdio, "sha256:0");
    let argv = line.argv();
    assert_eq!(argv[argv.len() - 2..], ["sha256:0", "mcp-orchestrator:latest"]);
}
