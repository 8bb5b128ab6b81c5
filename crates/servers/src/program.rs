//! Runs programs to their end, within a time.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::{Result, ServersError};

/// Runs `command` to its end and returns what it wrote to stdout. What it said goes into the error.
pub(crate) async fn run(command: &mut Command, limit: Duration) -> Result<String> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(limit, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            return Err(ServersError::Program {
                program,
                why: error.to_string(),
            });
        }
        Err(_) => {
            return Err(ServersError::TimedOut {
                what: format!("{program} did not end"),
                seconds: limit.as_secs(),
            });
        }
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let tail: Vec<&str> = said.lines().rev().take(8).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(ServersError::Program {
        program,
        why: format!("{}: {}", output.status, tail.join(" | ")),
    })
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// The first of `candidates` that exists.
pub(crate) fn first_existing(candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.into_iter().find(|path| path.exists())
}

/// A program in the folders of `PATH` and those of the system.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    first_existing(
        std::env::split_paths(&path)
            .chain(system)
            .map(|folder| folder.join(name)),
    )
}

/// The command line of a process; `None`: there is no such process, or it has ended and nobody has asked why.
pub(crate) fn command_line(pid: u32) -> Option<String> {
    let raw = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    (!raw.is_empty()).then(|| String::from_utf8_lossy(&raw).replace('\0', " "))
}

/// The processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let parent = |child: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))?
            .trim()
            .parse()
            .ok()
    };
    let Ok(all) = std::fs::read_dir("/proc") else {
        return vec![];
    };
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| parent(*child) == Some(pid))
        .collect()
}

/// Sends a signal, by its name.
pub(crate) async fn signal(name: &str, pid: u32) {
    // Fails when the process has ended already, which is what is wanted.
    let _ = run(
        Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string()),
        Duration::from_secs(5),
    )
    .await;
}

/// Waits until `done`, looking again and again.
pub(crate) async fn wait_until(
    what: &str,
    limit: Duration,
    mut done: impl AsyncFnMut() -> bool,
) -> Result<()> {
    let end = tokio::time::Instant::now() + limit;
    loop {
        if done().await {
            return Ok(());
        }
        if tokio::time::Instant::now() >= end {
            return Err(ServersError::TimedOut {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
