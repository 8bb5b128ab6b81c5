//! `refill catalog import FILE`: puts a catalogue file into the database.

use std::path::Path;

use anyhow::Context;
use console::actions;
use domain::catalogue_file::CatalogueFile;
use serde_json::json;
use store::{Imported, Store};

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// A catalogue is small; whatever is larger is another file.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) async fn run(
    settings: &Settings,
    path: &Path,
    operator: &Operator,
    as_json: bool,
) -> anyhow::Result<()> {
    let (actor, store) = (operator.actor()?, Store::new(&settings.store()?)?);
    let file = checked(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let imported = actions::import_catalogue(&store, &actor, &name, &file)
        .await
        .with_context(|| path.display().to_string())?;
    let (version, deposits) = (imported.version, imported.deposits);
    if as_json {
        println!(
            "{}",
            json!({"catalogueVersion": version, "deposits": deposits})
        );
    } else {
        println!("catalogue version {version}, {deposits} opening deposits booked");
    }
    Ok(())
}

/// Imports a file into a database of our own, for nobody.
pub(crate) async fn import(store: &Store, path: &Path) -> anyhow::Result<Imported> {
    let imported = store.import(&checked(path)?).await;
    imported.with_context(|| path.display().to_string())
}

/// Reads and checks a file; keys that it names by path are read beside it.
fn checked(path: &Path) -> anyhow::Result<CatalogueFile> {
    let file = read(path).with_context(|| path.display().to_string())?;
    for supplier in &file.supplier {
        anyhow::ensure!(
            suppliers::Adapter::SHAPES.contains(&supplier.adapter.as_str()),
            "{}: supplier {}, adapter: {} is unknown, there are {}",
            path.display(),
            supplier.id,
            supplier.adapter,
            suppliers::Adapter::SHAPES.join(", ")
        );
    }
    Ok(file)
}

fn read(path: &Path) -> anyhow::Result<CatalogueFile> {
    let size = std::fs::metadata(path).context("cannot be read")?.len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "is larger than {MAX_FILE_BYTES} bytes"
    );
    let text = std::fs::read_to_string(path).context("cannot be read")?;
    let mut file: CatalogueFile = toml::from_str(&text).context("is not a catalogue")?;
    if let Some(platform) = &mut file.platform
        && let Some(key_file) = platform.callback_private_key_file.take()
    {
        anyhow::ensure!(
            platform.callback_private_key.is_none(),
            "platform: names both callback_private_key and callback_private_key_file"
        );
        let key_path = path.parent().unwrap_or(Path::new("")).join(&key_file);
        let key = std::fs::read_to_string(&key_path).with_context(|| {
            format!(
                "platform, callback_private_key_file: {} cannot be read",
                key_path.display()
            )
        })?;
        platform.callback_private_key = Some(key);
    }
    for key in &mut file.platform_key {
        if let Some(key_file) = key.private_key_file.take() {
            anyhow::ensure!(
                key.private_key.is_none(),
                "platform_key {}: names both private_key and private_key_file",
                key.id
            );
            let key_path = path.parent().unwrap_or(Path::new("")).join(&key_file);
            let text = std::fs::read_to_string(&key_path).with_context(|| {
                format!(
                    "platform_key {}, private_key_file: {} cannot be read",
                    key.id,
                    key_path.display()
                )
            })?;
            key.private_key = Some(text);
        }
    }
    check_keys(&file)?;
    for business in &mut file.business {
        if let Some(text) = &business.callback_url {
            let url = openapi::requests::CallbackUrl::parse(text)
                .with_context(|| format!("business {}, callback_url", business.id))?;
            business.callback_url = Some(url.to_string());
        }
    }
    Ok(file)
}

/// Keys are read now, so that a wrong one is told here and not to a merchant.
fn check_keys(file: &CatalogueFile) -> anyhow::Result<()> {
    for business in &file.business {
        for pem in &business.rsa_public_keys {
            openapi::VerifyingKey::rsa_from_pem(pem)
                .with_context(|| format!("business {}, rsa_public_keys", business.id))?;
        }
        for secret in &business.md5_keys {
            openapi::VerifyingKey::md5(secret)
                .with_context(|| format!("business {}, md5_keys", business.id))?;
        }
    }
    for business in &file.business {
        for key in &business.keys {
            let read = if key.sign_type == "MD5" {
                openapi::VerifyingKey::md5(&key.key)
            } else {
                openapi::VerifyingKey::rsa_from_pem(&key.key)
            };
            read.with_context(|| format!("business {}, keys", business.id))?;
        }
    }
    for key in &file.platform_key {
        if let Some(pem) = &key.private_key {
            openapi::SigningKey::rsa_from_pem(pem)
                .with_context(|| format!("platform_key {}, private_key", key.id))?;
        }
    }
    if let Some(pem) = file
        .platform
        .as_ref()
        .and_then(|p| p.callback_private_key.as_deref())
    {
        openapi::SigningKey::rsa_from_pem(pem).context("platform, callback_private_key")?;
    }
    Ok(())
}
