//! Where the engine is: `DOCKER_HOST`, else the current Docker context, else the first socket that
//! exists of Docker's, rootless Docker's and Podman's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::EngineError;
use crate::env::Env;

/// An engine's address and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `unix://…`, `tcp://…`, `ssh://…`, `npipe://…`.
    pub host: String,
    /// Client certificates, where the engine wants TLS.
    pub tls: Option<TlsFiles>,
    /// What named it, for messages: `DOCKER_HOST`, `context NAME`, `the default`.
    pub origin: String,
}

/// The three files of Docker's mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signed the engine's certificate.
    pub ca: PathBuf,
    /// The client's certificate.
    pub cert: PathBuf,
    /// The client's key.
    pub key: PathBuf,
}

impl TlsFiles {
    fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        Self { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") }
    }
}

impl Endpoint {
    /// The path of its socket, where it has one on this machine.
    #[cfg(unix)]
    pub(super) fn socket(&self) -> Option<&str> {
        self.host.strip_prefix("unix://")
    }

    /// Finds the engine as the Docker CLI does.
    pub fn find(env: &Env) -> Result<Self, EngineError> {
        if let Some(host) = env.get("DOCKER_HOST") {
            let tls = env.get("DOCKER_TLS_VERIFY").map(|_| TlsFiles::in_folder(&certificates(env)));
            return Ok(Self { host: host.to_owned(), tls, origin: "DOCKER_HOST".to_owned() });
        }
        let config = config_folder(env);
        let named = env.get("DOCKER_CONTEXT").map(str::to_owned).or_else(|| current_context(&config));
        match named {
            Some(name) if name != "default" => Self::of_context(&config, &name),
            _ => Ok(Self { host: default_host(env), tls: None, origin: "the default".to_owned() }),
        }
    }

    /// Whether published ports and folders are another machine's.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        !self.host.starts_with("unix://") && !self.host.starts_with("npipe://")
    }

    fn of_context(config: &Path, name: &str) -> Result<Self, EngineError> {
        let id = context_id(name);
        let meta = config.join("contexts/meta").join(&id).join("meta.json");
        let missing = || EngineError::NoContext { name: name.to_owned(), path: meta.clone() };
        let text = std::fs::read_to_string(&meta).map_err(|_| missing())?;
        let parsed: ContextMeta = serde_json::from_str(&text).map_err(|_| missing())?;
        let folder = config.join("contexts/tls").join(&id).join("docker");
        let tls = folder.join("ca.pem").exists().then(|| TlsFiles::in_folder(&folder));
        Ok(Self { host: parsed.endpoints.docker.host, tls, origin: format!("context {name}") })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: ContextEndpoints,
}

#[derive(Deserialize)]
struct ContextEndpoints {
    docker: ContextEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextEndpoint {
    host: String,
}

/// A context's folder is named by the digest of its name.
fn context_id(name: &str) -> String {
    Sha256::digest(name).iter().fold(String::new(), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

fn config_folder(env: &Env) -> PathBuf {
    let home = || env.home().unwrap_or_default().join(".docker");
    env.get("DOCKER_CONFIG").map_or_else(home, PathBuf::from)
}

fn certificates(env: &Env) -> PathBuf {
    env.get("DOCKER_CERT_PATH").map_or_else(|| config_folder(env), PathBuf::from)
}

fn current_context(config: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config.join("config.json")).ok()?;
    let parsed: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(parsed.get("currentContext")?.as_str()?.to_owned())
}

fn default_host(env: &Env) -> String {
    if cfg!(windows) {
        return "npipe:////./pipe/docker_engine".to_owned();
    }
    let runtime = env.get("XDG_RUNTIME_DIR");
    let candidates = [
        Some(SYSTEM_SOCKET.to_owned()),
        runtime.map(|folder| format!("{folder}/docker.sock")),
        env.home().map(|home| format!("{}/.docker/run/docker.sock", home.display())),
        runtime.map(|folder| format!("{folder}/podman/podman.sock")),
        Some("/run/podman/podman.sock".to_owned()),
    ];
    let found = candidates.into_iter().flatten().find(|path| Path::new(path).exists());
    format!("unix://{}", found.as_deref().unwrap_or(SYSTEM_SOCKET))
}

const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::from_pairs(pairs.iter().copied(), PathBuf::from("/"))
    }

    #[test]
    fn docker_host_beats_everything() {
        let found = Endpoint::find(&env(&[("DOCKER_HOST", "tcp://10.0.0.1:2375"), ("DOCKER_CONTEXT", "x")]));
        let found = found.expect("an endpoint");
        assert_eq!(
            (found.host.as_str(), found.tls.is_none(), found.is_remote()),
            ("tcp://10.0.0.1:2375", true, true)
        );
    }

    #[test]
    fn a_context_is_read_as_the_docker_cli_stores_it() {
        let home = tempfile::tempdir().expect("a folder");
        let id = context_id("far");
        let meta = home.path().join("contexts/meta").join(&id);
        std::fs::create_dir_all(&meta).expect("a folder");
        let text = r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far","SkipTLSVerify":false}}}"#;
        std::fs::write(meta.join("meta.json"), text).expect("a file");
        std::fs::write(home.path().join("config.json"), r#"{"currentContext":"far"}"#).expect("a file");
        let config = home.path().display().to_string();
        let found = Endpoint::find(&env(&[("DOCKER_CONFIG", &config)])).expect("an endpoint");
        assert_eq!((found.host.as_str(), found.origin.as_str()), ("ssh://me@far", "context far"));

        let error = Endpoint::find(&env(&[("DOCKER_CONFIG", &config), ("DOCKER_CONTEXT", "gone")]));
        assert!(matches!(error, Err(EngineError::NoContext { name, .. }) if name == "gone"));
    }

    #[test]
    fn the_digest_of_a_context_is_the_docker_clis() {
        // `docker context create remote` makes this folder.
        let id = context_id("default");
        assert_eq!(id, "37a8eec1ce19687d132fe29051dca629d164e2c4958ba141d5f4133a33f0688f");
    }
}
