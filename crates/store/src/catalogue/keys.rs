//! Keys of accounts and of the platform, as a catalogue file names them.

use std::collections::HashSet;

use domain::catalogue::{KeyKind, PlatformKey};
use domain::catalogue_file::{BusinessEntry, PlatformEntry};
use tokio_postgres::types::ToSql;

use super::import::{ImportError, run};
use super::secrets;
use crate::seal::MasterKeys;
use crate::transaction::Transaction;

/// A key of an account, as the file names it.
pub(super) struct NamedKey<'f> {
    pub(super) kind: KeyKind,
    pub(super) text: &'f str,
    pub(super) not_before: Option<&'f str>,
    pub(super) not_after: Option<&'f str>,
}

/// All keys of an account, each once.
pub(super) fn of_business(business: &BusinessEntry) -> Vec<NamedKey<'_>> {
    let plain = business
        .rsa_public_keys
        .iter()
        .map(|text| (KeyKind::Rsa, text))
        .chain(business.md5_keys.iter().map(|text| (KeyKind::Md5, text)))
        .map(|(kind, text)| NamedKey {
            kind,
            text,
            not_before: None,
            not_after: None,
        });
    let timed = business.keys.iter().filter_map(|key| {
        Some(NamedKey {
            kind: KeyKind::from_name(&key.sign_type)?,
            text: &key.key,
            not_before: key.not_before.as_deref(),
            not_after: key.not_after.as_deref(),
        })
    });
    let mut seen = HashSet::new();
    plain
        .chain(timed)
        .filter(|key| seen.insert((key.kind, key.text)))
        .collect()
}

pub(super) async fn import_platform(
    tx: &Transaction<'_>,
    platform: &PlatformEntry,
    master: &MasterKeys,
) -> Result<(), ImportError> {
    let allow: Vec<String> = platform
        .callback_allow
        .iter()
        .map(ToString::to_string)
        .collect();
    let sql = "UPDATE platform SET callback_allow = $1";
    run(tx, sql, &[&allow], || "platform".into()).await?;
    if let Some(text) = &platform.callback_private_key {
        import_platform_key(tx, PlatformKey::DEFAULT, text, (None, None), master).await?;
    }
    Ok(())
}

pub(super) async fn import_platform_key(
    tx: &Transaction<'_>,
    id: &str,
    text: &str,
    (not_before, not_after): (Option<&str>, Option<&str>),
    master: &MasterKeys,
) -> Result<(), ImportError> {
    let sql = "INSERT INTO platform_keys (key_id, private_key, not_before, not_after)
               VALUES ($1, $2, $3::text::timestamptz, $4::text::timestamptz)
               ON CONFLICT (key_id) DO UPDATE SET private_key = excluded.private_key, not_before = excluded.not_before,
                   not_after = excluded.not_after";
    let sealed = master.seal(&secrets::of_platform(id), text)?;
    let values: [&(dyn ToSql + Sync); 4] = [&id, &sealed, &not_before, &not_after];
    run(tx, sql, &values, || format!("platform_key {id}")).await?;
    Ok(())
}
