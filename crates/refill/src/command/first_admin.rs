//! Who signs in first to a system that was started for one person: an admin with a password that nobody has chosen.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use console::actions::{self, Actor};
use console::passwords;
use store::Store;
use store::operators::Role;

const NAME: &str = "admin";

/// Adds the first operator, unless there is one; the password is in the file that is returned, for its owner's eyes.
pub(crate) async fn add(store: &Store, data: &Path) -> anyhow::Result<PathBuf> {
    let file = std::path::absolute(data.join("console-admin.txt"))?;
    if store.operators().await?.is_empty() {
        let password = passwords::random();
        let hash = passwords::hash(&password)?;
        std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
        write_secret(&file, &format!("{NAME}\n{password}\n"))?;
        actions::add_operator(store, &Actor::command("refill"), NAME, Role::Admin, &hash).await?;
    }
    tracing::info!(file = %file.display(), "who signs in to the console first, and with which password");
    Ok(file)
}

/// Writes a file that only its owner reads.
pub(crate) fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
