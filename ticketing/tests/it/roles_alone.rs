//! Each role as a process of its own, as in a cluster.

use std::path::Path;

use local_services::testing::{TestDatabase, TestFolder, TestNats};
use tokio::process::Command;

use crate::program::{Program, free_address, ticketing, until};
use crate::shopper::Shopper;

/// Where the others are, as every role is told it.
struct Places<'a> {
    log: &'a str,
    database: &'a str,
    nats: &'a str,
    stripe: &'a str,
}

impl Places<'_> {
    fn role(&self, arguments: &[&str]) -> Program {
        let mut command = ticketing(arguments.iter().copied());
        command
            .env("KURRENTDB_URL", self.log)
            .env("DATABASE_URL", self.database)
            .env("NATS_URL", self.nats)
            .env("STRIPE_API_BASE", self.stripe)
            .env("STRIPE_SECRET_KEY", "sk_test_alone")
            .env("TICKETING_SESSION_KEY", "5e".repeat(32))
            .env("TICKETING_VAULT_KEY", "7a".repeat(32))
            .env("TICKETING_TOKEN_KEYS", "70".repeat(32));
        Program::start(command)
    }
}

fn log_serve(directory: &Path) -> Command {
    let mut command = ticketing(["log", "serve", "--listen", "127.0.0.1:0"]);
    command.arg("--directory").arg(directory.join("log"));
    command
}

/// The word of a line that holds the text.
fn word(line: &str, text: &str) -> String {
    let word = line.split([' ', ',']).find(|word| word.contains(text));
    word.unwrap_or_else(|| panic!("no {text} in {line:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_sold_by_roles_that_run_alone() {
    let (data, database, nats) =
        (TestFolder::new(), TestDatabase::create().await, TestNats::start().await);
    let mut log = Program::start(log_serve(data.path()));
    let mut stripe = Program::start(ticketing(["stripe-sandbox", "--listen", "127.0.0.1:0"]));
    let places = Places {
        log: &word(&log.wait_for("log: ").await, "kurrentdb://"),
        database: database.url(),
        nats: nats.url(),
        stripe: &word(&stripe.wait_for("stripe-sandbox: ").await, "http://"),
    };
    let metrics = free_address();
    let _projectors = places.role(&["projectors", "run", "--metrics", &metrics]);
    let _process_managers = places.role(&["process-managers", "run"]);
    let _relay = places.role(&["relay", "run"]);
    let mut commands = places.role(&["command-api", "--listen", "127.0.0.1:0"]);
    let mut queries = places.role(&["query-api", "--listen", "127.0.0.1:0"]);
    let commands = word(&commands.wait_for("command-api: ").await, "http://");
    let queries = word(&queries.wait_for("query-api: ").await, "http://");

    // What a cluster asks those that serve nothing else.
    until("the projectors say how they are", || async {
        let answer = reqwest::get(format!("http://{metrics}/health")).await;
        answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
    })
    .await;
    // The vault's table and the read models are made by whoever comes first.
    until("everything is ready", || async {
        let ready = is_ready(&commands).await && is_ready(&queries).await;
        ready.then_some(())
    })
    .await;
    let ann = Shopper::sign_up(&commands, &queries).await;
    let bob = Shopper::sign_up(&commands, &queries).await;
    let order = bob.buy(&ann.list_ticket().await).await;
    until("the order is complete", || async {
        let (_, body) = bob.get(&format!("/api/orders/{order}")).await;
        (body["status"] == "complete").then_some(())
    })
    .await;
    until("everything public is on NATS", || async {
        relay::stream_summary(&relay::Nats::at(nats.url()), relay::STREAM)
            .await
            .ok()
            .filter(|stream| stream.messages == 5)
    })
    .await;
}

async fn is_ready(url: &str) -> bool {
    let answer = reqwest::get(format!("{url}/readyz")).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
