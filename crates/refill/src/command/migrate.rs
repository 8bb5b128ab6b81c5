//! `refill migrate`: brings the schema up to date.

use store::Store;

use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let applied = Store::new(&settings.store()?)?.migrate().await?;
    if applied.is_empty() {
        println!("the schema is up to date");
    }
    for name in applied {
        println!("applied {name}");
    }
    Ok(())
}
