//! `ticketing account erase`, and that nothing of the person is left anywhere.

use std::fs;
use std::path::Path;
use std::process::Output;

use local_services::testing::TestFolder;
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::program::{Program, address, outcome, running, ticketing, up};
use crate::shopper::Shopper;

const EMAIL: &str = "Canary-7391@canary-mail.example";
const PASSWORD: &str = "canary-password 7391";
/// In lower case.
const CANARIES: [&str; 4] = ["canary-7391", "canary-mail", "canary-password", "argon2id"];

async fn erase(data: &Path, person: &str, options: &[&str]) -> Output {
    let mut command = ticketing(["account", "erase", person].into_iter().chain(options.to_vec()));
    command.arg("--data").arg(data);
    outcome(command).await
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_by_an_operator_is_found_nowhere() {
    let data = TestFolder::new();
    let mut command = up(data.path());
    command.env("RUST_LOG", "debug");
    let mut shop = Program::up(command).await;
    let url = address(data.path());
    let person = Shopper::sign_up_as(&url, &url, EMAIL, PASSWORD).await;
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    let (status, body) = person.post("/api/users/token", credentials.clone()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let other = Shopper::sign_up(&url, &url).await;
    other.buy(&person.list_ticket().await).await;
    person.buy(&other.list_ticket().await).await;
    let (_, me) = person.get("/api/users/currentuser").await;
    let id = me["currentUser"]["id"].as_str().unwrap().to_owned();
    let backup = data.path().join("monday.log");
    let mut command = ticketing(["log", "backup"]);
    command.arg(&backup).arg("--directory").arg(data.path().join("log"));
    let output = outcome(command).await;
    assert!(output.status.success(), "{}", said(&output));

    let asked = erase(data.path(), EMAIL, &[]).await;
    assert!(!asked.status.success(), "nobody has confirmed it");
    assert!(said(&asked).contains("--yes"), "{}", said(&asked));
    let unknown = erase(data.path(), "nobody@example.com", &["--yes"]).await;
    assert!(said(&unknown).contains("nobody is registered"), "{}", said(&unknown));
    let (_, me) = person.get("/api/users/currentuser").await;
    assert_eq!(me["currentUser"]["id"], *id, "nothing has happened so far");

    let erased = erase(data.path(), EMAIL, &["--yes"]).await;
    assert!(erased.status.success(), "{}", said(&erased));
    assert!(said(&erased).contains(&format!("account {id} is erased")), "{}", said(&erased));
    let again = erase(data.path(), &id, &["--yes"]).await;
    assert!(again.status.success() && said(&again).contains("already"), "{}", said(&again));
    let (status, body) = other.post("/api/users/signin", credentials.clone()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");

    let rows = rows(running(data.path()).unwrap()["database"].as_str().unwrap()).await;
    shop.signal(Signal::SIGTERM);
    assert!(shop.ended().await.success(), "{}", shop.output());
    assert!(shop.output().contains("DEBUG"), "the program logs all it has to say");
    for part in ["log", "postgres", "nats", "stripe-sandbox"] {
        assert!(data.path().join(part).is_dir(), "{part} is elsewhere now");
    }
    assert!(rows.contains(&id), "the rows are looked through");
    for (place, text) in [("the rows", rows), ("the program's own log", shop.output())] {
        assert_clean(place, text.as_bytes());
    }
    assert!(files(data.path(), &mut |path, bytes| assert_clean(path, bytes)) > 50);
}

fn assert_clean(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in {place}");
    }
}

/// Looks through every file below a directory, and gives how many there were.
fn files(directory: &Path, look: &mut impl FnMut(&str, &[u8])) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += files(&path, look);
        } else if path.is_file() {
            look(&path.display().to_string(), &fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

/// Every row of every table.
async fn rows(database: &str) -> String {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
         where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut text = String::new();
    for table in tables {
        let query = AssertSqlSafe(format!("select row::text from {table} as row"));
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
        text.push_str(&rows.join("\n"));
    }
    text
}
