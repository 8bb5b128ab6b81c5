//! The last way: install the servers with apt, without starting them as services.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::program::{in_path, is_root, run};
use crate::{Result, ServersError};

const INSTALL_TIMEOUT: Duration = Duration::from_mins(10);
/// Says to the package scripts that services are not to be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where `program` is; its `packages` are installed first when it is nowhere.
///
/// # Errors
/// When they cannot be installed, or do not bring it.
pub async fn found_or_installed(program: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = in_path(program) {
        return Ok(path);
    }
    install(packages).await?;
    in_path(program).ok_or_else(|| ServersError::Program {
        program: program.into(),
        why: format!("{} did not bring it", packages.join(", ")),
    })
}

/// Installs `packages`; says so first.
pub(crate) async fn install(packages: &[&str]) -> Result<()> {
    let not_possible = |why: &str| ServersError::Program {
        program: "apt-get".into(),
        why: why.into(),
    };
    let apt = in_path("apt-get").ok_or_else(|| not_possible("not a Debian or Ubuntu machine"))?;
    let sudo = if is_root() {
        None
    } else {
        Some(in_path("sudo").ok_or_else(|| not_possible("neither root nor sudo"))?)
    };
    tracing::warn!(
        packages = packages.join(" "),
        "installing with apt, without starting services"
    );
    eprintln!(
        "refill: installing {} with apt (no service is started)",
        packages.join(", ")
    );
    let policy = NoStart::set(sudo.as_deref()).await?;
    let as_root = |program: &Path| {
        let mut command = match &sudo {
            Some(sudo) => {
                let mut command = Command::new(sudo);
                command
                    .args(["-n", "DEBIAN_FRONTEND=noninteractive"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let mut installed = run(
        as_root(&apt)
            .args(["install", "-y", "-q", "--no-install-recommends"])
            .args(packages),
        INSTALL_TIMEOUT,
    )
    .await;
    if installed.is_err() {
        // A fresh machine knows no packages yet.
        run(as_root(&apt).args(["update", "-q"]), INSTALL_TIMEOUT).await?;
        installed = run(
            as_root(&apt)
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(packages),
            INSTALL_TIMEOUT,
        )
        .await;
    }
    policy.unset(sudo.as_deref()).await;
    installed.map(drop)
}

/// Our policy file, where there was none.
struct NoStart {
    set: bool,
}

impl NoStart {
    async fn set(sudo: Option<&Path>) -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { set: false });
        }
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
        run(shell(sudo, &script).arg(""), Duration::from_secs(10)).await?;
        Ok(Self { set: true })
    }

    async fn unset(self, sudo: Option<&Path>) {
        if self.set
            && let Err(error) = run(
                &mut shell(sudo, &format!("rm -f {POLICY}")),
                Duration::from_secs(10),
            )
            .await
        {
            tracing::error!(%error, "{POLICY} could not be removed, please remove it");
        }
    }
}

fn shell(sudo: Option<&Path>, script: &str) -> Command {
    let mut command = Command::new(sudo.map_or_else(|| PathBuf::from("sh"), Path::to_owned));
    if sudo.is_some() {
        command.args(["-n", "sh"]);
    }
    command.args(["-c", script]);
    command
}
