//! Any text arrives: in variables, commands and env files, through every Compose and `docker run`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::docker::container;
use super::super::rig::Rig;
use super::generations::Compose;

/// Texts that some file format, shell or template takes for something else.
pub(super) fn nasty() -> BTreeMap<String, String> {
    let texts = [
        "two\nlines\nprivileged: true\n",
        "it's \"quoted\" and `ticked`",
        "$HOME ${HOME} $$HOME ${X:?no} $(id) $",
        "a # no comment",
        " spaces at both ends ",
        "\ttab\tand\rreturn",
        "back\\slash \\n \\\" \\$",
        "key: value, [a], {b: c}, &d *e !!binary f",
        "{{ service.image }} {% raw %} {# x #}",
        "- item",
        "|",
        "yes",
        "0o17",
        "1e3",
        "~",
        "",
        "=a=b=",
        "\u{1}\u{1b}[31m\u{7f}",
        "\u{feff}\u{85}\u{2028}\u{202e}gnp",
        "çédille 漢字 🦀 \u{10ffff}",
    ];
    let long = "0123456789 $#\"'".repeat(700);
    let texts = texts.into_iter().map(str::to_owned).chain([long]);
    texts.enumerate().map(|(index, text)| (format!("NASTY_{index}"), text)).collect()
}

/// Those that a command may hold: on one line, and no longer than a screen.
pub(super) fn nasty_words() -> Vec<String> {
    let word = |text: &String| !text.is_empty() && text.len() < 4096 && !text.contains(char::is_control);
    nasty().into_values().filter(|text| word(text)).collect()
}

/// An application that only waits, with these variables and words.
fn waiting(name: &str) -> Rig {
    let mut rig = Rig::new(name);
    let image =
        rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 77\n");
    let words: Vec<String> = ["idle".to_owned()].into_iter().chain(nasty_words()).collect();
    let mut environment = json!(nasty());
    environment["API_TOKEN"] = "asked for".into();
    environment["PASSED"] = Value::Null;
    let app = json!({"image": image, "command": words, "environment": environment});
    rig.write("mcpo.yaml", &json!({"app": app}).to_string());
    rig.set("API_TOKEN", "t0ken $HOME \"x\" #y");
    rig.set("PASSED", "passed $HOME \"x\" #y\nand on");
    rig
}

#[track_caller]
fn assert_arrived(inspected: &Value, how: &str) {
    let found = inspected["Config"]["Env"].as_array().expect("variables");
    let mut wanted = nasty();
    wanted.insert("API_TOKEN".to_owned(), "t0ken $HOME \"x\" #y".to_owned());
    wanted.insert("PASSED".to_owned(), "passed $HOME \"x\" #y\nand on".to_owned());
    for (key, text) in wanted {
        let start = format!("{key}=");
        let values: Vec<&str> = found.iter().filter_map(|one| one.as_str()?.strip_prefix(&start)).collect();
        assert_eq!(values, [text], "{how}: {key}");
    }
    let words: Vec<&str> =
        inspected["Config"]["Cmd"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    assert_eq!(words[1..], nasty_words(), "{how}");
}

#[test]
fn every_text_arrives_in_a_container_of_compose_s() {
    let rig = waiting("rendered-values");
    for compose in Compose::ALL {
        let file = compose.render(&rig, "full-stack", &rig.folder().join("compose"));
        if compose == Compose::V1_29 {
            rig.write(".env", "");
        }
        compose.run(&rig, &file, &["up", "--no-start"]).ok();
        assert_arrived(&compose.container(&rig, "app"), &format!("{compose:?}"));
        compose.run(&rig, &file, &["down"]).ok();
    }
}

#[test]
fn a_value_that_may_be_a_secret_is_asked_for_and_never_written() {
    let mut rig = waiting("rendered-asked");
    for compose in Compose::ALL {
        rig.set("API_TOKEN", "t0ken");
        let file = compose.render(&rig, "full-stack", &rig.folder().join("compose"));
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(!text.contains("asked for") && !text.contains("passed $"), "{text}");
        rig.set("API_TOKEN", "");
        rig.write(".env", "");
        let refused = compose.run(&rig, &file, &["config", "-q"]);
        assert!(refused.code != Some(0) && refused.all().contains("API_TOKEN"), "{refused:?}");
    }
}

#[test]
fn every_text_of_an_env_file_arrives() {
    let rig = Rig::new("rendered-env-file");
    // One line each, as `docker run` reads them.
    let one_line = |text: &&String| !text.contains(['\n', '\r', '\u{1}', '\u{feff}']);
    let texts: Vec<String> = nasty().into_values().filter(|text| one_line(&text)).collect();
    let lines: Vec<String> =
        texts.iter().enumerate().map(|(index, text)| format!("N{index}={text}")).collect();
    rig.write(".env", &format!("{}\n", lines.join("\n")));
    let file = Compose::V5.render(&rig, "bridge", &rig.folder().join("compose"));
    let up = Compose::V5.run(&rig, &file, &["up", "--no-start"]).ok();
    assert!(!up.err.contains("level="), "{}", up.err);
    let bridge = container(&rig.bridge());
    let found = bridge["Config"]["Env"].as_array().expect("variables");
    for line in lines {
        assert!(found.contains(&json!(line)), "{line}: {found:?}");
    }
    // An older one does not read them otherwise: it refuses them.
    let refused = Compose::V2.run(&rig, &file, &["up", "--no-start"]);
    assert!(refused.code != Some(0) && refused.err.contains("raw"), "{refused:?}");
}
