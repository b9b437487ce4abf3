//! The Dockerfiles of one stage that our programs go into images with, from `templates/image/`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tera::{Context, Tera};

use super::context::{MadeFile, made_tar};

pub(super) const ORCHESTRATOR: &str = "mcp-orchestrator";
pub(super) const BRIDGE: &str = "mcp-bridge";

/// The template for a program of ours.
pub(super) fn template_of(program: &str) -> &'static str {
    if program == BRIDGE {
        include_str!("../../templates/image/bridge.Dockerfile")
    } else {
        include_str!("../../templates/image/orchestrator.Dockerfile")
    }
}

/// The context of an image from a program: the Dockerfile with `args` and `labels` filled in, the
/// program, an empty folder for logs. Labels that the builder is asked for beside the Dockerfile
/// would cost an instruction each.
pub(super) fn program_context(
    program: &str,
    bytes: &[u8],
    args: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> io::Result<Vec<u8>> {
    let dockerfile = render(template_of(program), args, labels).map_err(io::Error::other)?;
    made_tar(&[
        MadeFile { path: "Dockerfile", mode: 0o644, bytes: dockerfile.as_bytes() },
        MadeFile { path: program, mode: 0o755, bytes },
        MadeFile { path: "logs/", mode: 0o755, bytes: b"" },
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
        for line in [
            command,
            "FROM sha256:0\n",
            r#"COPY --chown=65532:65532 ["logs", "/app/my logs/\$x"]"#,
            r#"LABEL "a"="1 \"2\"" "b"="""#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_given_is_an_error() {
        assert!(render(template_of(BRIDGE), &BTreeMap::new(), &BTreeMap::new()).is_err());
    }
}
