//! `refill`: one binary, whose subcommands are the roles of the fleet and the tools of its people.
//!
//! Depends on every room; nothing depends on it. Here is only wiring: flags and settings (`cli`, `settings`), what all roles share
//! (`process`, `admin` with `readiness`, `meters` and `vitals`), one file per role under `role`, one per tool under `command`.

mod admin;
mod cli;
mod command;
mod files;
mod logs;
mod meters;
mod presence;
mod process;
mod readiness;
mod role;
mod settings;
mod spans;
mod stop;
mod version;
mod vitals;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("refill: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(cli::run(cli));
    // Whatever still blocks a thread (a name being looked up) must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("refill: {error:#}");
            ExitCode::FAILURE
        }
    }
}
