//! The owner killed with `kill -9`. The owner is this test program run once more, at the "test"
//! `owner_for_the_tests_below`, which does nothing in a usual run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use local_services::testing::TestFolder;
use local_services::{Durability, Nats, Postgres};

use crate::nats::greeting;
use crate::postgres::{execute, number};

const FOLDER_VARIABLE: &str = "LOCAL_SERVICES_OWNED_FOLDER";

#[tokio::test]
async fn owner_for_the_tests_below() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let folder = Path::new(&folder);
    let postgres = Postgres::start(&folder.join("postgres"), Durability::Durable).await.unwrap();
    let nats = Nats::start(&folder.join("nats"), Durability::Durable).await.unwrap();
    println!("READY {} {} {} {}", postgres.url(), postgres.pid(), nats.url(), nats.pid());
    std::future::pending::<()>().await;
}

struct Owner {
    process: Child,
    postgres: String,
    postgres_pid: i32,
    nats: String,
}

impl Owner {
    /// `path` is its `PATH`: without the system's folders there is no `setpriv`, as on a Mac.
    fn start(folder: &Path, path: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::owner_for_the_tests_below", "--nocapture"])
            .env(FOLDER_VARIABLE, folder)
            .env("PATH", path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.map(Result::unwrap).find(|line| line.contains("READY ")).unwrap();
        let words: Vec<&str> = ready.split_once("READY ").unwrap().1.split(' ').collect();
        Self {
            process,
            postgres: words[0].to_owned(),
            postgres_pid: words[1].parse().unwrap(),
            nats: words[2].to_owned(),
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn usual_path() -> String {
    std::env::var_os("PATH").unwrap().into_string().unwrap()
}

async fn killed_and_started_again(path: &str, servers_end: bool) {
    let folder = TestFolder::new();
    let owner = Owner::start(folder.path(), path);
    let (postgres_url, nats_url) = (owner.postgres.clone(), owner.nats.clone());
    let postgres_pid = owner.postgres_pid;
    execute(&postgres_url, "CREATE TABLE kept AS SELECT 42::bigint AS n").await.unwrap();
    owner.kill();
    if !servers_end {
        execute(&postgres_url, "SELECT 1").await.expect("nobody has ended it");
        greeting(&nats_url).expect("nobody has ended it");
    }

    let postgres =
        Postgres::start(&folder.path().join("postgres"), Durability::Durable).await.unwrap();
    let nats = Nats::start(&folder.path().join("nats"), Durability::Durable).await.unwrap();
    assert_ne!(postgres.pid(), postgres_pid);
    assert_eq!((postgres.url(), nats.url()), (postgres_url, nats_url));
    assert_eq!(number(&postgres.url(), "SELECT n FROM kept").await, 42);
    greeting(&nats.url()).unwrap();
    postgres.stop().await;
    nats.stop().await;
}

#[tokio::test]
async fn after_a_kill_the_next_start_finds_everything() {
    killed_and_started_again(&usual_path(), cfg!(target_os = "linux")).await;
}

#[tokio::test]
async fn servers_that_outlived_their_owner_are_ended_by_the_next() {
    killed_and_started_again("/nonexistent", false).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_servers_end_with_a_killed_owner() {
    let folder = TestFolder::new();
    let owner = Owner::start(folder.path(), &usual_path());
    let (postgres, nats) = (owner.postgres.clone(), owner.nats.clone());
    owner.kill();
    let gone = async {
        while greeting(&nats).is_ok() || execute(&postgres, "SELECT 1").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.expect("both are gone");
}
