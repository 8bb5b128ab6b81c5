//! What can go wrong with a simulator itself, as opposed to what it does wrong on purpose.

use std::path::PathBuf;

/// A simulator cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The book file cannot be opened, locked, read or written.
    #[error("book file {path}: {source}")]
    BookFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line of the book file is not one that a simulator writes.
    #[error("book file {path}, line {line}: {reason}")]
    BookLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why it was refused.
        reason: String,
    },
    /// A key is not what its field asks for.
    #[error("{field}: {reason}")]
    Key {
        /// The field of the configuration.
        field: &'static str,
        /// Why it was refused.
        reason: &'static str,
    },
    /// A setting breaks a rule.
    #[error("{field}: {rule}")]
    Setting {
        /// The field of the configuration.
        field: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The listener failed.
    #[error("listener: {0}")]
    Listen(std::io::Error),
}
