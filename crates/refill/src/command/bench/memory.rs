//! How much memory processes have had at most, by the kernel's own count, in MB.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::cpu;

/// MB by process name.
pub(super) type Megabytes = BTreeMap<&'static str, f64>;

const KB_OF_MB: f64 = 1_024.0;
/// How often the servers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The most that these processes have had since they began, or since [`forget_peaks`]; of several of one name, the one that had most.
pub(super) fn peaks(processes: &[(&'static str, u32)]) -> Megabytes {
    let mut most = Megabytes::new();
    for (name, pid) in processes {
        let had = peak(*pid).unwrap_or_default();
        let most = most.entry(name).or_default();
        *most = most.max(had);
    }
    most
}

fn peak(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(kilobytes(&status, "VmHWM:")? / KB_OF_MB)
}

/// From now on the peaks count anew. Where that is not allowed they go on.
pub(super) fn forget_peaks(processes: &[(&'static str, u32)]) {
    for (_, pid) in processes {
        let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// Looks at servers that are many processes with common memory, until it is asked for the most that each has had.
pub(super) struct Watch {
    looking: AbortOnDropHandle<Megabytes>,
    stop: CancellationToken,
}

impl Watch {
    pub(super) fn begin(servers: Vec<(&'static str, u32)>) -> Self {
        let stop = CancellationToken::new();
        let looking = AbortOnDropHandle::new(tokio::spawn(look(servers, stop.clone())));
        Self { looking, stop }
    }

    pub(super) async fn end(self) -> Megabytes {
        self.stop.cancel();
        self.looking.await.unwrap_or_default()
    }
}

async fn look(servers: Vec<(&'static str, u32)>, stop: CancellationToken) -> Megabytes {
    let mut most = Megabytes::new();
    loop {
        for (name, root) in servers.iter().copied() {
            let now = tokio::task::spawn_blocking(move || of_family(root)).await;
            let most = most.entry(name).or_insert(0.0);
            *most = now.unwrap_or_default().max(*most);
        }
        tokio::select! {
            () = stop.cancelled() => return most,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What a process and its children have together: memory that several of them share counts once.
fn of_family(root: u32) -> f64 {
    let share = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        kilobytes(&text, "Pss:")
    };
    cpu::family(root).into_iter().filter_map(share).sum::<f64>() / KB_OF_MB
}

fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_by_its_name() {
        let text = "Rss:  10 kB\nPss:       1234 kB\nPss_Dirty: 5 kB\n";
        assert_eq!(kilobytes(text, "Pss:"), Some(1_234.0));
        assert_eq!(kilobytes(text, "Swap:"), None);
    }

    #[test]
    fn this_process_has_some_and_what_is_not_there_none() {
        let peaks = peaks(&[("me", std::process::id()), ("nobody", u32::MAX)]);
        assert!(peaks["me"] > 1.0);
        assert!(peaks["nobody"].abs() < f64::EPSILON);
        assert!(of_family(std::process::id()) > 1.0);
    }
}
