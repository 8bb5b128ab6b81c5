//! `refill keys`: the master keys that seal the catalogue's secrets.

use console::actions;
use serde_json::json;
use store::{MasterKeys, Store};

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// `refill keys …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeysTool {
    /// Print a new line for the file of master keys; it is stored nowhere else.
    New {
        /// Its name, like 2026-11.
        name: String,
    },
    /// Seal every secret in the database under the first master key; those that are, stay.
    Seal {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        operator: Operator,
    },
}

pub(crate) async fn run(settings: &Settings, tool: KeysTool) -> anyhow::Result<()> {
    match tool {
        KeysTool::New { name } => {
            let key: [u8; 32] = rand::random();
            let line = format!("{name}:{}", hex::encode(key));
            MasterKeys::parse(&line)?;
            println!("{line}");
        }
        KeysTool::Seal { json, operator } => {
            let settings = settings.store()?;
            anyhow::ensure!(
                settings.keys.can_seal(),
                "there is no master key: name a file in keys.master_file, or set REFILL_MASTER_KEYS"
            );
            let store = Store::new(&settings)?;
            let sealed = actions::seal_secrets(&store, &operator.actor()?).await?;
            let (sealed, secrets) = (sealed.sealed, sealed.secrets);
            if json {
                println!("{}", json!({"sealed": sealed, "secrets": secrets}));
            } else {
                println!("{sealed} of {secrets} secrets sealed anew, the others were already");
            }
        }
    }
    Ok(())
}
