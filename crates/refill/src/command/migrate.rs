//! `refill migrate`: brings the schema up to date, says who may do what in it, and prepares the next months.

use clap::Args;
use store::Store;

use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Fail unless every role of the fleet is a user of the server, so that each has its rights.
    #[arg(long)]
    roles: bool,
    /// The last migration to apply, by its number; left out: all that there are.
    #[arg(long, value_name = "NUMBER")]
    until: Option<i32>,
    /// Change nothing; say how far the schema is and what this program needs (exit code 1: more than there is).
    #[arg(long, conflicts_with_all = ["roles", "until"])]
    check: bool,
}

pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    if flags.check {
        let schema = store.schema().await?;
        println!(
            "the schema is at {}; this program works with {} and newer ones, and brings {}",
            schema.applied, schema.needed, schema.newest
        );
        anyhow::ensure!(schema.applied >= schema.needed, "the schema is too old");
        return Ok(());
    }
    let migrated = store.migrate(flags.until).await?;
    if migrated.applied.is_empty() {
        println!("the schema is up to date");
    }
    for name in &migrated.applied {
        println!("applied {name}");
    }
    // A schema that is held back may not keep months yet.
    if flags.until.is_none() {
        for name in store.keep_months().await? {
            println!("made {name}");
        }
    }
    anyhow::ensure!(
        !flags.roles || migrated.unknown_roles.is_empty(),
        "these are no users of the database's server, so they have no rights (deploy/postgres/roles.sql makes them): {}",
        migrated.unknown_roles.join(", ")
    );
    Ok(())
}
