//! The subcommands and their flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use store::resend::JobOrder;

use crate::settings::Settings;
use crate::{command, logs, role, version};

/// The back end of a batch direct top-up platform: one binary, whose subcommands are the roles of the fleet and its tools.
#[derive(Debug, Parser)]
#[command(version = version::of_this_build(), about, max_term_width = 100)]
pub(crate) struct Cli {
    /// A settings file; see `refill config --defaults` for what it may say.
    #[arg(long, global = true, env = "REFILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve merchants: check signed requests, store batches, hear suppliers' pushes.
    Ingress(Ingress),
    /// Work on orders: claim them, charge suppliers, record what they answer.
    Fulfillment(Admin),
    /// Deliver status reports to merchants.
    Callback {
        #[command(flatten)]
        admin: Admin,
        #[command(subcommand)]
        tool: Option<CallbackTool>,
    },
    /// Serve the pages for ops, and the same for programs.
    Console(Console),
    /// The whole system in the foreground, on private servers or on those of DATABASE_URL and AMQP_URL.
    Dev(command::dev::Flags),
    /// Show everything once: a signed batch goes in, every order is charged, every merchant is told.
    Demo(command::demo::Flags),
    /// Measure the whole way of orders, from the signed request to the delivered report.
    Bench(command::bench::Flags),
    /// The bare-bones program that the bench measures beside the platform.
    #[command(hide = true)]
    Floor(command::floor::Flags),
    /// Simulated suppliers and merchants, with their own books.
    Sim {
        #[command(subcommand)]
        who: command::sim::Who,
    },
    /// Bring the schema up to date, and say who may do what in it.
    Migrate(command::migrate::Flags),
    /// Ask a role whether it is ready (exit code 1: it is not, or does not answer).
    Health(command::health::Flags),
    /// The catalogue: merchants, products, prices, suppliers, routes.
    Catalog {
        #[command(subcommand)]
        tool: CatalogTool,
    },
    /// Ask the database whether everything that must hold does hold (exit code 1: it does not).
    Check(command::check::Flags),
    /// Orders whose outcome only evidence or persons can tell.
    Doubt {
        #[command(subcommand)]
        tool: DoubtTool,
    },
    /// Merchants' endpoints that are not well: their reports wait; pause and resume.
    Endpoint {
        #[command(subcommand)]
        tool: command::endpoint::EndpointTool,
    },
    /// Suppliers: what is paused or has tripped; pause and resume.
    Supplier {
        #[command(subcommand)]
        tool: command::gates::SupplierTool,
    },
    /// Who may sign in to the console, and with which tokens their programs come.
    Operator {
        #[command(subcommand)]
        tool: command::operator::OperatorTool,
    },
    /// What persons did, the newest first.
    Audit(command::audit::Flags),
    /// The master keys that seal secrets in the database.
    Keys {
        #[command(subcommand)]
        tool: command::keys::KeysTool,
    },
    /// Pause and resume a lane.
    Lane {
        #[command(subcommand)]
        tool: command::gates::LaneTool,
    },
    /// The broker's queues: how they stand, what could not be read and was parked; send it back, or drop it.
    Queue {
        #[command(subcommand)]
        tool: command::queue::QueueTool,
    },
    /// Orders: find them, read one's story, take them back.
    Order {
        #[command(subcommand)]
        tool: OrderTool,
    },
    /// Sign a request body from stdin as a merchant would; prints the headers.
    Sign {
        /// The account.
        #[arg(long)]
        business: String,
        /// Its RSA private key (PEM).
        #[arg(long, value_name = "FILE", conflicts_with = "md5_key")]
        key: Option<PathBuf>,
        /// Its MD5 key.
        #[arg(long, env = "MD5_KEY", hide_env_values = true)]
        md5_key: Option<String>,
    },
    /// Print the settings in force, secrets hidden.
    Config {
        /// Print the annotated defaults instead.
        #[arg(long)]
        defaults: bool,
    },
}

/// Where a role tells its keepers how it is.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Admin {
    /// Where to serve /livez, /readyz and /metrics.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

#[derive(Debug, Args)]
struct Ingress {
    /// Where to serve merchants and suppliers.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Args)]
struct Console {
    /// Where to serve pages and API. Beyond this machine, put TLS before it.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Subcommand)]
enum CatalogTool {
    /// Insert or update what a file names, all of it or nothing.
    Import {
        /// The catalogue file (TOML).
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        operator: command::doubt::Operator,
    },
}

#[derive(Debug, Subcommand)]
enum DoubtTool {
    /// What waits for a person, the oldest first.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Say what became of an order; it counts when another person confirms it.
    Propose(command::doubt::Saying),
    /// Confirm what another person proposed: the case is closed.
    Confirm(command::doubt::Saying),
    /// Decide alone; only where the settings say `doubt.operators = 1`.
    Settle(command::doubt::Saying),
}

#[derive(Debug, Subcommand)]
enum OrderTool {
    /// Orders that carry a number: an order code, the merchant's number of an order or a batch, an account, a reference at a supplier;
    /// whole. The newest 50 (exit code 1: none does).
    Find(command::order::find::Find),
    /// Everything that happened to an order, why it stands where it stands, and what comes next (exit code 1: there is none).
    Show(command::order::show::Show),
    /// Take orders back that no worker has claimed: their money is free again, the merchant is told (exit code 1: not all could be).
    Cancel(command::order::Cancel),
}

#[derive(Debug, Subcommand)]
enum CallbackTool {
    /// Send reports again that were parked or delivered; a job does it.
    Resend(command::resend::Flags),
    /// Reports that were given up, with what their last try came to.
    Parked(command::resend::Parked),
    /// The newest jobs that send reports again.
    Jobs(command::resend::Jobs),
    /// Stop a job for now.
    Pause(command::resend::Job),
    /// Let a paused job go on.
    Resume(command::resend::Job),
    /// Stop a job for ever.
    Cancel(command::resend::Job),
}

/// Runs what was asked for.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::read(cli.config.as_deref())?;
    match &cli.command {
        Command::Demo(flags) => logs::start_in_file(&settings.log, &flags.log()?)?,
        _ => logs::start(&settings.log)?,
    }
    match cli.command {
        Command::Ingress(flags) => {
            flags.admin.apply(&mut settings);
            role::run(settings, role::Role::Ingress(flags.listen)).await?;
        }
        Command::Fulfillment(admin) => {
            admin.apply(&mut settings);
            role::run(settings, role::Role::Fulfillment).await?;
        }
        Command::Callback {
            tool: Some(tool), ..
        } => resend(&settings, tool).await?,
        Command::Callback { admin, tool: None } => {
            admin.apply(&mut settings);
            role::run(settings, role::Role::Callback).await?;
        }
        Command::Console(flags) => {
            flags.admin.apply(&mut settings);
            settings.console.listen = flags.listen.unwrap_or(settings.console.listen);
            role::run(settings, role::Role::Console).await?;
        }
        Command::Dev(flags) => command::dev::run(settings, flags).await?,
        Command::Demo(flags) => return command::demo::run(settings, flags).await,
        Command::Bench(flags) => Box::pin(command::bench::run(settings, flags)).await?,
        Command::Floor(flags) => command::floor::run(&settings, flags).await?,
        Command::Sim { who } => command::sim::run(who).await?,
        Command::Migrate(flags) => command::migrate::run(&settings, &flags).await?,
        Command::Health(flags) => command::health::run(&settings, &flags).await?,
        Command::Catalog {
            tool:
                CatalogTool::Import {
                    file,
                    json,
                    operator,
                },
        } => command::catalog::run(&settings, &file, &operator, json).await?,
        Command::Check(flags) => return command::check::run(&settings, &flags).await,
        Command::Doubt {
            tool: DoubtTool::List { json },
        } => command::doubt::list(&settings, json).await?,
        Command::Doubt {
            tool: DoubtTool::Propose(saying),
        } => command::doubt::propose(&settings, &saying).await?,
        Command::Doubt {
            tool: DoubtTool::Confirm(saying),
        } => command::doubt::confirm(&settings, &saying).await?,
        Command::Doubt {
            tool: DoubtTool::Settle(saying),
        } => command::doubt::settle(&settings, &saying).await?,
        Command::Endpoint { tool } => command::endpoint::run(&settings, tool).await?,
        Command::Operator { tool } => command::operator::run(&settings, tool).await?,
        Command::Audit(flags) => command::audit::run(&settings, &flags).await?,
        Command::Keys { tool } => command::keys::run(&settings, tool).await?,
        Command::Supplier { tool } => command::gates::supplier(&settings, tool).await?,
        Command::Lane { tool } => command::gates::lane(&settings, tool).await?,
        Command::Queue { tool } => command::queue::run(&settings, tool).await?,
        Command::Order {
            tool: OrderTool::Find(flags),
        } => command::order::find::find(&settings, &flags).await?,
        Command::Order {
            tool: OrderTool::Show(flags),
        } => command::order::show::show(&settings, &flags).await?,
        Command::Order {
            tool: OrderTool::Cancel(flags),
        } => return command::order::cancel(&settings, &flags).await,
        Command::Sign {
            business,
            key,
            md5_key,
        } => command::sign::run(&business, key.as_deref(), md5_key.as_deref())?,
        Command::Config { defaults: true } => print!("{}", crate::settings::DEFAULTS),
        Command::Config { defaults: false } => print!("{}", settings.printable()?),
    }
    Ok(ExitCode::SUCCESS)
}

async fn resend(settings: &Settings, tool: CallbackTool) -> anyhow::Result<()> {
    match tool {
        CallbackTool::Resend(flags) => command::resend::run(settings, &flags).await,
        CallbackTool::Parked(flags) => command::resend::parked(settings, &flags).await,
        CallbackTool::Jobs(flags) => command::resend::jobs(settings, &flags).await,
        CallbackTool::Pause(job) => command::resend::order(settings, &job, JobOrder::Pause).await,
        CallbackTool::Resume(job) => command::resend::order(settings, &job, JobOrder::Resume).await,
        CallbackTool::Cancel(job) => command::resend::order(settings, &job, JobOrder::Cancel).await,
    }
}

impl Admin {
    fn apply(self, settings: &mut Settings) {
        settings.admin.listen = self.admin.unwrap_or(settings.admin.listen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use console::actions::Action;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_action_that_names_a_subcommand_has_it_and_it_speaks_json() {
        for action in Action::ALL {
            let Some(path) = action.command() else {
                continue;
            };
            let mut command = Cli::command();
            for word in path.split(' ') {
                let below = command.find_subcommand(word).cloned();
                command = below.unwrap_or_else(|| panic!("there is no refill {path}"));
            }
            let flags: Vec<_> = command.get_arguments().map(clap::Arg::get_id).collect();
            for flag in ["json", "as"] {
                assert!(
                    flags.iter().any(|id| *id == flag),
                    "refill {path}: --{flag}"
                );
            }
        }
    }
}
