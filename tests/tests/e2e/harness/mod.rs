//! Servers, the outside, the platform, and one merchant who orders.

pub(crate) mod console;
#[allow(dead_code, reason = "only tests of the fleet's users need it")]
pub(crate) mod fleet;
pub(crate) mod ground;
pub(crate) mod merchant;
pub(crate) mod outside;
pub(crate) mod plans;
pub(crate) mod platform;
pub(crate) mod process;
#[allow(dead_code, reason = "only some tests come as programs")]
pub(crate) mod program;

use std::time::{Duration, Instant};

#[allow(unused_imports, reason = "only tests of the fleet's users need it")]
pub(crate) use fleet::Fleet;
pub(crate) use ground::Ground;
pub(crate) use merchant::Merchant;
pub(crate) use outside::Outside;
pub(crate) use platform::Platform;

/// Long enough for anything that will come at all, on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);

/// Looks until `look` returns something; panics with what `seen` says when it takes too long.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
    seen: impl Fn() -> String,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come; {}", seen());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everything that one test stands on.
pub(crate) struct Scene {
    pub(crate) outside: Outside,
    pub(crate) platform: Platform,
    pub(crate) merchant: Merchant,
    /// Dropped last.
    pub(crate) ground: Ground,
}

impl Scene {
    /// On servers that all tests share.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these settings in the platform's environment.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::on(Ground::shared().await, settings).await
    }

    /// On servers of its own, which it may kill.
    pub(crate) async fn on_own_servers() -> Self {
        Self::on(Ground::own().await, &[]).await
    }

    /// On ground that has been prepared.
    pub(crate) async fn on(ground: Ground, settings: &[(&str, &str)]) -> Self {
        let outside = Outside::start().await;
        let platform = Platform::start(&ground, &outside, settings);
        let merchant = Merchant::new(&platform.openapi, &outside);
        Self {
            outside,
            platform,
            merchant,
            ground,
        }
    }

    /// Stops everything in order; what is left of the test's database says whether all invariants hold.
    pub(crate) async fn end(mut self) {
        self.platform.stop();
        self.platform.check();
        self.ground.clear().await;
    }
}
