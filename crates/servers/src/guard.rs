//! Who cleans up: a shell that waits for the end of a pipe which only the launcher holds, then ends the server by its pid.
//!
//! The kernel closes the pipe whatever ends the launcher. The pid is checked against the server's mark (a path that stands in its
//! command line) before anything is ended, because pids are used again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::folder::file_error;
use crate::program::{command_line, signal, wait_until};
use crate::{Result, ServersError};

/// How long a server may take to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a guard may take, whose script counts to forty seconds.
const GUARD_TIMEOUT: Duration = Duration::from_mins(1);

/// Through the pipe come the pids that are known, for whoever ends the launcher may remove the files with the folder.
/// `$1`: files with pids, one path per line. `$2`: the mark. `$3`: the signal that asks the server to end.
/// It goes on looking for three seconds after it saw the last of them: a server that was just starting writes its pid late.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
told=$(cat)
pids() { printf '%s\n' "$1" | while read -r file; do [ -r "$file" ] && head -n 1 "$file"; done; }
ours() { tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"; }
n=0 quiet=0 seen=$told
while [ "$quiet" -lt 30 ] && [ "$n" -lt 400 ]; do
  quiet=$((quiet + 1))
  # Remembered: RabbitMQ takes its pid file away long before it has ended.
  seen=$(printf '%s\n' $seen $(pids "$1") | sort -u)
  for pid in $seen; do
    ours "$pid" "$2" || continue
    quiet=0
    if [ "$n" -ge 100 ]; then kill -KILL "$pid" 2>/dev/null
    elif [ $((n % 20)) = 0 ]; then kill "-$3" "$pid" 2>/dev/null; fi
  done
  n=$((n + 1)); sleep 0.1
done
"#;

/// What a server's processes are known by.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Files whose first line is a pid.
    pub(crate) pid_files: Vec<PathBuf>,
    /// Stands in the command line of each of them.
    pub(crate) text: String,
    /// Asks it to end at once, but in order.
    pub(crate) signal: &'static str,
    /// Holds the pid of the guard.
    pub(crate) guard_file: PathBuf,
}

impl Mark {
    /// The processes that run now.
    pub(crate) fn running(&self) -> Vec<u32> {
        self.pid_files
            .iter()
            .filter_map(|file| first_line_pid(file))
            .filter(|pid| self.is_ours(*pid))
            .collect()
    }

    /// Waits for the guard of a launcher that was killed: it must not meet the servers that are started next.
    pub(crate) async fn let_guard_finish(&self) -> Result<()> {
        let guard = || {
            first_line_pid(&self.guard_file).filter(|pid| {
                command_line(*pid)
                    .is_some_and(|line| line.contains("refill-guard") && line.contains(&self.text))
            })
        };
        wait_until(
            "the guard of an earlier launcher did not end",
            GUARD_TIMEOUT,
            async || guard().is_none(),
        )
        .await
    }

    /// Asks them to end, and ends them by force when they do not.
    pub(crate) async fn end(&self) -> Result<()> {
        self.end_with(self.signal).await
    }

    /// Ends them with `signal_name`; returns when they are gone. A server may take its pid file away long before it has ended.
    pub(crate) async fn end_with(&self, signal_name: &str) -> Result<()> {
        let pids = self.running();
        for pid in &pids {
            signal(signal_name, *pid).await;
        }
        let left = || pids.iter().filter(|pid| self.is_ours(**pid));
        let gone = wait_until("the server did not end", END_TIMEOUT, async || {
            left().next().is_none()
        })
        .await;
        if gone.is_ok() {
            return Ok(());
        }
        for pid in left() {
            signal("KILL", *pid).await;
        }
        wait_until("the server could not be killed", END_TIMEOUT, async || {
            left().next().is_none()
        })
        .await
    }

    fn is_ours(&self, pid: u32) -> bool {
        command_line(pid).is_some_and(|line| line.contains(&self.text))
    }
}

fn first_line_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

/// The guard of one server. Dropped, it ends the server, like the end of the process does.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Its stdin is the pipe.
    shell: Child,
}

impl Guard {
    /// Starts guarding.
    pub(crate) fn over(mark: &Mark) -> Result<Self> {
        let files: Vec<_> = mark
            .pid_files
            .iter()
            .map(|file| file.to_string_lossy())
            .collect();
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "refill-guard"])
            .args([&files.join("\n"), &mark.text, mark.signal])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the launcher's group: Ctrl-C is for the launcher.
            .process_group(0)
            .spawn()
            .map_err(|error| ServersError::Program {
                program: "sh".into(),
                why: error.to_string(),
            })?;
        let pid = shell.id().unwrap_or_default().to_string();
        std::fs::write(&mark.guard_file, pid).map_err(file_error(&mark.guard_file))?;
        Ok(Self { shell })
    }

    /// Tells it which processes there are, now that they have written their pids.
    pub(crate) async fn note(&mut self, mark: &Mark) -> Result<()> {
        let pids: Vec<String> = mark.running().iter().map(u32::to_string).collect();
        let Some(pipe) = &mut self.shell.stdin else {
            return Ok(());
        };
        let line = format!("{}\n", pids.join("\n"));
        pipe.write_all(line.as_bytes())
            .await
            .map_err(file_error(&mark.guard_file))
    }

    /// Relieves it: what it guarded has ended in order.
    pub(crate) async fn relieve(mut self) {
        let _ = tokio::time::timeout(END_TIMEOUT, self.shell.kill()).await;
    }
}
