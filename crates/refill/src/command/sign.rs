//! `refill sign`: signs a request body as a merchant would, and prints the headers for `curl`.

use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use domain::{BusinessId, UnixMs};

/// Reads the body from stdin and prints one header per line.
pub(crate) fn run(business: &str, key: Option<&Path>, md5_key: Option<&str>) -> anyhow::Result<()> {
    let key = match (key, md5_key) {
        (Some(path), None) => {
            let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            openapi::SigningKey::rsa_from_pem(&pem).with_context(|| path.display().to_string())?
        }
        (None, Some(secret)) => openapi::SigningKey::md5(secret).context("--md5-key")?,
        _ => anyhow::bail!("name either --key FILE or --md5-key SECRET"),
    };
    let mut body = Vec::new();
    std::io::stdin()
        .take(16 * 1024 * 1024)
        .read_to_end(&mut body)
        .context("the body on stdin")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let now = UnixMs(i64::try_from(now.as_millis())?);
    let headers = key.sign(&BusinessId::new(business), now, &body)?;
    for (name, value) in headers.pairs() {
        println!("{name}: {value}");
    }
    Ok(())
}
