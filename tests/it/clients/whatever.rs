//! Any file at all: what is not ours stays byte for byte.

use mcpo_deploy::clients::{EditError, read};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use proptest::{collection, option};

use super::{NAME, put, remove, row, short, stdio};

/// A document around the place of our entry, which stands between the two parts if it is there.
#[derive(Debug, Clone)]
struct Document {
    before: String,
    ours: String,
    after: String,
    /// Without our entry, where that is more than leaving it out.
    without: Option<String>,
}

impl Document {
    fn with(&self) -> String {
        format!("{}{}{}", self.before, self.ours, self.after)
    }

    fn without(&self) -> String {
        self.without.clone().unwrap_or_else(|| format!("{}{}", self.before, self.after))
    }
}

fn eol() -> impl Strategy<Value = &'static str> {
    select(vec!["\n", "\r\n"])
}

/// Text as it is between quotes in all three languages.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        select(vec![
            "ü😀",
            "a, b",
            "{x}",
            "[",
            "// no",
            "# no",
            "/* no",
            "a: b",
            "\\\"q\\\"",
            "日本",
            "\\\\",
            "- x"
        ])
        .prop_map(str::to_owned),
    ]
}

fn comment(open: &'static str) -> impl Strategy<Value = String> {
    "[a-z,{}\\[\\]: \"']{0,12}".prop_map(move |text| format!("{open} {text}"))
}

/// JSON: servers by lines, comments between and behind them, with or without a last comma.
fn json() -> impl Strategy<Value = Document> {
    let value = prop_oneof![
        words().prop_map(|word| format!("{{ \"command\": \"{word}\", \"args\": [\"{word}\", 1.50] }}")),
        words().prop_map(|word| format!("{{\"env\":{{\"K\":\"{word}\"}} , \"n\": null}}")),
        Just("{\n\n \"a\" :1e3,\n    \"b\":[ ]\n}".to_owned()),
    ];
    let above = option::of(prop_oneof![comment("//"), Just("/* a\n , } */".to_owned()), Just(String::new())]);
    let behind = option::of(prop_oneof![comment("//"), Just("/* , */".to_owned())]);
    let servers = collection::vec((value, above, behind), 1..5);
    let indents = select(vec!["  ", "    ", "\t", " "]);
    let rest = (any::<bool>(), any::<bool>(), any::<bool>(), option::of(comment("//")), 0..5usize);
    (servers, indents, eol(), rest).prop_map(|(servers, indent, eol, (trailing, lead, last, tail, at))| {
        let at = at.min(servers.len());
        let lines = |with: bool| {
            let mut lines: Vec<(String, String, String)> = Vec::new();
            for (index, (value, above, behind)) in servers.iter().enumerate() {
                let above = above.as_ref().map_or(String::new(), |above| format!("{indent}{indent}{above}\n"));
                let behind = behind.as_ref().map_or(String::new(), |behind| format!(" {behind}"));
                lines.push((above, format!("{indent}{indent}\"s{index}\": {value}"), behind));
            }
            if with {
                let ours = format!("{indent}{indent}\"{NAME}\": {{\"command\": \"mcpo-deploy\", \"args\": [\"run\", \"-p\"]}}");
                lines.insert(at, (String::new(), ours, String::new()));
            }
            let count = lines.len();
            let comma = |index: usize| if index + 1 < count || trailing { "," } else { "" };
            let lines = lines.into_iter().enumerate();
            lines.map(|(index, (above, line, behind))| format!("{above}{line}{}{behind}\n", comma(index))).collect::<Vec<_>>()
        };
        let head = format!(
            "{}{{\n{}{indent}\"mcpServers\": {{\n",
            if lead { "// first\n" } else { "" },
            if last { String::new() } else { format!("{indent}\"x\": [1, 2,3],\n") }
        );
        let tail = tail.map_or(String::new(), |tail| format!("{indent}{indent}{tail}\n"));
        let foot = format!("{tail}{indent}}}{}\n}}{}", if last { ",\n\"y\": true" } else { "" }, if lead { "\n" } else { "" });
        let (with, without) = (lines(true), lines(false));
        let crlf = |text: String| text.replace('\n', eol);
        Document {
            before: crlf(format!("{head}{}", with[..at].concat())),
            ours: crlf(with[at].clone()),
            after: crlf(format!("{}{foot}", with[at + 1..].concat())),
            without: Some(crlf(format!("{head}{}{foot}", without.concat()))),
        }
    })
}

/// YAML: a map of servers, or a list of them, by lines.
fn yaml(listed: bool) -> impl Strategy<Value = Document> {
    let value = prop_oneof![
        words().prop_map(|word| format!("cmd: \"{word}\"   # c")),
        words().prop_map(|word| format!("args: [ \"{word}\",'x' , {{a: 1}} ]")),
        Just("text: |\n          one: two\n          # no comment".to_owned()),
        Just("text: >-\n          folded\n\n          more".to_owned()),
        Just("nothing:".to_owned()),
        Just("args:\n        - a\n        - \"b\" # c".to_owned()),
    ];
    let above = option::of(prop_oneof![comment("#"), Just(String::new())]);
    let servers = collection::vec((value, above), 1..5);
    let rest = (0..4usize, any::<bool>(), any::<bool>(), 0..5usize);
    (servers, eol(), rest).prop_map(move |(servers, eol, (indent, last, end, at))| {
        let at = at.min(servers.len());
        let pad = " ".repeat(if listed { indent } else { indent + 1 });
        let mut lines: Vec<String> = servers
            .iter()
            .enumerate()
            .map(|(index, (value, above))| {
                let above = above.as_ref().map_or(String::new(), |above| format!("{pad}{above}\n"));
                if listed {
                    format!("{above}{pad}- name: s{index}\n{pad}  {value}\n")
                } else {
                    format!("{above}{pad}s{index}:\n{pad}  {value}\n")
                }
            })
            .collect();
        let ours = if listed {
            format!("{pad}- name: {NAME}\n{pad}  command: mcpo-deploy\n{pad}  args: [run, -p]\n")
        } else {
            format!("{pad}{NAME}:\n{pad}  name: {NAME}\n{pad}  type: stdio\n{pad}  cmd: mcpo-deploy\n{pad}  args: [run, -p]\n")
        };
        lines.insert(at, ours);
        let head = format!("# first\na: {{ b: c }}\n{}: # s\n", if listed { "mcpServers" } else { "extensions" });
        let foot = if last { format!("# last\nz: 'it''s'{}", if end { "\n" } else { "" }) } else { String::new() };
        let crlf = |text: String| text.replace('\n', eol);
        Document {
            before: crlf(format!("{head}{}", lines[..at].concat())),
            ours: crlf(lines[at].clone()),
            after: crlf(format!("{}{foot}", lines[at + 1..].concat())),
            without: None,
        }
    })
}

/// TOML: sections with comments, blank lines, and every kind of value.
fn toml() -> impl Strategy<Value = Document> {
    let value = prop_oneof![
        words().prop_map(|word| format!("command = \"{word}\" # c")),
        Just("args = [ 'a',\n  # no\n  \"b\", ] ".to_owned()),
        Just("x = \"\"\"\n[mcp_servers.no]\n\"\"\"".to_owned()),
        Just("env = { A = 'b' , \"C d\" = 1_000 }".to_owned()),
        Just("  when = 1979-05-27T07:32:00Z\n\n\tn.m = 0xff".to_owned()),
    ];
    let name = select(vec!["mcp_servers.", "profiles.", "mcp_servers . ", "x.mcp_servers."]);
    let above = option::of(prop_oneof![comment("#"), Just(String::new())]);
    let sections = collection::vec((name, value, above), 0..5);
    (sections, eol(), any::<bool>(), 0..5usize).prop_map(|(sections, eol, end, at)| {
        let at = at.min(sections.len());
        let lines: Vec<String> = sections
            .iter()
            .enumerate()
            .map(|(index, (name, value, above))| {
                let above = above.as_ref().map_or(String::new(), |above| format!("{above}\n"));
                format!("{above}[{name}s{index}]\n{value}\n")
            })
            .collect();
        let crlf = |text: String| text.replace('\n', eol);
        let foot = if end { "# last\n" } else { "" };
        Document {
            before: crlf(format!("model = 'x' # first\n{}", lines[..at].concat())),
            ours: crlf(format!("\n[mcp_servers.{NAME}]\ncommand = 'mcpo-deploy'\nargs = ['run', '-p']\n")),
            after: crlf(format!("{}{foot}", lines[at..].concat())),
            without: None,
        }
    })
}

/// Whether one text is the other with something put in.
fn is_within(old: &str, new: &str) -> bool {
    let mut new = new.bytes();
    old.bytes().all(|byte| new.any(|other| other == byte))
}

fn check(id: &str, document: &Document) {
    let (with, without) = (document.with(), document.without());
    let added = put(&without, id, stdio()).unwrap_or_else(|error| panic!("{error}\n{without}"));
    assert!(is_within(&without, &added), "put into\n{without}\ngave\n{added}");
    assert_eq!(read(added.as_bytes(), row(id), NAME), Ok(Some(stdio())));
    assert_eq!(remove(&added, id).as_ref(), Ok(&without), "by way of\n{added}");
    let updated = put(&with, id, short(&[("A", "b")])).unwrap_or_else(|error| panic!("{error}\n{with}"));
    assert!(updated.starts_with(&document.before), "update of\n{with}\ngave\n{updated}");
    assert!(updated.ends_with(&document.after), "update of\n{with}\ngave\n{updated}");
    assert_eq!(read(updated.as_bytes(), row(id), NAME), Ok(Some(short(&[("A", "b")]))));
    assert_eq!(put(&updated, id, short(&[("A", "b")])).as_ref(), Ok(&updated));
    assert_eq!(remove(&with, id).as_ref(), Ok(&without), "removed from\n{with}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_anybodys_json_changes(document in json()) {
        check("cursor", &document);
    }

    #[test]
    fn nothing_of_anybodys_yaml_changes(document in yaml(false)) {
        check("goose", &document);
    }

    #[test]
    fn nothing_of_anybodys_list_changes(document in yaml(true)) {
        check("continue", &document);
    }

    #[test]
    fn nothing_of_anybodys_toml_changes(document in toml()) {
        check("codex", &document);
    }

    /// Whatever is no file of the client's is an error or stays as it is; nothing panics.
    #[test]
    fn no_text_makes_an_edit_panic(text in "[\\[\\]{}:,\"'#/*a\\-|>&!\\\\=. \t\r\n😀]{0,40}") {
        for id in ["cursor", "vscode", "goose", "continue", "codex", "opencode", "continue-json"] {
            match put(&text, id, stdio()) {
                Ok(new) => {
                    assert_eq!(read(new.as_bytes(), row(id), NAME), Ok(Some(stdio())), "{id}: {text:?}");
                    let back = remove(&new, id).unwrap_or_else(|error| panic!("{id} {text:?}: {error}"));
                    assert_eq!(read(back.as_bytes(), row(id), NAME), Ok(None));
                }
                Err(error) => assert!(!matches!(error, EditError::Bug { .. }), "{id} {text:?}: {error}"),
            }
        }
    }
}
