//! `refill operator`: who may sign in to the console, and with which tokens their programs come.

mod token;

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use console::{actions, passwords, told};
use store::Store;
use store::operators::{OperatorLine, Role};

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// `refill operator …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum OperatorTool {
    /// Add one. The password is asked for, or read from stdin: its first line.
    Add {
        /// What they sign in as: a-z 0-9 . _ -
        name: String,
        /// viewer (looks), operator (pauses, sends again, proposes), approver (confirms), admin (says who may what).
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        how: How,
    },
    /// All of them.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Give one another role.
    Role {
        /// Who.
        name: String,
        /// viewer, operator, approver or admin.
        role: Role,
        #[command(flatten)]
        how: How,
    },
    /// Let one in no more; whoever is signed in is out at once.
    Disable {
        /// Who.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Let one in again.
    Enable {
        /// Who.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Give one another password, asked for or read from stdin. Also unlocks.
    Password {
        /// Who.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Tokens with which an operator's programs come to the console's API.
    Token {
        #[command(subcommand)]
        tool: token::TokenTool,
    },
}

/// By whom, and how it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    by: Operator,
}

pub(crate) async fn run(settings: &Settings, tool: OperatorTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        OperatorTool::List { json } => {
            for line in store.operators().await? {
                print(&line, json);
            }
        }
        OperatorTool::Add { name, role, how } => {
            let hash = passwords::hash(&typed()?)?;
            actions::add_operator(&store, &how.by.actor()?, &name, role, &hash).await?;
            how.tell(&name, &told::may_sign_in(role));
        }
        OperatorTool::Role { name, role, how } => {
            actions::set_role(&store, &how.by.actor()?, &name, role).await?;
            how.tell(&name, &told::is_now(role));
        }
        OperatorTool::Disable { name, how } => {
            actions::set_active(&store, &how.by.actor()?, &name, false).await?;
            how.tell(&name, told::MAY_NOT);
        }
        OperatorTool::Enable { name, how } => {
            actions::set_active(&store, &how.by.actor()?, &name, true).await?;
            how.tell(&name, told::MAY_AGAIN);
        }
        OperatorTool::Password { name, how } => {
            let hash = passwords::hash(&typed()?)?;
            actions::set_password(&store, &how.by.actor()?, &name, &hash).await?;
            how.tell(&name, "has the new password");
        }
        OperatorTool::Token { tool } => token::run(&store, tool).await?,
    }
    Ok(())
}

impl How {
    fn tell(&self, name: &str, what: &str) {
        if self.json {
            println!("{}", told::changed(name, what));
        } else {
            println!("{name} {what}");
        }
    }
}

/// A password, from the keyboard (twice, unseen) or the first line of stdin. Never from a flag: those are seen by everybody.
fn typed() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return line().context("the password is read from stdin");
    }
    let unseen = Unseen::begin();
    let ask = |what: &str| {
        eprint!("{what}: ");
        std::io::stderr().flush()?;
        let typed = line();
        eprintln!();
        typed
    };
    let (first, second) = (ask("Password"), ask("Again"));
    drop(unseen);
    let first = first?;
    anyhow::ensure!(first == second?, "the two are not the same");
    Ok(first)
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Unseen;

impl Unseen {
    fn begin() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(how: &str) {
    let done = std::process::Command::new("stty").arg(how).status();
    if !done.is_ok_and(|status| status.success()) {
        tracing::warn!("what is typed will be seen: stty is not there");
    }
}

fn print(line: &OperatorLine, as_json: bool) {
    if as_json {
        println!("{}", told::operator(line));
        return;
    }
    let state = match (line.active, line.locked_until) {
        (false, _) => "disabled",
        (true, Some(_)) => "locked",
        (true, None) => "active",
    };
    println!(
        "{:<32} {:<9} {state}, {} sessions",
        line.name,
        line.role.word(),
        line.sessions
    );
}
