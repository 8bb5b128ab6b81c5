//! `refill operator token`: what an operator's programs come with.

use console::actions::{self, MOST_DAYS};
use console::{told, words};
use store::Store;
use store::operators::TokenLine;

use super::How;

/// For how many days a token is good, unless somebody says otherwise.
const DAYS: u16 = 90;

/// `refill operator token …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenTool {
    /// Add one, and print it: this once, it is kept nowhere.
    Add {
        /// Whose: it may do what this operator may.
        name: String,
        /// What it is for; the audit names it.
        #[arg(long)]
        label: String,
        /// For how long it is good.
        #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_DAYS)))]
        days: u16,
        #[command(flatten)]
        how: How,
    },
    /// All of them, or one operator's, the newest first; never the tokens themselves.
    List {
        /// Whose.
        name: Option<String>,
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Refuse it from now on.
    Revoke {
        /// Its number.
        id: i64,
        #[command(flatten)]
        how: How,
    },
}

pub(super) async fn run(store: &Store, tool: TokenTool) -> anyhow::Result<()> {
    match tool {
        TokenTool::Add {
            name,
            label,
            days,
            how,
        } => {
            let actor = how.by.actor()?;
            let (line, text) = actions::add_token(store, &actor, &name, &label, days).await?;
            if how.json {
                println!("{}", told::new_token(&line, &text));
            } else {
                println!("{text}");
                eprintln!(
                    "it is shown this once: token {} of {name}, good until {}",
                    line.no,
                    words::second(line.expires_at)
                );
            }
        }
        TokenTool::List { name, json } => {
            for line in store.tokens(name.as_deref()).await? {
                print(&line, json);
            }
        }
        TokenTool::Revoke { id, how } => {
            let line = actions::revoke_token(store, &how.by.actor()?, id).await?;
            if how.json {
                println!("{}", told::token(&line));
            } else {
                println!("token {id} of {} is revoked", line.operator);
            }
        }
    }
    Ok(())
}

fn print(line: &TokenLine, as_json: bool) {
    if as_json {
        println!("{}", told::token(line));
        return;
    }
    let used = line.used_at.map_or("never".into(), words::second);
    println!(
        "{:>6} {:<32} {:<8} until {}, used {used}  {}",
        line.no,
        line.operator,
        line.state,
        words::second(line.expires_at),
        line.label
    );
}
