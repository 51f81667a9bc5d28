//! Each role as a process of its own, as in a cluster.

use std::collections::BTreeMap;
use std::path::Path;

use local_services::testing::{TestDatabase, TestFolder, TestNats};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::exported::Exported;
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

/// Every role that a shop has, each a process of its own that tells how it is.
pub(crate) struct Roles {
    /// Where each serves its metrics, by name.
    metrics: BTreeMap<&'static str, String>,
    pub(crate) commands: String,
    /// A second `command-api`.
    pub(crate) replica: String,
    pub(crate) queries: String,
    pub(crate) database: TestDatabase,
    nats: TestNats,
    stripe: Program,
    _running: Vec<Program>,
    _data: TestFolder,
}

impl Roles {
    pub(crate) async fn start() -> Self {
        let data = TestFolder::new();
        let (database, nats) = (TestDatabase::create().await, TestNats::start().await);
        let mut metrics = BTreeMap::new();
        let mut watched = |role| metrics.entry(role).or_insert_with(free_address).clone();
        let mut command = log_serve(data.path());
        command.args(["--metrics", &watched("log")]);
        let mut log = Program::start(command);
        let mut stripe = Program::start(ticketing(["stripe-sandbox", "--listen", "127.0.0.1:0"]));
        let places = Places {
            log: &word(&log.wait_for("log: ").await, "kurrentdb://"),
            database: database.url(),
            nats: nats.url(),
            stripe: &word(&stripe.wait_for("stripe-sandbox: ").await, "http://"),
        };
        let mut running = vec![log];
        for role in ["projectors", "process-managers", "relay"] {
            running.push(places.role(&[role, "run", "--metrics", &watched(role)]));
        }
        let mut served = Vec::new();
        for (role, name) in
            [("command-api", "command-api"), ("command-api", "replica"), ("query-api", "query-api")]
        {
            let metrics = watched(name);
            let mut program =
                places.role(&[role, "--listen", "127.0.0.1:0", "--metrics", &metrics]);
            served.push(word(&program.wait_for(&format!("{role}: ")).await, "http://"));
            running.push(program);
        }
        let [commands, replica, queries] = served.try_into().unwrap();
        // The vault's tables and the read models are made by whoever comes first.
        until("everything is ready", || async {
            let ready = is_ready(&commands).await && is_ready(&replica).await;
            (ready && is_ready(&queries).await).then_some(())
        })
        .await;
        Self {
            metrics,
            commands,
            replica,
            queries,
            database,
            nats,
            stripe,
            _running: running,
            _data: data,
        }
    }

    pub(crate) async fn sign_up(&self) -> Shopper {
        Shopper::sign_up(&self.commands, &self.queries).await
    }

    /// What one role tells of itself.
    pub(crate) async fn told_by(&self, role: &str) -> Exported {
        Exported::by(std::slice::from_ref(&self.metrics[role])).await
    }

    pub(crate) async fn told_by_all(&self) -> Exported {
        Exported::by(&self.metrics.values().cloned().collect::<Vec<_>>()).await
    }

    pub(crate) async fn lose_stripe(&mut self) {
        self.stripe.signal(Signal::SIGKILL);
        self.stripe.ended().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_sold_by_roles_that_run_alone() {
    let roles = Roles::start().await;
    // What a cluster asks those that serve nothing else.
    until("the projectors say how they are", || async {
        let answer = reqwest::get(format!("http://{}/health", roles.metrics["projectors"])).await;
        answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
    })
    .await;
    let (ann, bob) = (roles.sign_up().await, roles.sign_up().await);
    let order = bob.buy(&ann.list_ticket().await).await;
    until("the order is complete", || async {
        let (_, body) = bob.get(&format!("/api/orders/{order}")).await;
        (body["status"] == "complete").then_some(())
    })
    .await;
    until("everything public is on NATS", || async {
        relay::stream_summary(&relay::Nats::at(roles.nats.url()), relay::STREAM)
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
