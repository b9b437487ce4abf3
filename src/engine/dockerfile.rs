//! The Dockerfiles of one stage that our programs go into images with, from `templates/image/`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tera::{Context, Tera};

use super::context::{MadeFile, made_tar};
use crate::model::User;

pub(super) const ORCHESTRATOR: &str = "mcp-orchestrator";
pub(super) const BRIDGE: &str = "mcp-bridge";

/// Where our orchestrator writes its logs unless it is told otherwise.
const LOG_DIR: &str = "/app/logs";
const ROOT: User = User { uid: 0, gid: 0 };

/// The template for a program of ours.
pub(super) fn template_of(program: &str) -> &'static str {
    if program == BRIDGE {
        include_str!("../../templates/image/bridge.Dockerfile")
    } else {
        include_str!("../../templates/image/orchestrator.Dockerfile")
    }
}

/// The context of an image from a program: the Dockerfile with `args` and `labels` filled in, and an
/// archive of what is added to the base, which is the program and an empty folder for logs. Builders
/// unpack it with the owners that it names, in one instruction; a `COPY` each would cost two.
/// Labels that the builder is asked for beside the Dockerfile would cost an instruction each.
pub(super) fn program_context(
    program: &str,
    bytes: &[u8],
    args: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> io::Result<Vec<u8>> {
    let dockerfile = render(template_of(program), args, labels).map_err(io::Error::other)?;
    let writer = args.get("user").map_or(Ok(User::NONROOT), |user| user.parse()).map_err(io::Error::other)?;
    let log_dir = args.get("log_dir").map_or(LOG_DIR, String::as_str);
    let logs = format!("{}/", log_dir.trim_matches('/'));
    let added = made_tar(&[
        MadeFile { path: &logs, mode: 0o755, owner: writer, bytes: b"" },
        MadeFile { path: program, mode: 0o755, owner: ROOT, bytes },
    ])?;
    made_tar(&[
        MadeFile { path: "Dockerfile", mode: 0o644, owner: ROOT, bytes: dockerfile.as_bytes() },
        MadeFile { path: "added.tar", mode: 0o644, owner: ROOT, bytes: &added },
    ])
}

fn render(
    template: &'static str,
    args: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> tera::TeraResult<String> {
    const NAME: &str = "Dockerfile";
    let mut tera = Tera::new();
    // Every value is quoted by construction: there is no filter to forget.
    tera.autoescape_on([NAME]);
    tera.set_escape_fn(quote);
    tera.add_raw_template(NAME, template)?;
    let mut context = Context::from_serialize(args)?;
    // A list: tera's maps have no order, and the same input must give the same bytes.
    context.insert("labels", &labels.iter().collect::<Vec<_>>());
    tera.render(NAME, &context)
}

/// A value between the double quotes of a Dockerfile or of its JSON, with nothing left to expand.
/// None of the values can hold a line feed: a path is checked, a command is JSON.
fn quote(value: &str, to: &mut dyn Write) -> io::Result<()> {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '$']) {
        let (before, from) = rest.split_at(at);
        let (special, after) = from.split_at(1);
        write!(to, "{before}\\{special}")?;
        rest = after;
    }
    to.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_into_a_dockerfile_stays_one_value() {
        let args = [
            ("base", "sha256:0"),
            ("user", "65532:65532"),
            ("log_dir", "/app/my logs/$x"),
            ("command", r#"["sh","-c","echo \"$X\" {{ base }}"]"#),
        ];
        let args = args.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let labels = [("a".to_owned(), "1 \"2\"".to_owned()), ("b".to_owned(), String::new())].into();
        let text = render(template_of(BRIDGE), &args, &labels).expect("a Dockerfile");
        let command =
            r#"ENV MCP_BRIDGE_COMMAND="[\"sh\",\"-c\",\"echo \\\"\$X\\\" {{ base }}\"]" MCP_BRIDGE_LISTEN"#;
        for line in [command, "FROM sha256:0\n", "USER 65532:65532\n", r#"LABEL "a"="1 \"2\"" "b"="""#] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn what_is_added_to_the_base_names_its_owners() {
        let args =
            [("base", "b"), ("user", "1000:1001"), ("log_dir", "/var/log/my server"), ("command", "[]")];
        let args = args.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let context = program_context(BRIDGE, b"program", &args, &BTreeMap::new()).expect("a context");
        let inner =
            |(path, _, bytes): &(String, [u64; 3], Vec<u8>)| (path == "added.tar").then(|| bytes.clone());
        let added = unpacked(&context).iter().find_map(inner).expect("the archive within");
        let shown: Vec<_> = unpacked(&added).into_iter().map(|(path, meta, _)| (path, meta)).collect();
        let expected = [("var/log/my server/", [1000, 1001, 0o755]), ("mcp-bridge", [0, 0, 0o755])];
        assert_eq!(shown, expected.map(|(path, meta)| (path.to_owned(), meta)));
        assert_eq!(context, program_context(BRIDGE, b"program", &args, &BTreeMap::new()).expect("a context"));
    }

    /// Path, `[uid, gid, mode]` and contents of each entry.
    fn unpacked(bytes: &[u8]) -> Vec<(String, [u64; 3], Vec<u8>)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().expect("an archive").map(|entry| {
            let mut entry = entry.expect("an entry");
            let header = entry.header();
            let meta = [
                header.uid().expect("a uid"),
                header.gid().expect("a gid"),
                header.mode().expect("a mode").into(),
            ];
            let path = entry.path().expect("a path").display().to_string();
            let mut contents = Vec::new();
            io::Read::read_to_end(&mut entry, &mut contents).expect("contents");
            (path, meta, contents)
        });
        entries.collect()
    }

    #[test]
    fn a_value_that_is_not_given_is_an_error() {
        assert!(render(template_of(BRIDGE), &BTreeMap::new(), &BTreeMap::new()).is_err());
    }
}
