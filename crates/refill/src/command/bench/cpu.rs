//! How much CPU processes have taken, by the kernel's own count.

use std::collections::BTreeMap;
use std::time::Duration;

/// Milliseconds by process name.
pub(super) type CpuMs = BTreeMap<&'static str, f64>;

/// Of a core: who takes less has nothing to do.
const RESTS: f64 = 0.2;
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Looks in a row that must say so.
const LOOKS: u32 = 3;
const RESTS_WITHIN: Duration = Duration::from_mins(5);

/// Kernel ticks per second; the same on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The CPU that processes and all their children have taken so far, those that have ended too.
pub(super) fn taken(processes: &[(&'static str, u32)]) -> CpuMs {
    let all = all();
    let mut sums = CpuMs::new();
    for (name, pid) in processes {
        *sums.entry(name).or_default() += tree(&all, *pid);
    }
    sums
}

/// Waits until these rest: what came in fast is put in its place later, and whoever is measured meanwhile pays for it.
pub(super) async fn rests(processes: &[(&'static str, u32)]) {
    let sum = || taken(processes).values().sum::<f64>();
    let resting = async {
        let (mut before, mut looks) = (sum(), 0);
        while looks < LOOKS {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = sum();
            let busy = (now - before) / 1_000.0 / LOOK_EVERY.as_secs_f64();
            looks = if busy < RESTS { looks + 1 } else { 0 };
            before = now;
        }
    };
    if tokio::time::timeout(RESTS_WITHIN, resting).await.is_err() {
        tracing::warn!("the servers do not come to rest, and are measured as they are");
    }
}

/// What was taken between two looks, per order.
pub(super) fn per_order(before: &CpuMs, after: &CpuMs, orders: u32) -> CpuMs {
    after
        .iter()
        .map(|(name, ms)| {
            (
                *name,
                (ms - before.get(name).copied().unwrap_or_default()) / f64::from(orders.max(1)),
            )
        })
        .collect()
}

#[derive(Clone, Copy)]
struct Process {
    parent: u32,
    own: f64,
    ended_children: f64,
}

fn all() -> BTreeMap<u32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect()
}

fn read(pid: u32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces and parentheses too.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        ended_children: ticks(13)? + ticks(14)?,
    })
}

fn tree(all: &BTreeMap<u32, Process>, root: u32) -> f64 {
    let Some(process) = all.get(&root) else {
        return 0.0;
    };
    let children: f64 = all
        .iter()
        .filter(|(_, p)| p.parent == root)
        .map(|(pid, _)| tree(all, *pid))
        .sum();
    (process.own + process.ended_children) * 1_000.0 / TICKS_PER_SECOND + children
}

/// A process and all its children, and theirs.
pub(super) fn family(root: u32) -> Vec<u32> {
    let all = all();
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = all.iter().filter(|(_, p)| p.parent == parent);
        family.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_taken_some_cpu_and_what_is_not_there_none() {
        let spin: u64 = (0..50_000_000_u64).map(std::hint::black_box).sum();
        assert!(spin > 0);
        let taken = taken(&[("me", std::process::id()), ("nobody", u32::MAX)]);
        assert!(taken["me"] > 0.0);
        assert!(taken["nobody"].abs() < f64::EPSILON);
    }
}
