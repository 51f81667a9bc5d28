use domain::event::{Actor, Metadata, Revision};
use domain::id::{AccountId, CommandId, OrderId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::{TicketEvent, TicketListed, TicketReserved};
use local_services::testing::TestDatabase;
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::*;
use crate::projection::{Projection, RowsOf};
use crate::tickets::Tickets;
use crate::{PROJECTIONS, Registered, install, parked, prune};

const TICKET: TicketId = TicketId(Uuid::from_u128(1));

fn at(number: u64) -> Position {
    Position { commit: number, prepare: number }
}

fn recorded(stream: &str, revision: u64, event: TicketEvent) -> Recorded<DomainEvent> {
    let now = chrono::Utc::now();
    Recorded {
        event: DomainEvent::Ticket(event),
        event_type: "Test.v1".to_owned(),
        id: Uuid::now_v7(),
        stream: stream.to_owned(),
        revision: Revision(revision),
        position: at(100 + revision),
        metadata: Metadata {
            correlation: Uuid::nil(),
            causation: Uuid::nil(),
            actor: Actor::Anonymous,
            command: CommandId(Uuid::nil()),
            fingerprint: None,
            trace: None,
            occurred_at: now,
            build: "test".to_owned(),
        },
        at: now,
    }
}

fn listed() -> TicketEvent {
    TicketEvent::TicketListed(TicketListed {
        seller: AccountId(Uuid::from_u128(2)),
        title: Title::parse("Concert").unwrap(),
        price: Money { minor: 2_000, currency: Currency::USD },
        quantity: Quantity::new(10).unwrap(),
        max_per_order: Quantity::new(10).unwrap(),
    })
}

fn reserved(order: u128, units: u32) -> TicketEvent {
    TicketEvent::TicketReserved(TicketReserved {
        order: OrderId(Uuid::from_u128(order)),
        buyer: AccountId(Uuid::from_u128(3)),
        quantity: Quantity::new(units).unwrap(),
        unit_price: Money { minor: 2_000, currency: Currency::USD },
        expires_at: chrono::Utc::now(),
    })
}

async fn connect(database: &TestDatabase) -> PgPool {
    PgPool::connect(database.url()).await.unwrap()
}

/// A process of its own.
fn projector(projection: Registered, pool: &PgPool) -> Projector {
    Projector::new(projection, pool.clone(), Leases::new(pool.clone()))
}

async fn reserved_units(pool: &PgPool) -> i32 {
    sqlx::query_scalar("SELECT reserved FROM read.tickets").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn of_two_replicas_that_take_the_same_events_one_stands_down() {
    let database = TestDatabase::create().await;
    let pool = connect(&database).await;
    install(&pool).await.unwrap();
    let stream = format!("ticket-{TICKET}");
    let (mut one, mut two) = (
        projector(Registered::of::<Tickets>(), &pool),
        projector(Registered::of::<Tickets>(), &pool),
    );
    let first = [recorded(&stream, 0, listed())];
    for (revision, batch) in [(100, first), (101, [recorded(&stream, 1, reserved(7, 2))])] {
        one.position().await.unwrap();
        let second = two.position().await;
        assert!(matches!(second, Err(TakeError::StandsBy)), "{second:?}");
        // As if the lease were lost unnoticed.
        two.resume().await.unwrap();
        let (first, second) =
            tokio::join!(one.take(&batch, at(revision)), two.take(&batch, at(revision)));
        let outcomes = [first, second];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        let stood_down =
            |outcome: &&Result<(), TakeError>| matches!(outcome, Err(TakeError::StoodDown));
        assert_eq!(outcomes.iter().filter(stood_down).count(), 1, "{outcomes:?}");
    }
    assert_eq!(reserved_units(&pool).await, 2);
}

#[tokio::test]
async fn a_batch_that_cannot_be_applied_leaves_nothing_behind() {
    let database = TestDatabase::create().await;
    let pool = connect(&database).await;
    install(&pool).await.unwrap();
    let mut projector = projector(Registered::of::<Tickets>(), &pool);
    // What is missing is missing for every event, so none is to blame.
    let broken = "ALTER TABLE tickets_v3.holds RENAME TO held";
    sqlx::query(broken).execute(&pool).await.unwrap();
    let stream = format!("ticket-{TICKET}");
    let batch = [recorded(&stream, 0, listed()), recorded(&stream, 1, reserved(7, 2))];
    let outcome = projector.take(&batch, at(101)).await;
    assert!(matches!(outcome, Err(TakeError::Halt(_))), "{outcome:?}");
    assert_eq!(projector.position().await.unwrap(), None);
    assert_eq!(tickets(&pool).await, 0);
    assert!(parked::list(&pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_found_among_others_and_its_stream_alone_parked() {
    let database = TestDatabase::create().await;
    let pool = connect(&database).await;
    install(&pool).await.unwrap();
    let mut projector = projector(Registered::of::<Tickets>(), &pool);
    let foreign = "ticket-of-somebody-else";
    let stream = |number: u128| format!("ticket-{}", Uuid::from_u128(number));
    let mut batch: Vec<_> = (1..6).map(|number| recorded(&stream(number), 0, listed())).collect();
    batch.insert(2, recorded(foreign, 0, listed()));
    batch.push(recorded(foreign, 1, reserved(7, 2)));
    batch.push(recorded(&stream(1), 1, reserved(7, 2)));
    projector.take(&batch, at(101)).await.unwrap();
    projector.take(&[recorded(foreign, 2, reserved(8, 1))], at(102)).await.unwrap();
    assert_eq!(tickets(&pool).await, 5);
    let list = parked::list(&pool).await.unwrap();
    let [it] = &list[..] else { panic!("{list:?}") };
    assert_eq!((it.stream.as_str(), it.revision, it.waiting), (foreign, Revision(0), 2));
    assert_eq!(it.last_revision, Revision(2));
}

async fn tickets(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM read.tickets").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn many_processes_may_install_at_once() {
    let database = TestDatabase::create().await;
    let pool = connect(&database).await;
    let outcomes = futures::future::join_all((0..4).map(|_| install(&pool))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let names: Vec<String> =
        crate::status(&pool).await.unwrap().into_iter().map(|status| status.name).collect();
    assert_eq!(
        names,
        ["accounts", "disputes", "ledger", "orders", "sales_by_day", "tickets", "timeline"]
    );
    assert_eq!(PROJECTIONS.len(), names.len());
}

// === Versions ===

/// Counts events; the second version counts them twice, so that it can be told from the first.
struct Tally<const VERSION: u32>;

impl<const VERSION: u32> Projection for Tally<VERSION> {
    const NAME: &'static str = "tally";
    const VERSION: u32 = VERSION;
    const TABLES: &'static str =
        "CREATE TABLE tally (events integer NOT NULL); INSERT INTO tally VALUES (0)";
    const ROWS: &'static [RowsOf] = &[];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        sqlx::query("UPDATE tally SET events = events + $1")
            .bind(i32::try_from(events.len()).unwrap() * i32::try_from(VERSION).unwrap())
            .execute(db)
            .await?;
        Ok(events.iter().map(|record| record.id).collect())
    }
}

async fn tally(pool: &PgPool) -> i32 {
    sqlx::query_scalar("SELECT events FROM read.tally").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn readers_see_a_new_version_once_it_has_come_as_far_as_the_old_one() {
    let database = TestDatabase::create().await;
    let pool = connect(&database).await;
    install(&pool).await.unwrap();
    schema::install(&pool, &[Registered::of::<Tally<1>>()]).await.unwrap();
    let stream = format!("ticket-{TICKET}");
    let events = [recorded(&stream, 0, listed()), recorded(&stream, 1, reserved(7, 1))];
    let mut old = projector(Registered::of::<Tally<1>>(), &pool);
    old.take(&events, at(2)).await.unwrap();
    assert_eq!(tally(&pool).await, 2);

    schema::install(&pool, &[Registered::of::<Tally<2>>()]).await.unwrap();
    let mut new = projector(Registered::of::<Tally<2>>(), &pool);
    let mut heard = PgListener::connect_with(&pool).await.unwrap();
    heard.listen("projection").await.unwrap();
    assert_eq!(new.position().await.unwrap(), None, "it is filled from the start");
    new.take(&events[..1], at(1)).await.unwrap();
    assert_eq!(tally(&pool).await, 2, "it has not caught up");
    new.take(&events[1..], at(2)).await.unwrap();
    assert_eq!(tally(&pool).await, 4);

    // A replica of the old build goes on beside it, unseen and unheard.
    old.take(&events[..1], at(3)).await.unwrap();
    assert_eq!(tally(&pool).await, 4);
    schema::install(&pool, &[Registered::of::<Tally<1>>()]).await.unwrap();
    assert_eq!(tally(&pool).await, 4, "an old build that starts later changes nothing");
    new.take(&events[..1], at(4)).await.unwrap();
    let [shown, next] = [events[1].id, events[0].id];
    let told = heard.recv().await.unwrap();
    assert_eq!(told.payload(), format!("projector/tally 2-2 {shown}"));
    let told = heard.recv().await.unwrap();
    assert_eq!(told.payload(), format!("projector/tally 4-4 {next}"));

    // Once somebody says that it is needed no more, nothing is left of it.
    let second = [Registered::of::<Tally<2>>()];
    assert_eq!(prune::prune_each(&pool, &second).await.unwrap(), ["tally_v1"]);
    let outcome = old.take(&events[..1], at(5)).await;
    assert!(matches!(outcome, Err(TakeError::StoodDown)), "{outcome:?}");
    assert!(prune::prune_each(&pool, &second).await.unwrap().is_empty());
    new.take(&events[..1], at(5)).await.unwrap();
    assert_eq!(tally(&pool).await, 8);
}
