//! The files of MCP clients: what is put into them, and what stays as it was.

mod edges;
mod files;
mod fixtures;
mod inputs;
mod repeated;
mod table;
mod taking_back;
mod whatever;
mod whose;

use std::collections::BTreeMap;
use std::path::Path;

use mcpo_deploy::clients::{
    Bearer, Change, Client, Deployment, EditError, Edited, Entry, Launch, change, client, clients,
};
use mcpo_deploy::model::Secret;

const NAME: &str = "mcp-orchestrator";

/// What `connect` writes: a container with our label.
fn stdio() -> Launch {
    let args = "run --rm -i --init --label io.mcpo-deploy.project=demo --env-file /home/me/it's/.env \
                --memory=2147483648 mcp-orchestrator:latest python -m src.mcp_server";
    Launch::Stdio {
        command: "docker".to_owned(),
        args: args.split_whitespace().map(str::to_owned).collect(),
        env: BTreeMap::new(),
    }
}

/// The shortest one that is ours.
fn short(env: &[(&str, &str)]) -> Launch {
    Launch::Stdio {
        command: "mcpo-deploy".to_owned(),
        args: vec!["run".to_owned()],
        env: env.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
    }
}

/// An address, with a token in the best form that a client has.
fn url(client: &Client) -> Launch {
    let variable = client.takes_variable();
    let bearer = if variable {
        Bearer::Variable("MCPO_TOKEN".to_owned())
    } else {
        Bearer::Literal(Secret::new("t0ken"))
    };
    Launch::Url { url: "http://127.0.0.1:8765/mcp".to_owned(), bearer: Some(bearer) }
}

/// Whose entries ours are.
fn demo() -> Deployment {
    Deployment { project: "demo".to_owned(), file: Some("/home/ada/demo/mcpo.yaml".to_owned()) }
}

fn put_change(launch: Launch, force: bool) -> Change {
    Change::Put { entry: Entry { name: NAME.to_owned(), launch }, this: demo(), force }
}

fn remove_change() -> Change {
    Change::Remove { name: NAME.to_owned(), ours: None, this: demo(), force: true }
}

fn row(id: &str) -> &'static Client {
    client(id).expect("a client")
}

fn put(text: &str, id: &str, launch: Launch) -> Result<String, EditError> {
    text_of(change(text.as_bytes(), row(id), &put_change(launch, false)))
}

fn remove(text: &str, id: &str) -> Result<String, EditError> {
    text_of(change(text.as_bytes(), row(id), &remove_change()))
}

fn text_of(edited: Result<Edited, EditError>) -> Result<String, EditError> {
    edited.map(|edited| String::from_utf8(edited.text).expect("a text"))
}

/// Files as people have them: the client, the file's name, its text.
fn theirs() -> Vec<(&'static Client, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/files");
    let mut found = Vec::new();
    for client in clients() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if stem == client.id() || stem.strip_suffix("-2") == Some(client.id()) {
                found.push((client, stem, std::fs::read_to_string(&path).expect("a file")));
            }
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}
