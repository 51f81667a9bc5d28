//! What goes wrong at the start is one clear line; what goes away later is waited for.

use std::net::TcpListener;
use std::process::Output;

use local_services::testing::{TestDatabase, TestFolder, TestNats, TestPostgres};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::StatusCode;

use crate::program::{Program, address, outcome, ticketing, until, up};
use crate::shopper::Shopper;

/// It failed, and the last line it said is for a person: what, and what next.
fn refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("ticketing: "), "{said}");
    for word in words {
        assert!(last.contains(word), "no {word:?} in {last:?}");
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (data, taken) = (TestFolder::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let listen = taken.local_addr().unwrap().to_string();
    let mut command = ticketing(["up", "--listen", &listen, "--metrics", "127.0.0.1:0"]);
    command.arg("--data").arg(data.path());
    refused(&outcome(command).await, &[&listen, "--listen"]);

    let mut command = ticketing(["up", "--metrics", &listen, "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(data.path());
    refused(&outcome(command).await, &[&listen, "--metrics"]);
}

#[tokio::test]
async fn a_directory_of_another_version_is_named() {
    let data = TestFolder::new();
    std::fs::write(data.path().join("version"), "7").unwrap();
    refused(&outcome(up(data.path())).await, &["data version 7", "--data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_is_named() {
    let data = TestFolder::new();
    let _shop = Program::up(up(data.path())).await;
    refused(&outcome(up(data.path())).await, &["in use", "--data"]);
}

#[tokio::test]
async fn postgres_that_does_not_answer_is_named() {
    let data = TestFolder::new();
    let mut command = up(data.path());
    command.env("DATABASE_URL", "postgres://127.0.0.1:1/none");
    refused(&outcome(command).await, &["DATABASE_URL"]);
}

#[tokio::test]
async fn postgres_that_cannot_start_is_named() {
    let data = TestFolder::new();
    std::fs::write(data.path().join("postgres"), "not a directory").unwrap();
    refused(&outcome(up(data.path())).await, &["postgres"]);
}

#[tokio::test]
async fn nats_that_does_not_answer_is_named() {
    let (data, database) = (TestFolder::new(), TestDatabase::create().await);
    let mut command = up(data.path());
    command.env("NATS_URL", "nats://127.0.0.1:1").env("DATABASE_URL", database.url());
    refused(&outcome(command).await, &["NATS_URL"]);
}

#[tokio::test]
async fn an_event_log_that_does_not_answer_is_named() {
    let data = TestFolder::new();
    let mut command = up(data.path());
    command.env("KURRENTDB_URL", "kurrentdb://127.0.0.1:1?tls=false");
    refused(&outcome(command).await, &["KURRENTDB_URL"]);
}

#[tokio::test]
async fn a_role_without_its_settings_teaches_them() {
    let output = outcome(ticketing(["relay", "run"])).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("--log-url") && said.contains("--nats-url"), "{said}");
}

#[tokio::test]
async fn a_demo_without_a_shop_says_how_to_start_one() {
    let data = TestFolder::new();
    let mut command = ticketing(["demo"]);
    command.arg("--data").arg(data.path());
    refused(&outcome(command).await, &["make up"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nats_away_selling_goes_on_and_the_relay_catches_up() {
    let data = TestFolder::new();
    let (database, mut nats) = (TestDatabase::create().await, TestNats::start().await);
    let mut command = up(data.path());
    command.env("NATS_URL", nats.url()).env("DATABASE_URL", database.url());
    let _shop = Program::up(command).await;
    let url = address(data.path());
    let (ann, bob) = (Shopper::sign_up(&url, &url).await, Shopper::sign_up(&url, &url).await);

    nats.stop().await;
    let ticket = ann.list_ticket().await;
    bob.buy(&ticket).await;
    nats.start_again().await;

    // Listed, reserved, placed, completed, sold.
    until("the relay has caught up", || async {
        relay::stream_summary(&relay::Nats::at(nats.url()), relay::STREAM)
            .await
            .ok()
            .filter(|stream| stream.messages == 5)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgres_away_commands_succeed_and_queries_answer_503() {
    let data = TestFolder::new();
    let (mut postgres, nats) = (TestPostgres::start().await, TestNats::start().await);
    let mut command = up(data.path());
    command.env("NATS_URL", nats.url()).env("DATABASE_URL", postgres.url());
    let _shop = Program::up(command).await;
    let url = address(data.path());
    let (ann, bob) = (Shopper::sign_up(&url, &url).await, Shopper::sign_up(&url, &url).await);

    postgres.stop().await;
    let ticket = ann.list_ticket().await;
    let (status, order) = bob.order(&ticket).await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    let (status, body) = bob.get("/api/tickets").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");

    postgres.start_again().await;
    let order = order["id"].as_str().unwrap();
    let (status, body) = bob.pay(order).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ours_that_dies_is_started_again() {
    let data = TestFolder::new();
    let mut shop = Program::up(up(data.path())).await;
    let url = address(data.path());
    let ann = Shopper::sign_up(&url, &url).await;
    for (name, pid_file) in
        [("Postgres", "postgres/cluster/data/postmaster.pid"), ("NATS", "nats/server.pid")]
    {
        let pid = std::fs::read_to_string(data.path().join(pid_file)).unwrap();
        let pid = pid.lines().next().unwrap().trim().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        shop.wait_for(&format!("{name} runs again")).await;
    }
    let ticket = ann.list_ticket().await;
    until("the ticket can be seen", || async {
        let (status, _) = ann.get(&format!("/api/tickets/{ticket}")).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
}
