//! What is sold, to whom and by whom; and the keys that seal its secrets. By command only.

use domain::catalogue_file::CatalogueFile;
use serde_json::json;
use store::{ImportError, Imported, Sealed, Store};

use super::{Action, Actor, NotDone, begin};

/// Imports a catalogue that was read from the file of this name.
pub async fn import_catalogue(
    store: &Store,
    actor: &Actor,
    name: &str,
    file: &CatalogueFile,
) -> Result<Imported, NotDone> {
    // How much of each there was; the file itself holds secrets.
    let parameters = json!({
        "file": name, "merchants": file.merchant.len(), "businesses": file.business.len(), "products": file.product.len(),
        "prices": file.price.len(), "suppliers": file.supplier.len(), "routes": file.route.len(),
        "platform_keys": file.platform_key.len(),
    });
    let object = "catalogue".to_owned();
    let begun = begin(store, actor, Action::ImportCatalogue, object, parameters).await?;
    let done = store.import_by(file, &begun.deed).await;
    let done = done.map_err(|why| match why {
        ImportError::Store(error) => NotDone::Store(error),
        other => NotDone::Refused(other.to_string()),
    });
    begun.ended(done).await
}

/// Seals every secret in the database under the first master key.
pub async fn seal_secrets(store: &Store, actor: &Actor) -> Result<Sealed, NotDone> {
    let object = "secrets".to_owned();
    let begun = begin(store, actor, Action::SealSecrets, object, json!({})).await?;
    let done = store.seal_secrets(&begun.deed).await;
    begun.ended(done.map_err(NotDone::from)).await
}
