//! Accounts, sales by day and the timeline: each says what a reader of the log counts up himself.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::account::{AccountCommand, Sealed};
use domain::event::Actor;
use domain::id::{AccountId, EmailClaimId, OrderId, RefreshId, SessionId, TicketId};
use domain::order::OrderEvent;
use domain::ticket::TicketEvent;
use domain::{Account, DomainEvent, Position, Recorded};
use embedded_log::testing::TestLog;
use eventlog::{Delivery, EventLog};
use futures::StreamExt;
use local_services::testing::TestDatabase;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Market, Running, caught_up, cause, client, database};

#[tokio::test]
async fn an_account_shows_its_open_sessions_and_whether_it_is_erased() {
    let log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let person = Person::register(&client).await;
    let running = Running::start(&client, &pool);

    let long_ago = Utc::now() - TimeDelta::days(60);
    person.open(long_ago, long_ago + TimeDelta::days(30)).await;
    let browser = person.open(Utc::now(), Utc::now() + TimeDelta::days(30)).await;
    let program = person.open_program(RefreshId(Uuid::from_u128(1))).await;
    caught_up(&client, &pool).await;
    assert_eq!(person.row(&pool).await, (2, false), "one has run out, two are open");

    person.refresh(program, RefreshId(Uuid::from_u128(9))).await;
    caught_up(&client, &pool).await;
    assert_eq!(person.row(&pool).await, (1, false), "a refresh token came twice");
    person.execute(AccountCommand::RevokeSession { session: browser }).await;
    caught_up(&client, &pool).await;
    assert_eq!(person.row(&pool).await, (0, false));

    person.open(Utc::now(), Utc::now() + TimeDelta::days(30)).await;
    let claim = EmailClaimId("a-claim".to_owned());
    person.execute(AccountCommand::RequestErasure { claim }).await;
    person.execute(AccountCommand::ConfirmErasure).await;
    caught_up(&client, &pool).await;
    assert_eq!(person.row(&pool).await, (0, true));
    let texts: Vec<String> =
        sqlx::query_scalar("SELECT accounts::text FROM read.accounts AS accounts")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(texts.iter().all(|text| !text.contains("sealed")), "{texts:?}");
    running.stop().await;
}

/// Somebody with an account.
struct Person {
    log: EventLog,
    id: AccountId,
}

const PASSWORD: &str = "sealed-password";

impl Person {
    async fn register(log: &EventLog) -> Self {
        let person = Self { log: log.clone(), id: AccountId(Uuid::now_v7()) };
        let (email, password) = (Sealed("sealed-email".to_owned()), Sealed(PASSWORD.to_owned()));
        person.execute(AccountCommand::Register { email, password }).await;
        person
    }

    async fn execute(&self, command: AccountCommand) {
        self.log.execute::<Account>(&self.id, command, &cause()).await.unwrap();
    }

    async fn open(&self, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> SessionId {
        let session = SessionId(Uuid::now_v7());
        let verified = Sealed(PASSWORD.to_owned());
        self.execute(AccountCommand::OpenSession { verified, session, now, expires_at }).await;
        session
    }

    async fn open_program(&self, refresh: RefreshId) -> SessionId {
        let (session, now) = (SessionId(Uuid::now_v7()), Utc::now());
        let verified = Sealed(PASSWORD.to_owned());
        let expires_at = now + TimeDelta::days(30);
        self.execute(AccountCommand::OpenProgramSession {
            verified,
            session,
            refresh,
            now,
            expires_at,
        })
        .await;
        session
    }

    async fn refresh(&self, session: SessionId, presented: RefreshId) {
        let (next, now) = (RefreshId(Uuid::now_v7()), Utc::now());
        self.execute(AccountCommand::RefreshToken { session, presented, next, now }).await;
    }

    async fn row(&self, pool: &PgPool) -> (i64, bool) {
        sqlx::query_as("SELECT open_sessions, erased FROM read.accounts WHERE id = $1")
            .bind(self.id.0)
            .fetch_one(pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn the_timeline_and_the_days_of_sale_are_what_the_log_says() {
    let log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 4);
    let running = Running::start(&client, &pool);
    market.bustle(400).await;
    caught_up(&client, &pool).await;
    let events = all_events(&client).await;

    let rows: Vec<TimelineRow> =
        sqlx::query_as("SELECT * FROM read.timeline ORDER BY commit_position, prepare_position")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(rows, events.iter().map(TimelineRow::of).collect::<Vec<_>>());

    let rows: Vec<(Uuid, Uuid, NaiveDate, String, i64, i64, i64)> =
        sqlx::query_as("SELECT * FROM read.sales_by_day").fetch_all(&pool).await.unwrap();
    let rows: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(seller, ticket, day, currency, units, gross, refunded)| {
            ((seller, ticket, day, currency), (units, gross, refunded))
        })
        .collect();
    let expected = sales(&events);
    assert!(expected.values().any(|sum| sum.2 > 0), "nothing was refunded");
    assert_eq!(rows, expected);
    running.stop().await;
}

async fn all_events(log: &EventLog) -> Vec<Recorded<DomainEvent>> {
    let head: Option<Position> = log.head().await.unwrap();
    let mut deliveries = Box::pin(log.subscribe(None));
    let mut events = Vec::new();
    while let Some(delivery) = deliveries.next().await {
        if let Delivery::Event(record) = delivery.unwrap() {
            let last = Some(record.position) == head;
            events.push(record);
            if last {
                return events;
            }
        }
    }
    panic!("the log ends before its end");
}

type Day = (Uuid, Uuid, NaiveDate, String);

/// Units, gross and refunded.
fn sales(events: &[Recorded<DomainEvent>]) -> BTreeMap<Day, (i64, i64, i64)> {
    let mut sellers = BTreeMap::<TicketId, AccountId>::new();
    let mut orders = BTreeMap::<OrderId, (TicketId, i64, i64, String, i64)>::new();
    let mut days = BTreeMap::<Day, (i64, i64, i64)>::new();
    for record in events {
        let id: Uuid = record.stream.split_once('-').unwrap().1.parse().unwrap();
        let order = OrderId(id);
        let day = record.metadata.occurred_at.date_naive();
        match &record.event {
            DomainEvent::Ticket(TicketEvent::TicketListed(listed)) => {
                sellers.insert(TicketId(id), listed.seller);
            }
            DomainEvent::Order(OrderEvent::OrderPlaced(terms)) => {
                let (units, total) = (terms.quantity.get().into(), terms.total.minor);
                let currency = terms.total.currency.code();
                orders.insert(order, (terms.ticket, units, total, currency, 0));
            }
            DomainEvent::Order(OrderEvent::OrderRefundRequested(asked)) => {
                orders.get_mut(&order).unwrap().4 = asked.amount.minor;
            }
            DomainEvent::Order(
                event @ (OrderEvent::OrderCompleted(_)
                | OrderEvent::OrderReinstated(_)
                | OrderEvent::OrderRefunded(_)),
            ) => {
                let (ticket, units, total, currency, refund) = orders[&order].clone();
                let sum = days.entry((sellers[&ticket].0, ticket.0, day, currency)).or_default();
                if matches!(event, OrderEvent::OrderRefunded(_)) {
                    sum.2 += refund;
                } else {
                    sum.0 += units;
                    sum.1 += total;
                }
            }
            DomainEvent::Account(_)
            | DomainEvent::EmailClaim(_)
            | DomainEvent::Notice(_)
            | DomainEvent::Ticket(_)
            | DomainEvent::Order(_)
            | DomainEvent::Payment(_) => {}
        }
    }
    days
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct TimelineRow {
    event_id: Uuid,
    commit_position: i64,
    prepare_position: i64,
    stream: String,
    aggregate: String,
    aggregate_id: String,
    revision: i64,
    event: String,
    actor: String,
    actor_id: Option<String>,
    command: Uuid,
    correlation: Uuid,
    causation: Uuid,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

impl TimelineRow {
    fn of(record: &Recorded<DomainEvent>) -> Self {
        let column = |number: u64| i64::try_from(number).unwrap();
        let (aggregate, aggregate_id) = record.stream.split_once('-').unwrap();
        assert_eq!(record.metadata.actor, Actor::Anonymous);
        let name = format!("{:?}", record.event);
        let name = name.split('(').nth(1).unwrap();
        Self {
            event_id: record.id,
            commit_position: column(record.position.commit),
            prepare_position: column(record.position.prepare),
            stream: record.stream.clone(),
            aggregate: aggregate.to_owned(),
            aggregate_id: aggregate_id.to_owned(),
            revision: column(record.revision.0),
            event: format!("{name}.v1"),
            actor: "anonymous".to_owned(),
            actor_id: None,
            command: record.metadata.command.0,
            correlation: record.metadata.correlation,
            causation: record.metadata.causation,
            occurred_at: micros(record.metadata.occurred_at),
            recorded_at: record.at,
        }
    }
}

/// As fine as Postgres keeps it.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap()
}
