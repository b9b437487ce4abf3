//! What is put into a client's file, and what was found there.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{Secret, label};

/// One server in a client's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the client calls it.
    pub name: String,
    /// How the client gets at it.
    pub launch: Launch,
}

/// What entries of ours say whose they are by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The project.
    pub project: String,
    /// The absolute path of the description, where there is one.
    pub file: Option<String>,
}

/// How a client gets at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// It starts a program and speaks over its stdin and stdout.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables for it besides the client's own; any of them may be a secret.
        env: BTreeMap<String, Secret>,
    },
    /// It speaks Streamable HTTP to an address.
    Url {
        /// The address.
        url: String,
        /// The token that it shows.
        bearer: Option<Bearer>,
    },
}

/// Where the token of an `Authorization: Bearer` header comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// From elsewhere, by this name: a variable of the environment, or what the client asks for.
    Variable(String),
    /// It stands in the file.
    Literal(Secret),
}

/// Whether an entry that was found is one that we wrote, or could have written: the same launch,
/// containers with our label, or our own `run`. Of addresses only the very same one is.
#[must_use]
pub fn is_ours(found: &Launch, ours: &Launch) -> bool {
    match (found, ours) {
        (Launch::Url { url, .. }, Launch::Url { url: own, .. }) => url == own,
        _ => found == ours || is_of_our_making(found),
    }
}

impl Deployment {
    /// The deployment that an entry names, where that is another than this: by its project, or else by
    /// its description. An entry that names none, as a short one by hand, is taken for this one's.
    #[must_use]
    pub fn other(&self, found: &Launch) -> Option<String> {
        let Launch::Stdio { command, args, .. } = found else { return None };
        let (project, file) = match program(command) {
            "docker" => (label_of(args), None),
            "mcpo-deploy" => {
                // What is behind `--` is for the server.
                let args = args.split(|arg| arg == "--").next().unwrap_or_default();
                (option(args, "--project", "-p"), option(args, "--file", "-f"))
            }
            _ => return None,
        };
        let project = project.filter(|project| *project != self.project);
        // From which folder a client would take another path is not known.
        let is_absolute = |file: &&str| Path::new(*file).is_absolute();
        let file = file.filter(is_absolute).filter(|file| Some(*file) != self.file.as_deref());
        project.map(|project| format!("the project {project:?}")).or(file.map(str::to_owned))
    }
}

/// What follows an option's name, in any of its spellings.
fn option<'a>(args: &'a [String], long: &str, short: &str) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(at, arg)| {
        if arg == long || arg == short {
            return args.get(at + 1).map(String::as_str);
        }
        let value = arg.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        value.or_else(|| arg.strip_prefix(short).map(|rest| rest.trim_start_matches('=')))
    })
}

/// The project of a container's label.
fn label_of(args: &[String]) -> Option<&str> {
    args.iter().find_map(|arg| {
        let label = arg.strip_prefix("--label=").unwrap_or(arg);
        label.strip_prefix(label::PROJECT)?.strip_prefix('=')
    })
}

/// What can be told without knowing what we would write today.
pub(super) fn is_of_our_making(found: &Launch) -> bool {
    let Launch::Stdio { command, args, .. } = found else { return false };
    match program(command) {
        "docker" => label_of(args).is_some(),
        "mcpo-deploy" => args.iter().any(|arg| arg == "run"),
        _ => false,
    }
}

/// The name of a program's file, of whichever system.
#[must_use]
pub fn program(command: &str) -> &str {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    name.strip_suffix(".exe").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdio(line: &str) -> Launch {
        let mut words = line.split(' ').map(str::to_owned);
        Launch::Stdio {
            command: words.next().unwrap_or_default(),
            args: words.collect(),
            env: BTreeMap::new(),
        }
    }

    #[test]
    fn ours_are_our_label_our_program_and_what_is_the_same() {
        let ours = stdio("docker run --rm -i --label io.mcpo-deploy.project=demo img");
        for (found, is) in [
            ("docker run --rm -i --label io.mcpo-deploy.project=other img", true),
            ("docker run --rm -i --label=io.mcpo-deploy.project=other img", true),
            ("/usr/bin/docker run --label io.mcpo-deploy.project=x img", true),
            ("C:\\bin\\mcpo-deploy.exe -p demo run", true),
            ("mcpo-deploy run", true),
            ("mcpo-deploy verify", false),
            ("docker run --rm -i --env-file /x/.env mcp-orchestrator:latest python -m src.mcp_server", false),
            ("docker run --label io.mcpo-deploy.projects=x img", false),
            ("npx -y io.mcpo-deploy.project=x", false),
        ] {
            assert_eq!(is_ours(&stdio(found), &ours), is, "{found}");
        }
        assert!(is_ours(&stdio("x y"), &stdio("x y")));
    }

    #[test]
    fn an_address_is_ours_only_if_it_is_the_same() {
        let url = |url: &str| Launch::Url { url: url.to_owned(), bearer: None };
        let with_token =
            Launch::Url { url: "http://a/mcp".to_owned(), bearer: Some(Bearer::Variable("T".to_owned())) };
        assert!(is_ours(&with_token, &url("http://a/mcp")));
        assert!(!is_ours(&url("http://b/mcp"), &url("http://a/mcp")));
        assert!(!is_ours(&url("http://a/mcp"), &stdio("mcpo-deploy run")));
        assert!(is_ours(&stdio("mcpo-deploy run"), &url("http://a/mcp")));
    }
}
