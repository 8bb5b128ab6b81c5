//! `refill migrate`: brings the schema up to date, and prepares the next months.

use store::Store;

use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let applied = store.migrate().await?;
    if applied.is_empty() {
        println!("the schema is up to date");
    }
    for name in applied {
        println!("applied {name}");
    }
    for name in store.keep_months().await? {
        println!("made {name}");
    }
    Ok(())
}
