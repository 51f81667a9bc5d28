use std::time::SystemTime;

use async_nats::jetstream;
use domain::event::Actor;
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Cause, Ticket};
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use futures::StreamExt;
use local_services::testing::{TestDatabase, TestNats};
use relay::{Nats, Settings};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::until;

/// A log with some events, and a relay that publishes them.
pub(crate) struct Shop {
    pub(crate) nats: TestNats,
    jetstream: jetstream::Context,
    end: CancellationToken,
    _log: TestLog,
    _database: TestDatabase,
}

impl Shop {
    /// With so many tickets, each listed and withdrawn.
    pub(crate) async fn open(tickets: usize) -> Self {
        let (log, nats, database) =
            (TestLog::start().await, TestNats::start().await, TestDatabase::create().await);
        let connection_string = log.connection_string();
        let settings = eventlog::Settings { connection_string, build: "test".to_owned() };
        let events = EventLog::new(settings).unwrap();
        for _ in 0..tickets {
            list_and_withdraw(&events).await;
        }
        let pool = PgPool::connect(database.url()).await.unwrap();
        let end = CancellationToken::new();
        let settings = Settings::at(Nats::at(nats.url()));
        tokio::spawn(relay::run(events, pool, settings, end.clone()));
        let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
        let shop = Self { nats, jetstream, end, _log: log, _database: database };
        until("everything is published", async || {
            shop.messages(relay::STREAM).await == 2 * tickets
        })
        .await;
        shop
    }

    /// How many events a group has given up.
    pub(crate) async fn set_aside(&self, group: &str) -> usize {
        let subject = format!("ticketing-dead-letters.{group}.>");
        let Ok(stream) = self.jetstream.get_stream(relay::events::DEAD_LETTERS).await else {
            return 0;
        };
        let Ok(subjects) = stream.info_with_subjects(subject).await else { return 0 };
        subjects
            .filter_map(async |it| it.ok())
            .map(|(_, count)| count)
            .fold(0, async |a, b| a + b)
            .await
    }

    async fn messages(&self, stream: &str) -> usize {
        let stream = self.jetstream.get_stream(stream).await;
        let count = stream.map_or(0, |stream| stream.cached_info().state.messages);
        usize::try_from(count).unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn list_and_withdraw(events: &EventLog) {
    let (ticket, seller) = (TicketId(Uuid::now_v7()), AccountId(Uuid::now_v7()));
    let list = TicketCommand::List {
        seller,
        title: Title::parse("Concert").unwrap(),
        price: Money { minor: 1999, currency: Currency::USD },
        quantity: Quantity::ONE,
        max_per_order: Quantity::ONE,
    };
    let withdraw = TicketCommand::Withdraw { by: seller, reason: "rain".to_owned() };
    for command in [list, withdraw] {
        let cause = Cause {
            command: CommandId(Uuid::now_v7()),
            fingerprint: None,
            correlation: Uuid::now_v7(),
            causation: Uuid::now_v7(),
            actor: Actor::Process("test".to_owned()),
            trace: None,
            now: SystemTime::now().into(),
        };
        events.execute::<Ticket>(&ticket, command, &cause).await.unwrap();
    }
}
