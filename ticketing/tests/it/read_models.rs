//! `ticketing projectors`: replicas as processes, killed; and what an operator does with read models.

use domain::event::{Actor, Cause};
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Position, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, Settings};
use local_services::testing::TestDatabase;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::program::{Program, outcome, ticketing, until};

const SELLER: AccountId = AccountId(Uuid::from_u128(1));

struct Shop {
    log: EventLog,
    pool: PgPool,
    server: TestLog,
    database: TestDatabase,
}

impl Shop {
    async fn open() -> Self {
        let (server, database) = tokio::join!(TestLog::start(), TestDatabase::create());
        let connection_string = server.connection_string();
        let log = EventLog::new(Settings { connection_string, build: "test".to_owned() }).unwrap();
        let pool = PgPool::connect(database.url()).await.unwrap();
        Self { log, pool, server, database }
    }

    fn command(&self, words: &str) -> tokio::process::Command {
        let mut command = ticketing(["projectors"].into_iter().chain(words.split(' ')));
        command
            .env("KURRENTDB_URL", self.server.connection_string())
            .env("DATABASE_URL", self.database.url());
        command
    }

    /// The exit code, and what was said.
    async fn said(&self, words: &str) -> (i32, String) {
        let output = outcome(self.command(words)).await;
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    async fn list(&self, tickets: u32) -> TicketId {
        let mut last = TicketId(Uuid::now_v7());
        for _ in 0..tickets {
            last = TicketId(Uuid::now_v7());
            let quantity = Quantity::new(5).unwrap();
            let command = TicketCommand::List {
                seller: SELLER,
                title: Title::parse("Concert").unwrap(),
                price: Money { minor: 2_000, currency: Currency::USD },
                quantity,
                max_per_order: quantity,
            };
            self.log.execute::<Ticket>(&last, command, &cause()).await.unwrap();
        }
        last
    }

    async fn caught_up(&self) {
        let head: Option<Position> = self.log.head().await.unwrap();
        until("the read models have caught up", || async {
            let status = projectors::status(&self.pool).await.ok()?;
            let reached = status.len() == projectors::NAMES.len()
                && status.iter().all(|status| status.position >= head);
            reached.then_some(())
        })
        .await;
    }
}

fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Person(SELLER),
        trace: None,
        now: chrono::Utc::now(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_replica_at_work_is_killed_another_goes_on() {
    let shop = Shop::open().await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let mut replica = Program::start(shop.command("run"));
        replica.wait_for("following the log").await;
        shop.list(20).await;
        shop.caught_up().await;
        replicas.push(replica);
    }
    // The first is at work, for it was alone.
    for replica in replicas.drain(..2) {
        let (_, ()) = tokio::join!(shop.list(30), replica.kill());
        shop.caught_up().await;
    }
    let (code, said) = shop.said("verify").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("timeline (version 1, build 1) is what the log says"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_watches_proves_and_mends_the_read_models() {
    let shop = Shop::open().await;
    let _running = Program::start(shop.command("run"));
    let ticket = shop.list(5).await;
    shop.caught_up().await;

    let (code, said) = shop.said("status --json").await;
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["accounts", "disputes", "ledger", "orders", "sales_by_day", "tickets", "timeline"]
    );
    assert!(lines.iter().all(|line| line["lag_events"] == 0 && line["parked"] == 0), "{said}");

    let damage = "UPDATE tickets_v3.tickets SET reserved = 2 WHERE id = $1";
    sqlx::query(damage).bind(ticket.0).execute(&shop.pool).await.unwrap();
    let (code, said) = shop.said("verify tickets").await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("first off: ticket-{ticket}, event TicketListed.v1")), "{said}");
    assert!(said.contains("reserved is 2, not 0"), "{said}");
    let (code, said) = shop.said(&format!("rebuild --aggregate ticket-{ticket}")).await;
    assert!(code == 0 && said.contains("tickets: rows of"), "{said}");
    assert_eq!(shop.said("verify tickets").await.0, 0);

    let (code, said) = shop.said("rebuild tickets --no-switch").await;
    assert!(code == 0 && said.contains("not shown yet"), "{said}");
    let (code, said) = shop.said("diff tickets").await;
    assert!(code == 0 && said.contains("the same"), "{said}");
    let (code, said) = shop.said("rebuild tickets --keep-old").await;
    assert!(code == 0 && said.contains("readers have come over"), "{said}");
    shop.list(5).await;
    shop.caught_up().await;
    let (code, said) = shop.said("rollback tickets").await;
    assert!(code == 0 && said.contains("former tables"), "{said}");
    let (code, said) = shop.said("rebuild --all").await;
    assert_eq!(code, 0, "{said}");
    shop.list(5).await;
    shop.caught_up().await;
    assert_eq!(shop.said("verify").await.0, 0);
    assert_eq!(shop.said("park list").await, (0, "nothing is parked\n".to_owned()));
    let (code, said) = shop.said("rollback orders").await;
    assert!(code == 1 && said.contains("--keep-old"), "{said}");
}
