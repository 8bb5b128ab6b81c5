//! Named points at which a test can stop a process and see what becomes of the order.
//!
//! In a build for the fleet a point is nothing at all. In a build with the feature `armed` the first one whose name is in
//! `REFILL_HALT_AT` (`work: moment`) makes a file `reached` in `REFILL_HALT_DIR`, and goes on when there is a file `go`. What happens
//! meanwhile (the process is killed, stopped, or loses a server) is up to the test.
//!
//! Depends on nothing. The points stand where they are passed; `tests/tests/crash` goes through all of them.

/// A point between two steps.
#[cfg(not(feature = "armed"))]
#[inline]
pub fn at(_work: &str, _moment: &str) -> std::future::Ready<()> {
    std::future::ready(())
}

/// A point within a step that has begun and takes a while.
#[cfg(not(feature = "armed"))]
#[inline]
pub fn amid(_work: &str, _moment: &str) -> std::future::Ready<()> {
    std::future::ready(())
}

#[cfg(feature = "armed")]
pub use armed::{amid, at};

#[cfg(feature = "armed")]
mod armed {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    static REACHED: AtomicBool = AtomicBool::new(false);

    fn folder(work: &str, moment: &str) -> Option<PathBuf> {
        let named = std::env::var("REFILL_HALT_AT").ok()?;
        let meant = named == format!("{work}: {moment}");
        let folder = std::env::var_os("REFILL_HALT_DIR")?;
        meant.then(|| PathBuf::from(folder))
    }

    /// A point between two steps.
    pub async fn at(work: &str, moment: &str) {
        let Some(folder) = folder(work, moment) else {
            return;
        };
        if REACHED.swap(true, Ordering::SeqCst) {
            return;
        }
        // Without its file nobody knows that the point was reached, and the test fails.
        let _ = std::fs::write(folder.join("reached"), "");
        while !folder.join("go").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A point within a step that has begun and takes a while.
    pub async fn amid(work: &str, moment: &str) {
        if folder(work, moment).is_some() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            at(work, moment).await;
        }
    }
}
