//! Templates of the user's: what they leave out is noticed, and their faults are told with the place.

use mcpo_deploy::diagnostic::Diagnostic;
use mcpo_deploy::plan::Profile;
use mcpo_deploy::render::{RenderError, Templates};

use super::{With, rendered, stack, text};

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
        ("      - {{ port }}\n", "      - \"0.0.0.0:1:1\"\n", "ports.0"),
        ("        source: {{ mount.source }}\n", "        source: /\n", "volumes.0.source"),
        ("      - {{ service.network }}\n", "      - {{ service.network }}\n      - default\n", "networks"),
        ("    init:", "    privileged: true\n    init:", "privileged"),
        ("    init:", "    use_api_socket: true\n    init:", "use_api_socket"),
        ("    init:", "    extends: {file: other.yml, service: x}\n    init:", "extends"),
        ("    init:", "    entrypoint: [/bin/sh]\n    init:", "entrypoint"),
        ("    init:", "    command: [evil]\n    init:", "command"),
        ("    init:", "    post_start: [{command: evil, privileged: true}]\n    init:", "post_start"),
        ("    init:", "    healthcheck: {disable: true}\n    init:", "healthcheck"),
        ("    init:", "    deploy: {replicas: 50}\n    init:", "deploy"),
        ("    init:", "    ulimits: {nofile: 1}\n    init:", "ulimits"),
        ("    init:", "    <<: {gpus: all}\n    init:", "gpus"),
        ("    image: {{ service.image }}\n", "    image: other\n", "image"),
        ("    restart: {{ service.restart }}\n", "    restart: always\n", "restart"),
        ("      driver: json-file\n", "      driver: syslog\n", "logging.driver"),
        ("    logging:\n", "    logging: !reset\n", "logging"),
        ("        format: raw\n", "", "env_file.0.format"),
        ("      - path: {{ service.env_file.path }}\n", "      - path: /etc/passwd\n", "env_file.0.path"),
        ("    environment:\n", "    environment:\n      - LD_PRELOAD=/x\n", "environment.LD_PRELOAD"),
        (
            "        source: {{ mount.source }}\n",
            "        source: {{ mount.source }}\n        bind: {propagation: shared}\n",
            "volumes.0.bind",
        ),
        (
            "    labels:\n",
            "    labels:\n      - com.docker.compose.project=other\n",
            "labels.com.docker.compose.project",
        ),
        ("    init:", "    pid: host\n    init:", "pid"),
        ("    init:", "    devices: [/dev/kmsg]\n    init:", "devices"),
        ("        max-file: {{ service.log_files }}\n", "", "logging.options.max-file"),
        ("      - {{ option }}\n", "      - apparmor:unconfined\n", "security_opt.0"),
        ("      - {{ folder }}\n", "      - /tmp\n", "tmpfs.0"),
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
        ("    labels:\n", "    labels:\n      - traefik.enable=true\n"),
        ("    user: {{ service.user }}\n", "    # mine\n    user: '65532:65532'\n"),
    ] {
        rendered(&stack(&[]), Profile::Bridge, &changed(from, to)).expect(to);
    }
}

#[test]
fn nothing_comes_into_a_file_beside_the_services_unnoticed() {
    let ours = text(&stack(&[]), Profile::Bridge, &With::default());
    for (from, to, place) in [
        ("\nservices:\n", "\nservices:\n  x-evil: {image: x, privileged: true}\n", "services.x-evil"),
        ("\nservices:\n", "\ninclude: [other.yml]\nservices:\n", "include"),
        ("\nservices:\n", "\nconfigs: {x: {file: /etc/shadow}}\nservices:\n", "configs"),
        ("\n  mcp:\n", "\n  mcp:\n    name: host\n", "networks.mcp.name"),
        ("\n  mcp-logs:\n", "\n  mcp-logs:\n    driver_opts: {device: /}\n", "volumes.mcp-logs.driver_opts"),
        ("\nname: demo\n", "\nname: other\n", "name"),
    ] {
        let made = ours.replacen(from, to, 1);
        assert_ne!(made, ours, "{from}");
        let others = [("bridge.yml".to_owned(), format!("{{% raw %}}{made}{{% endraw %}}"))];
        let with = With { templates: Templates::embedded().with(others), ..With::default() };
        let refused = rendered(&stack(&[]), Profile::Bridge, &with).expect_err(to).to_string();
        assert!(refused.contains(&format!("the file: {place} is ")), "{refused}");
    }
}

#[test]
fn a_service_that_a_template_leaves_out_is_missed() {
    let others = [("bridge.yml".to_owned(), "services: {other: {image: x}}\n".to_owned())];
    let with = With { templates: Templates::embedded().with(others), ..With::default() };
    let refused = rendered(&stack(&[]), Profile::Bridge, &with).expect_err("a service is missing");
    assert!(refused.to_string().contains("the file: services.mcp-bridge is not set"), "{refused}");
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
