//! The book's file: one line of JSON for each request that was accepted, only ever appended to.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Page;
use crate::error::SimulatorError;

#[derive(Debug)]
pub(super) struct BookFile {
    path: PathBuf,
    file: File,
}

impl BookFile {
    /// Opens the file for one process alone and reads what it says. A last line that was cut short is cut off.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Page>), SimulatorError> {
        let failed = |source| SimulatorError::BookFile {
            path: path.into(),
            source,
        };
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| failed(error.into()))?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let mut pages = vec![];
        for (n, line) in bytes[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
            let page = serde_json::from_slice(line).map_err(|error| SimulatorError::BookLine {
                path: path.into(),
                line: n + 1,
                reason: error.to_string(),
            })?;
            pages.push(page);
        }
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))
            .map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let path = path.into();
        Ok((Self { path, file }, pages))
    }

    /// Writes one line; it outlives this process, if not the machine.
    pub(super) fn append(&mut self, page: &Page) -> Result<(), SimulatorError> {
        let failed = |source| SimulatorError::BookFile {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_vec(page).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)
    }
}
