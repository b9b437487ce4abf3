//! Templates of the user's: what they leave out is noticed, and their faults are told with the place.

use mcpo_deploy::diagnostic::Diagnostic;
use mcpo_deploy::plan::Profile;
use mcpo_deploy::render::{RenderError, Templates};

use super::{With, rendered, stack};

/// Ours with a change in the part that every service has.
fn changed(from: &str, to: &str) -> With {
    let (name, service) =
        Templates::EMBEDDED.iter().find(|(name, _)| *name == "service.yml").expect("a template");
    assert!(service.contains(from), "{from}");
    let others = [((*name).to_owned(), service.replace(from, to))];
    With { templates: Templates::embedded().with(others), ..With::default() }
}

#[test]
fn a_template_that_drops_or_weakens_a_protection_is_refused_unless_that_is_accepted() {
    for (from, to, key) in [
        ("    read_only: {{ service.read_only }}\n", "", "read_only"),
        ("    read_only: {{ service.read_only }}\n", "    read_only: false\n", "read_only"),
        ("    user: {{ service.user }}\n", "    user: root\n", "user"),
        ("    cap_drop:\n      - ALL", "    cap_drop: []", "cap_drop"),
        ("    init:", "    cap_add: [SYS_ADMIN]\n    init:", "cap_add"),
        ("    mem_limit: {{ service.mem_limit }}\n", "", "mem_limit"),
        ("    pids_limit: {{ service.pids_limit }}\n", "", "pids_limit"),
        ("    memswap_limit: {{ service.memswap_limit }}\n", "    memswap_limit: -1\n", "memswap_limit"),
        ("    cpus: {{ service.cpus }}\n", "", "cpus"),
        ("      - {{ port }}\n", "      - \"0.0.0.0:1:1\"\n", "ports"),
        ("        source: {{ mount.source }}\n", "        source: /\n", "volumes"),
        ("      - {{ service.network }}\n", "      - {{ service.network }}\n      - default\n", "networks"),
        ("    init:", "    privileged: true\n    init:", "privileged"),
        ("    init:", "    pid: host\n    init:", "pid"),
        ("    init:", "    devices: [/dev/kmsg]\n    init:", "devices"),
        ("        max-file: {{ service.log_files }}\n", "", "logging"),
        ("      - {{ option }}\n", "      - apparmor:unconfined\n", "security_opt"),
        ("      - {{ folder }}\n", "      - /tmp\n", "tmpfs"),
    ] {
        let with = changed(from, to);
        let refused = rendered(&stack(&[]), Profile::Bridge, &with).expect_err(to);
        let RenderError::Weaker(found) = &refused else { panic!("{key}: {refused}") };
        assert!(
            found.iter().any(|line| line.starts_with(&format!("mcp-bridge: {key} is "))),
            "{key}: {found:?}"
        );
        let accepted =
            rendered(&stack(&[]), Profile::Bridge, &With { allow_weaker: true, ..with }).expect("a file");
        assert!(accepted.weaker.iter().any(|weaker| weaker.key == key), "{key}");
    }
}

#[test]
fn a_template_that_says_it_otherwise_or_says_more_is_taken() {
    for (from, to) in [
        ("    cap_drop:\n      - ALL", "    cap_drop: [\"ALL\"]"),
        ("    init:", "    x-note: mine\n    init:"),
        ("    user: {{ service.user }}\n", "    # mine\n    user: '65532:65532'\n"),
    ] {
        rendered(&stack(&[]), Profile::Bridge, &changed(from, to)).expect(to);
    }
}

#[test]
fn a_service_that_a_template_leaves_out_is_missed() {
    let others = [("bridge.yml".to_owned(), "services: {other: {image: x}}\n".to_owned())];
    let with = With { templates: Templates::embedded().with(others), ..With::default() };
    let refused = rendered(&stack(&[]), Profile::Bridge, &with).expect_err("a service is missing");
    assert!(refused.to_string().contains("mcp-bridge: services is not there"), "{refused}");
}

#[test]
fn a_fault_in_a_template_is_told_with_its_name_its_line_and_what_was_undefined() {
    for (name, from, to) in [
        ("undefined", "{{ service.user }}", "{{ service.usr }}"),
        ("unclosed", "{{ service.user }}", "{{ service.user"),
        ("not_yaml", "    init:", "  init:"),
    ] {
        let error = rendered(&stack(&[]), Profile::Bridge, &changed(from, to)).expect_err(name);
        insta::assert_snapshot!(
            format!("fault_{name}"),
            format!("{error}\n\nhint: {}", error.hint().expect("a hint"))
        );
    }
}
