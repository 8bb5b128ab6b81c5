//! Processes of a test's own, on their way out.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// SIGTERM.
pub(crate) fn tell_to_stop(process: &Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Waits until it has ended by itself; panics with what `seen` says when it takes too long.
pub(crate) fn ended(process: &mut Child, seen: impl Fn() -> String) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= end {
            process.kill().unwrap();
            panic!("it does not stop: {}", seen());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
