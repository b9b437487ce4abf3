//! Where log lines go: stderr, and files where there is a folder for them. Never payloads: of other
//! crates only errors pass, since below that they print what they carry: rmcp's warnings repeat
//! the text of every error answer.

use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use super::log_files::{Identity, LogFiles};
use super::settings::LogSettings;

/// Installs the process's subscriber. A folder that cannot be written is one warning.
pub(super) fn start(settings: &LogSettings) {
    let opened = settings.folder.as_deref().map(|folder| LogFiles::open(folder, &Identity::own(), settings));
    let (files, failed) = match opened {
        Some(Ok(files)) => (Some(files), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let to_stderr = fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_filter(ours(settings.stderr_level));
    let to_files = files.map(|files| {
        fmt::layer()
            .with_ansi(false)
            .log_internal_errors(false)
            .with_writer(Mutex::new(files))
            .with_filter(ours(settings.file_level))
    });
    // An embedding program's own subscriber stays.
    let _ = registry().with(to_stderr).with(to_files).try_init();
    if let (Some(error), Some(folder)) = (failed, &settings.folder) {
        warn!(folder = %folder.display(), %error, "the log folder cannot be written; logs go to stderr only");
    }
}

fn ours(level: LevelFilter) -> Targets {
    Targets::new().with_default(LevelFilter::ERROR).with_target(env!("CARGO_CRATE_NAME"), level)
}
