//! The list and the checkpoint on a real Postgres.

use std::time::Duration;

use domain::id::{AccountId, OrderId};
use domain::money::{Currency, Money};
use domain::text::Quantity;
use domain::ticket::{ReleaseReason, TicketEvent, TicketReleased, TicketReserved};
use local_services::testing::TestDatabase;
use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use crate::process_manager::tests::{moment, recorded};
use crate::process_manager::{Clock, TaskError};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));

/// A task while units are reserved.
struct Watch;

impl ProcessManager for Watch {
    const NAME: &'static str = "watch";
    type Task = ();

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<()>> {
        let reserved =
            matches!(recorded.event, DomainEvent::Ticket(TicketEvent::TicketReserved(_)));
        vec![if reserved {
            Change::Add { key: ORDER.0, due: recorded.at, task: () }
        } else {
            Change::Strike { key: ORDER.0 }
        }]
    }

    async fn perform(&self, (): (), _: Clock) -> Result<(), TaskError> {
        Ok(())
    }
}

struct Fixture {
    pool: PgPool,
    _database: TestDatabase,
}

impl Fixture {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        crate::install(&pool).await.unwrap();
        Self { pool, _database: database }
    }

    fn feed(&self) -> Feed<Watch> {
        let list = DueList::new(self.pool.clone(), Watch::NAME);
        Feed::new(Arc::new(Watch), list, Arc::new(Notify::new()))
    }

    async fn tasks(&self) -> i64 {
        let count = "SELECT count(*) FROM process_managers.task";
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }

    async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }
}

fn reserved() -> Recorded<DomainEvent> {
    let reserved = TicketReserved {
        order: ORDER,
        buyer: AccountId(Uuid::from_u128(2)),
        quantity: Quantity::ONE,
        unit_price: Money { minor: 1, currency: Currency::USD },
        expires_at: moment(),
    };
    recorded("ticket-1", DomainEvent::Ticket(TicketEvent::TicketReserved(reserved)))
}

fn released() -> Recorded<DomainEvent> {
    let released = TicketReleased { order: ORDER, reason: ReleaseReason::Expired };
    recorded("ticket-1", DomainEvent::Ticket(TicketEvent::TicketReleased(released)))
}

fn at(place: u64) -> Position {
    Position { commit: place, prepare: place }
}

#[tokio::test]
async fn added_tasks_ring_the_worker_and_move_the_checkpoint() {
    let fixture = Fixture::new().await;
    let mut feed = fixture.feed();
    assert_eq!(feed.position().await.unwrap(), None);
    feed.take(&[reserved()], at(5)).await.unwrap();
    assert_eq!(fixture.tasks().await, 1);
    assert_eq!(fixture.feed().position().await.unwrap(), Some(at(5)));
    let rung = tokio::time::timeout(Duration::from_secs(5), feed.added.notified()).await;
    assert!(rung.is_ok());
}

#[tokio::test]
async fn the_list_and_the_checkpoint_change_both_or_neither() {
    let fixture = Fixture::new().await;
    let mut feed = fixture.feed();
    feed.take(&[], at(1)).await.unwrap();
    fixture.execute("ALTER TABLE process_managers.task RENAME TO away").await;
    let failed = feed.take(&[reserved()], at(2)).await;
    assert!(matches!(failed, Err(TakeError::Transient(_))), "{failed:?}");
    assert_eq!(feed.position().await.unwrap(), Some(at(1)));
    fixture.execute("ALTER TABLE process_managers.away RENAME TO task").await;

    fixture.execute("ALTER TABLE follower.checkpoint RENAME TO away").await;
    let failed = feed.take(&[reserved()], at(2)).await;
    assert!(matches!(failed, Err(TakeError::Transient(_))), "{failed:?}");
    assert_eq!(fixture.tasks().await, 0);
    fixture.execute("ALTER TABLE follower.away RENAME TO checkpoint").await;

    feed.take(&[reserved()], at(2)).await.unwrap();
    assert_eq!(fixture.tasks().await, 1);
}

#[tokio::test]
async fn a_replica_that_comes_second_changes_nothing() {
    let fixture = Fixture::new().await;
    let (mut first, mut second) = (fixture.feed(), fixture.feed());
    first.take(&[], at(1)).await.unwrap();
    second.position().await.unwrap();
    first.take(&[reserved()], at(2)).await.unwrap();
    let late = second.take(&[reserved(), released()], at(3)).await;
    assert!(matches!(late, Err(TakeError::StoodDown)), "{late:?}");
    assert_eq!(fixture.tasks().await, 1);
    second.position().await.unwrap();
    second.take(&[released()], at(3)).await.unwrap();
    assert_eq!(fixture.tasks().await, 0);
}

#[tokio::test]
async fn a_list_to_be_made_anew_is_noticed_however_soon_it_happens_again() {
    let fixture = Fixture::new().await;
    let mut feed = fixture.feed();
    for round in 1..=2 {
        assert_eq!(feed.position().await.unwrap(), None);
        feed.take(&[], at(round)).await.unwrap();
        // Taken away before anybody has looked for it.
        fixture.execute("DELETE FROM follower.checkpoint").await;
        let noticed = feed.forgotten(Duration::from_millis(1));
        let noticed = tokio::time::timeout(Duration::from_secs(5), noticed).await;
        assert!(noticed.is_ok(), "round {round}");
    }
}
