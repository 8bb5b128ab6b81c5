#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! Private servers: they start, survive a kill, and never outlive their launcher.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use servers::{Servers, ServersError, Settings};
use tokio_postgres::NoTls;

/// A folder that PostgreSQL's user can reach.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("refill-servers-")
        .tempdir_in("/tmp")
        .unwrap()
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::under(folder);
    settings.fsync = false;
    settings
}

async fn ask(url: &str, sql: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let asked = async {
        let messages = client.simple_query(sql).await.unwrap();
        messages
            .iter()
            .find_map(|m| match m {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap_or_default()
    };
    tokio::select! {
        answer = asked => answer,
        _ = connection => panic!("the connection ended"),
    }
}

fn is_running(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn both_keep_their_data_when_they_are_killed_and_started_again() {
    let folder = folder();
    let mut servers = Servers::start(settings(folder.path())).await.unwrap();
    let url = servers.create_database("kept").await.unwrap();
    let vhost = servers.create_vhost("kept").await.unwrap();
    assert!(vhost.ends_with("/kept"));
    ask(&url, "CREATE TABLE t AS SELECT 42 AS n").await;
    // By the order of bytes, as everywhere: in a language's order "a" would come before "B".
    assert_eq!(ask(&url, "SELECT 'B' < 'a'").await, "t");
    let order = "SELECT datcollate FROM pg_database WHERE datname = 'kept'";
    assert_eq!(ask(&url, order).await, "C");
    let before = servers.pids();
    assert_eq!(before.len(), 2);
    servers.postgres().unwrap().kill().await.unwrap();
    servers.rabbitmq().unwrap().kill().await.unwrap();
    assert!(before.iter().all(|(_, pid)| !is_running(*pid)));
    servers.postgres().unwrap().start().await.unwrap();
    servers.rabbitmq().unwrap().start().await.unwrap();
    assert_eq!(ask(&url, "SELECT n FROM t").await, "42");
    servers.delete_vhost("kept").await.unwrap();
    servers.drop_database("kept").await.unwrap();
    let running = servers.pids();
    servers.stop().await;
    assert!(running.iter().all(|(_, pid)| !is_running(*pid)));
}

/// The launcher as a process of its own.
struct Holder {
    process: Child,
    pids: Vec<u32>,
}

impl Holder {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(example("hold"))
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pids: std::collections::BTreeMap<String, u32> = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the launcher did not start: {line}"));
        Self {
            process,
            pids: pids.into_values().collect(),
        }
    }
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name)
}

#[tokio::test]
async fn nothing_outlives_a_launcher_that_is_killed_and_the_next_one_takes_the_folder_over() {
    let folder = folder();
    let mut holder = Holder::start(folder.path());
    assert_eq!(holder.pids.len(), 2);
    let second = Servers::start(settings(folder.path())).await.map(drop);
    assert!(matches!(second, Err(ServersError::InUse(_))), "{second:?}");
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    let next = Servers::start(settings(folder.path())).await.unwrap();
    wait_for("the killed launcher's servers still run", || {
        holder.pids.iter().all(|pid| !is_running(*pid))
    });
    assert_eq!(ask(next.database_url(), "SELECT 1").await, "1");
    next.stop().await;
    wait_for("a process is left on the folder", || {
        on_folder(folder.path()).is_empty()
    });
}

#[tokio::test]
async fn given_servers_are_used_as_given_and_left_alone() {
    let mut given = Settings::under("/nowhere/that/exists");
    given.database_url = Some("postgres://a:b@127.0.0.1:1/x".into());
    given.amqp_url = Some("amqp://127.0.0.1:1/x".into());
    let mut servers = Servers::start(given).await.unwrap();
    assert_eq!(servers.database_url(), "postgres://a:b@127.0.0.1:1/x");
    assert!(servers.pids().is_empty());
    assert!(matches!(servers.postgres(), Err(ServersError::NotOurs(_))));
    servers.stop().await;
}

/// Processes whose command line or environment names the folder.
fn on_folder(folder: &Path) -> Vec<u32> {
    let text = folder.to_string_lossy().into_owned();
    let names = |pid: u32, file: &str| {
        std::fs::read(format!("/proc/{pid}/{file}"))
            .is_ok_and(|raw| String::from_utf8_lossy(&raw).contains(&text))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            *pid != std::process::id() && (names(*pid, "cmdline") || names(*pid, "environ"))
        })
        .collect()
}

#[tokio::test]
async fn they_end_although_their_folder_goes_with_their_launcher() {
    let folder = folder();
    let servers = Servers::start(settings(folder.path())).await.unwrap();
    let mark = folder.path().to_string_lossy().into_owned();
    let ours = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    line.contains(&mark) && !line.contains("refill-guard")
                })
            })
            .count()
    };
    assert!(ours() >= 2);
    drop(servers);
    drop(folder);
    wait_for("servers without a folder go on", || ours() == 0);
}
