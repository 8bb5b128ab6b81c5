//! Holds private servers under a folder until it is ended, for the tests: `hold DIR` prints their pids as JSON, then waits.

use servers::{Servers, Settings};

#[tokio::main]
async fn main() -> Result<(), servers::ServersError> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "data".into());
    let mut settings = Settings::under(folder);
    settings.fsync = false;
    let servers = Servers::start(settings).await?;
    println!(
        "{}",
        serde_json::json!(
            servers
                .pids()
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
        )
    );
    std::future::pending::<()>().await;
    Ok(())
}
