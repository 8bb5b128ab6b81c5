//! The fleet as it is deployed: a process for each role, each a user of its own of the database and of the broker, with its secrets in files.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use super::console::Person;
use super::outside::at_the_broker;
use super::platform::{CATALOGUE, binary, catalogue, root};
use super::process::{ended, tell_to_stop};
use super::{Ground, Outside, until};

/// The roles that are processes.
pub(crate) const ROLES: [&str; 4] = ["ingress", "fulfillment", "callback", "console"];
/// All who come to the database.
pub(crate) const USERS: [&str; 7] = [
    "migrate",
    "ingress",
    "fulfillment",
    "callback",
    "console",
    "catalog",
    "readonly",
];

pub(crate) struct Fleet {
    pub(crate) openapi: String,
    pub(crate) console: String,
    /// The broker, without a user.
    pub(crate) broker: String,
    /// What is started: this version, or another one's build.
    pub(crate) program: PathBuf,
    /// What all are told in their environment besides.
    pub(crate) settings: Vec<(&'static str, String)>,
    folder: PathBuf,
    /// In the order in which they were started.
    processes: Vec<(&'static str, Child)>,
}

impl Fleet {
    /// Users with the rights that a deployment gives them, on servers that are this test's own; the schema is still to be made.
    pub(crate) async fn prepare(ground: &Ground) -> Self {
        let folder = ground.folder.path().to_owned();
        let secrets = folder.join("secrets");
        let made = Command::new(root().join("deploy/secrets"))
            .arg(&secrets)
            .args(["database", "broker"])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let database = reqwest::Url::parse(&ground.database_url).unwrap();
        let at = |url: &reqwest::Url| format!("127.0.0.1:{}", url.port().unwrap());
        let (definitions, broker) = {
            let mut servers = ground.servers.lock().await;
            let broker = reqwest::Url::parse(servers.amqp_url()).unwrap();
            let definitions =
                std::fs::read_to_string(secrets.join("rabbitmq/definitions.json")).unwrap();
            servers
                .rabbitmq()
                .unwrap()
                .import(&definitions)
                .await
                .unwrap();
            (definitions, at(&broker))
        };
        assert!(definitions.contains("refill_ingress"));
        let database_at = format!("{}/{}", at(&database), ground.name);
        for user in USERS {
            for (file, example, real) in [
                ("database_url", "database:5432/refill", &database_at),
                ("amqp_url", "broker:5672", &broker),
            ] {
                let path = secrets.join(user).join(file);
                if let Ok(url) = std::fs::read_to_string(&path) {
                    assert!(url.contains(example), "{user}'s {file}");
                    std::fs::write(&path, url.replace(example, real)).unwrap();
                }
            }
        }
        for sql in [
            root().join("deploy/postgres/roles.sql"),
            secrets.join("postgres/passwords.sql"),
        ] {
            ground.ask(&std::fs::read_to_string(sql).unwrap()).await;
        }
        Self {
            openapi: format!("http://{}", servers::free_address().unwrap()),
            console: String::new(),
            broker,
            program: binary().to_owned(),
            settings: vec![],
            folder,
            processes: vec![],
        }
    }

    /// Brings the schema up to date and imports the tests' catalogue, each as its user.
    pub(crate) fn furnish(&self, outside: &Outside) {
        self.done("migrate", &["migrate", "--roles"]);
        let file = self.write_catalogue(outside);
        self.done("catalog", &["catalog", "import", &file]);
    }

    /// The tests' catalogue, with the door of now for pushes; returns where it is.
    pub(crate) fn write_catalogue(&self, outside: &Outside) -> String {
        let file = self.folder.join("catalogue.toml");
        let listen = self.openapi.trim_start_matches("http://");
        std::fs::write(&file, catalogue(CATALOGUE, outside, listen)).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A file of somebody's secrets.
    pub(crate) fn secret(&self, user: &str, file: &str) -> PathBuf {
        self.folder.join("secrets").join(user).join(file)
    }

    /// The binary as this user, with what its manifest gives it.
    pub(crate) fn command(&self, user: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env(
                "REFILL__DATABASE__URL_FILE",
                self.secret(user, "database_url"),
            )
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if ROLES.contains(&user) {
            command.env("REFILL__AMQP__URL_FILE", self.secret(user, "amqp_url"));
        }
        if !["migrate", "console", "readonly"].contains(&user) {
            command.env(
                "REFILL__KEYS__MASTER_FILE",
                self.secret("master-keys", "keys"),
            );
        }
        command
    }

    /// Runs a tool as this user.
    pub(crate) fn tool(&self, user: &str, args: &[&str]) -> Output {
        self.command(user).args(args).output().unwrap()
    }

    /// The same, and it ends well; returns what it said.
    pub(crate) fn done(&self, user: &str, args: &[&str]) -> String {
        let output = self.tool(user, args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{user}: {args:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }

    /// The same, told something by its standard input.
    pub(crate) fn done_with(&self, user: &str, args: &[&str], input: &str) {
        use std::io::Write;
        let mut command = self.command(user);
        let mut process = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        assert!(process.wait().unwrap().success(), "{user}: {args:?}");
    }

    /// Adds the operator `wang`, who signs in at the console, which runs.
    pub(crate) async fn wang(&self, role: &str) -> Person {
        let password = "correct horse battery";
        let add = ["operator", "add", "wang", "--role", role, "--as", "root"];
        self.done_with("console", &add, password);
        Person::sign_in(&self.console, "wang", password).await
    }

    /// Starts a role, or one more of it at an address of its own, with these settings besides; returns when it says that it is ready, and is
    /// connected to the broker.
    pub(crate) async fn start(&mut self, role: &'static str, settings: &[(&str, &str)]) {
        let admin = self.begin(role, settings).await;
        at_the_broker(&admin, || self.log(role)).await;
    }

    /// The same, but for the broker; returns where its admin server is.
    pub(crate) async fn begin(&mut self, role: &'static str, settings: &[(&str, &str)]) -> String {
        let admin = servers::free_address().unwrap().to_string();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{role}.log")))
            .unwrap();
        if role == "ingress" && self.processes.iter().any(|(name, _)| *name == role) {
            self.openapi = format!("http://{}", servers::free_address().unwrap());
        }
        if role == "console" {
            self.console = format!("http://{}", servers::free_address().unwrap());
        }
        let at = |url: &str| url.trim_start_matches("http://").to_owned();
        let mut command = self.command(role);
        command
            .args([role, "--admin", &admin])
            .envs(settings.iter().copied());
        match role {
            "ingress" => drop(command.args(["--listen", &at(&self.openapi)])),
            "console" => drop(command.args(["--listen", &at(&self.console)])),
            _ => {}
        }
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.processes.push((role, process));
        let admin = format!("http://{admin}");
        let url = format!("{admin}/readyz");
        until(
            "a role that is ready",
            async || {
                let asked = self.command(role).args(["health", &url]).output().unwrap();
                asked.status.success().then_some(())
            },
            || self.log(role),
        )
        .await;
        admin
    }

    /// Stops the oldest process of a role in order; it must end by itself and say that all is well.
    pub(crate) fn stop(&mut self, role: &str) {
        let oldest = self.processes.iter().position(|(name, _)| *name == role);
        let (_, mut process) = self.processes.remove(oldest.expect("it runs"));
        tell_to_stop(&process);
        let status = tokio::task::block_in_place(|| ended(&mut process, || self.log(role)));
        assert!(status.success(), "{}", self.log(role));
    }

    /// What a role has logged.
    pub(crate) fn log(&self, role: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{role}.log"))).unwrap_or_default()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (role, process) in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.folder.join(format!("{role}.log")));
                let log = log.unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(25).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                eprintln!("--- {role} ---\n{}", tail.join("\n"));
            }
        }
    }
}
