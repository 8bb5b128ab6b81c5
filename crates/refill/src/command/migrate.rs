//! `refill migrate`: brings the schema up to date, says who may do what in it, and prepares the next months.

use clap::Args;
use store::Store;

use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Fail unless every role of the fleet is a user of the server, so that each has its rights.
    #[arg(long)]
    roles: bool,
}

pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let migrated = store.migrate().await?;
    if migrated.applied.is_empty() {
        println!("the schema is up to date");
    }
    for name in &migrated.applied {
        println!("applied {name}");
    }
    for name in store.keep_months().await? {
        println!("made {name}");
    }
    anyhow::ensure!(
        !flags.roles || migrated.unknown_roles.is_empty(),
        "these are no users of the database's server, so they have no rights (deploy/postgres/roles.sql makes them): {}",
        migrated.unknown_roles.join(", ")
    );
    Ok(())
}
