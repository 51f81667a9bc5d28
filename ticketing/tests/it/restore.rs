//! `deploy/backup.sh`, `restore.sh` and `drill.sh`: a shop lost with its log and its Postgres, and
//! made again from a copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use embedded_log::testing::TestLog;
use local_services::testing::{TestDatabase, TestFolder};
use reqwest::StatusCode;
use serde_json::json;
use tokio::process::Command;

use crate::program::{Program, address, outcome, running, ticketing, until, up};
use crate::shopper::Shopper;

/// A script of `deploy/`, told where the shop is that keeps its data there.
async fn script(name: &str, argument: &Path, data: &Path, database: &TestDatabase) -> Output {
    let mut command = told(name, argument, database);
    command.env("TICKETING_LOG_DIRECTORY", data.join("log"));
    outcome(command).await
}

/// The same, told of a log that may be anywhere.
async fn script_on(name: &str, argument: &Path, log: &str, database: &TestDatabase) -> Output {
    let mut command = told(name, argument, database);
    command.env("KURRENTDB_URL", log);
    outcome(command).await
}

fn told(name: &str, argument: &Path, database: &TestDatabase) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    let mut command = Command::new(script);
    command
        .arg(argument)
        .env("TICKETING", env!("CARGO_BIN_EXE_ticketing"))
        .env_remove("TICKETING_LOG_DIRECTORY")
        .env_remove("KURRENTDB_URL")
        .env("DATABASE_URL", database.url());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// The only thing in a folder.
fn only(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let first = entries.next().unwrap();
    assert_eq!(entries.next(), None, "beside {}", first.display());
    first
}

async fn open(data: &Path, database: &TestDatabase) -> Program {
    let mut command = up(data);
    command.env("DATABASE_URL", database.url());
    Program::up(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_made_again_from_a_copy_of_its_events_and_keys() {
    let (lost, made, copies) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let (old, new) = (TestDatabase::create().await, TestDatabase::create().await);
    let shop = open(lost.path(), &old).await;
    let url = address(lost.path());
    let ann = Shopper::sign_up_as(&url, &url, "ann@example.com", "correct horse").await;
    let bob = Shopper::sign_up(&url, &url).await;
    let order = bob.buy(&ann.list_ticket().await).await;

    // While it sells.
    let backup = script("backup.sh", copies.path(), lost.path(), &old).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let copy = only(copies.path());
    let drill = script("drill.sh", &copy, lost.path(), &old).await;
    assert!(drill.status.success() && said(&drill).contains("drilled: "), "{}", said(&drill));
    assert!(said(&drill).contains("restored: 2 keys of persons"), "{}", said(&drill));
    let late = Shopper::sign_up(&url, &url).await;
    shop.kill().await;

    // The keys that the others are wrapped under are kept elsewhere.
    fs::copy(lost.path().join("secrets.json"), made.path().join("secrets.json")).unwrap();
    let restore = script("restore.sh", &copy, made.path(), &new).await;
    assert!(restore.status.success(), "{}", said(&restore));
    let _shop = open(made.path(), &new).await;
    let url = address(made.path());
    let bob = bob.at(&url);
    until("the order is there again", || async {
        let (_, body) = bob.get(&format!("/api/orders/{order}")).await;
        (body["status"] == "complete").then_some(())
    })
    .await;
    // A session of before goes on, and what is sealed opens.
    let ann = ann.at(&url);
    let (_, body) = ann.get("/api/users/currentuser").await;
    assert_eq!(body["currentUser"]["email"], "ann@example.com");
    let password = json!({"email": "ann@example.com", "password": "correct horse"});
    let (status, body) = ann.post("/api/users/signin", password).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (_, body) = late.at(&url).get("/api/users/currentuser").await;
    assert!(body["currentUser"].is_null(), "who came after the copy is not in it: {body}");
    until("the books add up", || async {
        let mut check = ticketing(["ledger", "check", "--json", "--data"]);
        check.arg(made.path());
        let report: serde_json::Value =
            serde_json::from_slice(&outcome(check).await.stdout).unwrap_or_default();
        // The provider's fee came in before the copy was made, or after.
        let sold = report["entries"].as_u64() >= Some(2);
        (sold && report["off"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_any_log_are_copied_by_an_export() {
    let (data, copies, target) = (TestFolder::new(), TestFolder::new(), TestLog::start().await);
    let (database, empty) = (TestDatabase::create().await, TestDatabase::create().await);
    let _shop = open(data.path(), &database).await;
    let url = address(data.path());
    let _ann = Shopper::sign_up(&url, &url).await;
    let log = running(data.path()).unwrap()["log"].as_str().unwrap().to_owned();
    let backup = script_on("backup.sh", copies.path(), &log, &database).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let copy = only(copies.path());
    let restore = script_on("restore.sh", &copy, &target.connection_string(), &empty).await;
    assert!(restore.status.success(), "{}", said(&restore));
    assert!(said(&restore).contains("imported: 3 events"), "{}", said(&restore));
    assert!(said(&restore).contains("restored: 1 keys of persons"), "{}", said(&restore));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_there_already_is_not_restored() {
    let (data, other, copies) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let (database, empty) = (TestDatabase::create().await, TestDatabase::create().await);
    let shop = open(data.path(), &database).await;
    let url = address(data.path());
    let _ann = Shopper::sign_up(&url, &url).await;
    let backup = script("backup.sh", copies.path(), data.path(), &database).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let copy = only(copies.path());
    drop(shop);

    let onto_keys = script("restore.sh", &copy, other.path(), &database).await;
    assert!(!onto_keys.status.success() && said(&onto_keys).contains("holds keys already"));
    assert!(!other.path().join("log").exists(), "nothing is half restored");
    let onto_log = script("restore.sh", &copy, data.path(), &empty).await;
    assert!(!onto_log.status.success(), "{}", said(&onto_log));

    let file = copy.join("events.log");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let damaged = script("restore.sh", &copy, other.path(), &empty).await;
    assert!(
        !damaged.status.success() && said(&damaged).contains("is damaged"),
        "{}",
        said(&damaged)
    );
    assert!(!other.path().join("log").exists(), "nothing is half restored");

    // Not a copy at all: the wrong database, so nothing is left behind either.
    let nothing = script("backup.sh", copies.path(), data.path(), &empty).await;
    assert!(!nothing.status.success(), "{}", said(&nothing));
    assert_eq!(only(copies.path()), copy);
}
