//! The data folder: who may work in it, and what it remembers (ports, passwords).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Result, ServersError};

/// A folder that only this launcher works in, until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held open: the lock ends with it, whatever ends the process.
    _lock: File,
}

pub(crate) fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> ServersError {
    let path = path.to_owned();
    move |error| ServersError::File { path, error }
}

impl Folder {
    /// Makes the folder if needed, searchable for the user that PostgreSQL runs as, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self> {
        make(path, 0o755)?;
        let path = path.canonicalize().map_err(file_error(path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(file_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(ServersError::InUse(path)),
            Err(std::fs::TryLockError::Error(error)) => Err(ServersError::File {
                path: lock_path,
                error,
            }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A port of 127.0.0.1 that was free when it was chosen; the same at every start.
    pub(crate) fn port(&self, name: &str) -> Result<u16> {
        let path = self.path.join(format!("{name}.port"));
        if let Some(port) = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
        {
            return Ok(port);
        }
        let port = crate::free_address().map_err(file_error(&path))?.port();
        write_secret(&path, &port.to_string())?;
        Ok(port)
    }

    /// A secret of this folder; the same at every start.
    pub(crate) fn secret(&self, name: &str) -> Result<String> {
        let path = self.path.join(format!("{name}.secret"));
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(text);
        }
        let secret = format!("{:032x}", rand::random::<u128>());
        write_secret(&path, &secret)?;
        Ok(secret)
    }
}

/// Makes a folder with its parents.
pub(crate) fn make(path: &Path, mode: u32) -> Result<()> {
    std::fs::create_dir_all(path).map_err(file_error(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(file_error(path))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(file_error(path))
}
