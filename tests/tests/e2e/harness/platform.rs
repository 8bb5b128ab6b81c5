//! `refill dev` as a process of its own, which a test may stop, kill and start again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

use super::console::Person;
use super::outside::{HARBOR_KEY, MERCHANT_MD5_KEY, SWIFT_KEY};
use super::process::{ended, tell_to_stop};
use super::{Ground, Outside};

pub(crate) const CATALOGUE: &str = include_str!("catalogue.toml");

pub(crate) struct Platform {
    pub(crate) openapi: String,
    pub(crate) console: String,
    /// The file that says who signs in to the console.
    console_admin: PathBuf,
    pub(crate) admin: String,
    pub(crate) folder: PathBuf,
    listen: String,
    database_url: String,
    amqp_url: String,
    /// Settings that differ from the usual ones.
    settings: Vec<(String, String)>,
    process: Option<Child>,
}

#[derive(Deserialize)]
struct ReadyLine {
    ready: bool,
    openapi: String,
    console: String,
    #[serde(rename = "consoleAdmin")]
    console_admin: PathBuf,
    admin: String,
}

/// The binary, built from the sources as they are; the one that cargo built for a test of the binary's own package.
pub(crate) fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(built) = option_env!("CARGO_BIN_EXE_refill") {
        return Path::new(built);
    }
    BUILT.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--quiet", "-p", "refill"])
            .current_dir(root())
            .status()
            .expect("cargo");
        assert!(built.success(), "refill cannot be built");
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        folder.join("refill")
    })
}

/// Starts `refill dev` with the catalogue in `folder`, its log there too; returns it with the line that it prints when it is ready.
pub(crate) fn start_dev(mut command: Command, folder: &Path, listen: &str) -> (Child, String) {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("refill.log"))
        .unwrap();
    let mut process = command
        .args(["dev", "--data"])
        .arg(folder.join("data"))
        .arg("--catalog")
        .arg(folder.join("catalogue.toml"))
        .args(["--listen", listen])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (process, line)
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists());
    root.expect("the lock file").to_owned()
}

impl Platform {
    /// `settings` are what its environment says besides the servers' addresses.
    pub(crate) fn start(ground: &Ground, outside: &Outside, settings: &[(&str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let listen = servers::free_address().unwrap().to_string();
        let folder = ground.folder.path().to_owned();
        let catalogue = catalogue(CATALOGUE, outside, &listen);
        std::fs::write(folder.join("catalogue.toml"), catalogue).unwrap();
        let mut platform = Self {
            openapi: format!("http://{listen}"),
            console: String::new(),
            console_admin: PathBuf::new(),
            admin: String::new(),
            folder,
            listen,
            database_url: ground.database_url.clone(),
            amqp_url: ground.amqp_url.clone(),
            settings: settings.collect(),
            process: None,
        };
        tokio::task::block_in_place(|| platform.go_on());
        platform
    }

    /// Starts the process; returns when it is ready.
    pub(crate) fn go_on(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let (process, line) = start_dev(self.command(), &self.folder, &self.listen);
        let ready: ReadyLine = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("refill dev is not ready: {line}\n{}", self.log_tail()));
        assert!(ready.ready);
        assert_eq!(ready.openapi, self.openapi);
        self.console = ready.console;
        self.console_admin = ready.console_admin;
        self.admin = ready.admin;
        self.process = Some(process);
    }

    /// Name and password of the console's first admin, from the file that only its owner reads.
    pub(crate) fn console_admin(&self) -> (String, String) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&self.console_admin)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let admin = std::fs::read_to_string(&self.console_admin).unwrap();
        let (name, password) = admin.trim().split_once('\n').unwrap();
        (name.to_owned(), password.to_owned())
    }

    /// A page of the console, as whoever has signed in sees it.
    pub(crate) async fn console_page(&self, path: &str) -> String {
        let (name, password) = self.console_admin();
        Person::sign_in(&self.console, &name, &password)
            .await
            .page(path)
            .await
    }

    /// From the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// The binary with this platform's servers.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .env("DATABASE_URL", &self.database_url)
            .env("AMQP_URL", &self.amqp_url)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a tool of the binary to its end.
    pub(crate) fn tool(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Kills the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops it in order; it must end by itself and say that all is well.
    pub(crate) fn stop(&mut self) {
        if self.process.is_none() {
            return;
        }
        self.tell_to_stop();
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.log_tail());
    }

    /// SIGTERM.
    pub(crate) fn tell_to_stop(&self) {
        tell_to_stop(self.process.as_ref().expect("it runs"));
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        ended(&mut process, || self.log_tail())
    }

    /// `refill check` holds.
    pub(crate) fn check(&self) {
        let output = self.tool(&["check"]);
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The end of its log, for those who ask why.
    /// Imports one more piece of catalogue, a template as `catalogue` fills it.
    pub(crate) fn import(&self, outside: &Outside, template: &str) {
        let file = self.folder.join("import.toml");
        std::fs::write(&file, catalogue(template, outside, &self.listen)).unwrap();
        let said = self.tool(&["catalog", "import", file.to_str().unwrap()]);
        let why = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{why}");
    }

    /// All that it has logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.folder.join("refill.log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    pub(crate) fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
            if std::thread::panicking() {
                eprintln!("--- the platform's log ---\n{}", self.log_tail());
            }
        }
    }
}

/// A catalogue with this test's keys and addresses.
pub(crate) fn catalogue(template: &str, outside: &Outside, listen: &str) -> String {
    [
        (
            "merchant_public_key",
            outside.merchant_key.public_pem.as_str(),
        ),
        ("platform_private_key", &outside.platform_key.private_pem),
        ("harbor_public_key", &outside.harbor_key.public_pem),
        ("merchant_url", &format!("http://{}", outside.merchant)),
        ("swift_url", &format!("http://{}", outside.swift)),
        ("harbor_url", &format!("http://{}", outside.harbor)),
        ("openapi_url", &format!("http://{listen}")),
        ("swift_key", SWIFT_KEY),
        ("harbor_key", HARBOR_KEY),
        ("merchant_md5_key", MERCHANT_MD5_KEY),
    ]
    .iter()
    .fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}
