//! Log lines go to stderr, for stdout is for what a command answers; where both are for a person to watch, they go to a file.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::settings::{Log, LogFormat};

/// Starts logging, once per process.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let stderr = std::io::stderr;
    write(log, BoxMakeWriter::new(stderr), stderr().is_terminal())
}

/// Starts logging into a file, which it goes on with; what a person must not miss goes to stderr too.
pub(crate) fn start_in_file(log: &Log, path: &Path) -> anyhow::Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| path.display().to_string())?;
    let errors = std::io::stderr.with_max_level(tracing::Level::ERROR);
    write(log, BoxMakeWriter::new(errors.and(file)), false)
}

fn write(log: &Log, to: BoxMakeWriter, colours: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|e| anyhow::anyhow!("log.filter: {e}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(to);
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("logging cannot be started: {e}"))
}
