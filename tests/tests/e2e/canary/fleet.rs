//! The roles as processes of their own, whatever they say kept.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Said;
use crate::harness::outside::{at_the_broker, get, http};
use crate::harness::process::{ended, tell_to_stop};
use crate::harness::{PATIENCE, Platform, until};

pub(super) struct Role {
    name: &'static str,
    pub(super) admin: String,
    process: Child,
    output: std::path::PathBuf,
}

impl Role {
    /// Starts it and waits until it lives, and is connected to the broker.
    pub(super) async fn start(
        platform: &Platform,
        name: &'static str,
        listen: Option<&str>,
    ) -> Self {
        let admin = servers::free_address().unwrap().to_string();
        let output = platform.folder.join(format!("{name}.out"));
        let file = File::create(&output).unwrap();
        let mut command = platform.command();
        command.args([name, "--admin", &admin]);
        if let Some(listen) = listen {
            command.args(["--listen", listen]);
        }
        let process = command
            .env("REFILL__LOG__FORMAT", "json")
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let admin = format!("http://{admin}");
        let http = http();
        until(
            name,
            async || http.get(format!("{admin}/livez")).send().await.ok(),
            || std::fs::read_to_string(&output).unwrap(),
        )
        .await;
        at_the_broker(&admin, || std::fs::read_to_string(&output).unwrap()).await;
        Self {
            name,
            admin,
            process,
            output,
        }
    }

    /// Keeps what its admin server says.
    pub(super) async fn ask(&self, said: &mut Said) {
        for page in ["livez", "readyz", "metrics"] {
            let text = get(&format!("{}/{page}", self.admin)).await;
            said.keep(&format!("{} /{page}", self.name), text);
        }
    }

    /// Stops it, and keeps all that it has written.
    pub(super) fn stop(mut self, said: &mut Said) {
        tell_to_stop(&self.process);
        ended(&mut self.process, || self.name.to_owned());
        let text = std::fs::read_to_string(&self.output).unwrap();
        assert!(
            text.starts_with('{'),
            "{} does not log JSON: {text}",
            self.name
        );
        said.keep(self.name, text);
    }
}

/// What a role says that has been told something wrong: until it ends, or goes on and has said `says`.
pub(super) fn refused(platform: &Platform, mut command: Command, says: &str) -> String {
    let output = platform.folder.join("refused.out");
    let file = File::create(&output).unwrap();
    let admin = servers::free_address().unwrap().to_string();
    let mut process = command
        .args(["callback", "--admin", &admin])
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(&output).unwrap();
        if let Some(status) = process.try_wait().unwrap() {
            assert!(!status.success() && says.is_empty(), "{status}: {text}");
            return std::fs::read_to_string(&output).unwrap();
        }
        let has_said = !says.is_empty() && text.contains(says);
        let too_long = Instant::now() >= end;
        if has_said || too_long {
            let _ = process.kill();
            let _ = process.wait();
            assert!(has_said, "it goes on: {text}");
            return text;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
