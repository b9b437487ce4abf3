//! Images: built from a context, or pulled.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use bollard::query_parameters::{BuildImageOptions, CreateImageOptionsBuilder};
use bollard::{body_full, body_try_stream};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::Docker;
use crate::engine::context::{BuildContext, ContextError};
use crate::engine::dockerfile::program_context;
use crate::engine::error::{EngineError, reason};
use crate::engine::programs::Programs;
use crate::model::{ImageRef, label};
use crate::plan::{BuildFrom, Event, Events, ImageBuild};

/// How many lines of a failed build's output are shown.
const TAIL: usize = 12;

impl Docker {
    /// Builds an image. Dropping the future ends the build.
    pub async fn build(
        &self,
        build: &ImageBuild,
        programs: &Programs,
        architecture: &str,
        events: &dyn Events,
    ) -> Result<(), EngineError> {
        let (body, dockerfile, sending) = match &build.from {
            BuildFrom::Program(program) => {
                let bytes = programs.read(program, architecture)?;
                let context = program_context(program, &bytes, &build.args, &image_labels(build))
                    .map_err(|source| ContextError::Io { path: (*program).into(), source })?;
                (body_full(Bytes::from(context)), "Dockerfile".to_owned(), None)
            }
            BuildFrom::Context { context, dockerfile } => {
                let context = BuildContext::of_folder(context, dockerfile)?;
                let (sender, mut receiver) = mpsc::channel(SEND_AHEAD);
                let sending = tokio::task::spawn_blocking(move || context.write_tar(Sender(sender)));
                let chunks = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok);
                (body_try_stream(chunks), dockerfile.clone(), Some(sending))
            }
        };
        let of_context = matches!(build.from, BuildFrom::Context { .. });
        let options = BuildImageOptions {
            dockerfile,
            t: Some(build.image.to_string()),
            // The digest has decided already. A cached layer of a program's could be removed meanwhile,
            // with another image that has it too, and the classic builder fails over that.
            nocache: !of_context,
            rm: true,
            forcerm: true,
            buildargs: Some(build_args(build)),
            labels: of_context.then(|| image_labels(build).into_iter().collect()),
            ..BuildImageOptions::default()
        };
        let mut output = self.api.build_image(options, None, Some(body)).boxed();
        let mut tail = std::collections::VecDeque::new();
        let failed = |message: String, tail: std::collections::VecDeque<String>| EngineError::Build {
            image: build.image.to_string(),
            message,
            tail: tail.into(),
        };
        loop {
            match output.try_next().await {
                Ok(None) => break,
                Ok(Some(info)) => {
                    for line in info
                        .stream
                        .iter()
                        .flat_map(|text| text.lines())
                        .filter(|line| !line.trim().is_empty())
                    {
                        events.on(Event::Progress(line.to_owned()));
                        tail.push_back(line.to_owned());
                        if tail.len() > TAIL {
                            tail.pop_front();
                        }
                    }
                    if let Some(error) = info.error_detail {
                        return Err(failed(error.message.unwrap_or_default(), tail));
                    }
                }
                Err(error) => return Err(failed(reason(&error).0, tail)),
            }
        }
        // A file that could not be read ends the tar early, which a builder may take for its end.
        match sending {
            Some(sending) => sending.await.map_or(Ok(()), |written| written.map_err(EngineError::from)),
            None => Ok(()),
        }
    }

    /// Pulls an image from its registry.
    pub async fn pull(&self, image: &ImageRef, events: &dyn Events) -> Result<(), EngineError> {
        let no_image = |error| EngineError::NoImage { image: image.to_string(), reason: reason(&error) };
        let options = CreateImageOptionsBuilder::default().from_image(image.as_str()).build();
        let mut output = self.api.create_image(Some(options), None, None);
        while let Some(info) = output.try_next().await.map_err(no_image)? {
            if let Some(error) = info.error_detail.and_then(|detail| detail.message) {
                return Err(no_image(bollard::errors::Error::DockerStreamError { error }));
            }
            if let Some(status) = info.status {
                events.on(Event::Progress(status));
            }
        }
        Ok(())
    }
}

/// Chunks of a context that may wait for the engine to take them.
const SEND_AHEAD: usize = 8;

/// A blocking writer into a channel; ends with an error when nobody listens any more.
struct Sender(mpsc::Sender<Bytes>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Build arguments for a Dockerfile that takes them; ours of one stage is filled in beforehand.
fn build_args(build: &ImageBuild) -> HashMap<String, String> {
    let names = [
        ("base", "ORCHESTRATOR_IMAGE"),
        ("command", "MCP_COMMAND"),
        ("user", "MCP_USER"),
        ("log_dir", "LOG_DIR"),
    ];
    let of_context = matches!(build.from, BuildFrom::Context { .. });
    let args = names.into_iter().filter(|_| of_context);
    args.filter_map(|(ours, theirs)| Some((theirs.to_owned(), build.args.get(ours)?.clone()))).collect()
}

/// The OCI annotations that we know, and the digest that decides whether the image is rebuilt.
fn image_labels(build: &ImageBuild) -> BTreeMap<String, String> {
    let mut labels = vec![(label::INPUT_DIGEST, build.input.to_string())];
    if let BuildFrom::Program(program) = build.from {
        labels.extend([
            (label::PROGRAM, program.to_owned()),
            ("org.opencontainers.image.title", program.to_owned()),
            ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("org.opencontainers.image.revision", REVISION.to_owned()),
            ("org.opencontainers.image.source", SOURCE.to_owned()),
            ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE").to_owned()),
        ]);
    }
    let known = labels.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(key, value)| (key.to_owned(), value)).chain(build.labels.clone()).collect()
}

/// The commit and the repository that this program was built from, where its build said so.
pub(in crate::engine) const REVISION: &str = match option_env!("MCPO_REVISION") {
    Some(revision) => revision,
    None => "",
};
const SOURCE: &str = match option_env!("MCPO_SOURCE") {
    Some(source) => source,
    None => env!("CARGO_PKG_REPOSITORY"),
};
