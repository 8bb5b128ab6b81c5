//! A private RabbitMQ: its own node, its own port mapper, its own cookie and password, everything on loopback.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::folder::{Folder, file_error, make, write_secret};
use crate::guard::{Guard, Mark};
use crate::launcher::{Certificate, Settings};
use crate::management::Management;
use crate::program::{command_line, first_existing, in_path, wait_until};
use crate::{Result, ServersError};

const START_TIMEOUT: Duration = Duration::from_secs(90);

/// A private RabbitMQ.
#[derive(Debug)]
pub struct RabbitMq {
    program: PathBuf,
    home: PathBuf,
    ports: Ports,
    password: String,
    mark: Mark,
    management: Management,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    amqps: u16,
    dist: u16,
    epmd: u16,
    management: u16,
}

#[derive(Debug)]
struct Running {
    server: Child,
    /// Erlang's port mapper; ours, so that the one of the machine is left alone.
    mapper: Child,
    guard: Guard,
}

impl RabbitMq {
    /// The server's own script: the one in `/usr/sbin` switches users.
    pub(crate) fn program() -> Option<PathBuf> {
        let packaged = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
        first_existing([packaged].into_iter().chain(in_path("rabbitmq-server")))
    }

    /// Prepares the node and starts it. What an earlier launcher left running is ended first.
    pub(crate) async fn launch(
        program: PathBuf,
        folder: &Folder,
        settings: &Settings,
    ) -> Result<Self> {
        let home = folder.path().join("rabbitmq");
        make(&home, 0o755)?;
        let ports = Ports {
            amqp: folder.port("amqp")?,
            amqps: folder.port("amqps")?,
            dist: folder.port("amqp-dist")?,
            epmd: folder.port("amqp-epmd")?,
            management: folder.port("amqp-management")?,
        };
        let password = folder.secret("rabbitmq")?;
        let mark = Mark {
            pid_files: vec![home.join("node.pid"), home.join("epmd.pid")],
            // Stands in the node's name and in the port mapper's flag.
            text: ports.epmd.to_string(),
            signal: "TERM",
            guard_file: home.join("guard.pid"),
        };
        let management = Management::new(ports.management, &password)?;
        let mut rabbitmq = Self {
            program,
            home,
            ports,
            password,
            mark,
            management,
            running: None,
        };
        rabbitmq.mark.let_guard_finish().await?;
        rabbitmq.mark.end().await?;
        rabbitmq.write_settings(settings.certificate.as_ref())?;
        rabbitmq.start().await?;
        Ok(rabbitmq)
    }

    fn write_settings(&self, certificate: Option<&Certificate>) -> Result<()> {
        let Ports {
            amqp,
            amqps,
            management,
            ..
        } = self.ports;
        let by_tls = certificate.map(|Certificate { chain, key }| {
            format!(
                "listeners.ssl.default = 127.0.0.1:{amqps}\n\
                 ssl_options.certfile = {}\nssl_options.keyfile = {}\n",
                chain.display(),
                key.display()
            )
        });
        let settings = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
             default_user = refill\ndefault_pass = {}\n\
             vm_memory_high_watermark.relative = 0.3\ndisk_free_limit.absolute = 200MB\n\
             log.console = false\nlog.file.level = warning\n{}",
            self.password,
            by_tls.unwrap_or_default()
        );
        write_secret(&self.home.join("rabbitmq.conf"), &settings)?;
        for (name, text) in [
            ("enabled_plugins", "[rabbitmq_management].\n"),
            ("env.conf", ""),
        ] {
            let path = self.home.join(name);
            std::fs::write(&path, text).map_err(file_error(&path))?;
        }
        Ok(())
    }

    /// Starts it on the same ports with the same data; returns when it takes connections.
    pub async fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let mapper = self.start_mapper()?;
        let pid_file = self.home.join("epmd.pid");
        std::fs::write(&pid_file, mapper.id().unwrap_or_default().to_string())
            .map_err(file_error(&pid_file))?;
        let server = self.start_server()?;
        let guard = Guard::over(&self.mark)?;
        self.running = Some(Running {
            server,
            mapper,
            guard,
        });
        let management = &self.management;
        wait_until("RabbitMQ did not answer", START_TIMEOUT, async || {
            management.answers().await
        })
        .await?;
        if let Some(running) = &mut self.running {
            running.guard.note(&self.mark).await?;
        }
        self.management.set_policies("/").await
    }

    fn start_mapper(&self) -> Result<Child> {
        let failed = |why: String| ServersError::Program {
            program: "epmd".into(),
            why,
        };
        let erlang = std::fs::read_dir("/usr/lib/erlang").into_iter().flatten();
        let bundled = erlang.filter_map(|entry| Some(entry.ok()?.path().join("bin/epmd")));
        let epmd = first_existing(in_path("epmd").into_iter().chain(bundled))
            .ok_or_else(|| failed("not found".into()))?;
        Command::new(epmd)
            .args(["-address", "127.0.0.1", "-port"])
            .arg(self.ports.epmd.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| failed(error.to_string()))
    }

    /// One of RabbitMQ's programs, for this node alone.
    fn command(&self, program: &Path) -> Command {
        let under = |name: &str| self.home.join(name);
        let node = format!("refill-{}@localhost", self.ports.epmd);
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.home)
            .env("RABBITMQ_NODENAME", node)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.dist.to_string())
            .env("RABBITMQ_MNESIA_BASE", under("mnesia"))
            .env("RABBITMQ_LOG_BASE", under("log"))
            .env("RABBITMQ_PID_FILE", under("node.pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", under("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", under("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", under("env.conf"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
    }

    fn start_server(&self) -> Result<Child> {
        let log_path = self.home.join("start.log");
        let log = File::create(&log_path).map_err(file_error(&log_path))?;
        let errors = log.try_clone().map_err(file_error(&log_path))?;
        self.command(&self.program)
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| ServersError::Program {
                program: "rabbitmq-server".into(),
                why: error.to_string(),
            })
    }

    /// Kills the node, as a power cut would. Returns when it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.end("KILL").await
    }

    /// Stops it in order.
    pub async fn stop(&mut self) -> Result<()> {
        self.end("TERM").await
    }

    /// Kills the node and throws away everything that it has kept: queues, virtual hosts, users.
    pub async fn wipe(&mut self) -> Result<()> {
        self.kill().await?;
        let kept = self.home.join("mnesia");
        std::fs::remove_dir_all(&kept).map_err(file_error(&kept))
    }

    async fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        if let Some(pid) = self.pid() {
            crate::program::signal(signal, pid).await;
            let gone = async || command_line(pid).is_none();
            wait_until("RabbitMQ did not end", START_TIMEOUT, gone).await?;
        }
        let _ = running.mapper.kill().await;
        // The script that started the node ends with it.
        let _ = tokio::time::timeout(START_TIMEOUT, running.server.wait()).await;
        running.guard.relieve().await;
        Ok(())
    }

    /// The URL of one of its virtual hosts.
    pub fn url(&self, vhost: &str) -> String {
        let vhost = if vhost == "/" { "%2f" } else { vhost };
        format!(
            "amqp://refill:{}@127.0.0.1:{}/{vhost}",
            self.password, self.ports.amqp
        )
    }

    /// Where it takes connections by TLS, if it has a certificate.
    pub fn tls_address(&self) -> std::net::SocketAddr {
        (std::net::Ipv4Addr::LOCALHOST, self.ports.amqps).into()
    }

    /// Makes a virtual host with our policies.
    pub(crate) async fn create_vhost(&self, name: &str) -> Result<String> {
        self.management.create_vhost(name).await?;
        self.management.set_policies(name).await?;
        Ok(self.url(name))
    }

    pub(crate) async fn delete_vhost(&self, name: &str) -> Result<()> {
        self.management.delete_vhost(name).await
    }

    pub(crate) async fn messages(&self, vhost: &str, queue: &str) -> Result<String> {
        self.management.messages(vhost, queue).await
    }

    pub(crate) async fn publish(&self, vhost: &str, queue: &str, text: &str) -> Result<()> {
        self.management.publish(vhost, queue, text).await
    }

    /// Where its management interface is.
    pub fn management_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.management)
    }

    /// Takes in what a file of definitions (JSON) says: users, rights, policies.
    pub async fn import(&self, definitions: &str) -> Result<()> {
        self.management.import(definitions).await
    }

    /// Messages that were published in all, by the node's own count, which is a few seconds behind.
    pub(crate) async fn published(&self) -> Result<u64> {
        self.management.published().await
    }

    /// Says how much of its disk has to be free (`200MB`): while less is, it takes no messages.
    pub async fn keep_free(&self, limit: &str) -> Result<()> {
        let failed = |why: String| ServersError::Program {
            program: "rabbitmqctl".into(),
            why,
        };
        let mut command = self.command(&self.program.with_file_name("rabbitmqctl"));
        command
            .args(["set_disk_free_limit", limit])
            .kill_on_drop(true);
        let asked = tokio::time::timeout(START_TIMEOUT, command.output());
        let output = asked.await.map_err(|_| failed("no answer".into()))?;
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// The node's process.
    pub fn pid(&self) -> Option<u32> {
        let pid = read_pid(&self.home.join("node.pid"))?;
        command_line(pid)
            .filter(|line| line.contains(&self.mark.text))
            .map(|_| pid)
    }
}

fn read_pid(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
