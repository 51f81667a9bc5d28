//! An event that cannot be taken parks its aggregate; everything else flows on, and it can be let in.

use bytes::Bytes;
use chrono::Utc;
use domain::Order;
use domain::id::{AccountId, OrderId, PaymentId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::text::{Quantity, Title};
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use eventlog::raw::{RawEvent, RawLog};
use local_services::testing::TestDatabase;
use projectors::parked::{self, LetIn, Way};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Market, Running, assert_verified, caught_up, cause, client, database};

const BUYER: AccountId = AccountId(Uuid::from_u128(6));
/// How many projections there are that cannot do without reading every event.
const ALL: usize = projectors::NAMES.len();

async fn execute(log: &EventLog, order: OrderId, command: OrderCommand) {
    log.execute::<Order>(&order, command, &cause()).await.unwrap();
}

fn terms(ticket: TicketId) -> OrderPlaced {
    let price = Money { minor: 500, currency: Currency::USD };
    OrderPlaced {
        buyer: BUYER,
        ticket,
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::ONE,
        unit_price: price,
        total: price,
        expires_at: Utc::now() + chrono::TimeDelta::minutes(15),
    }
}

async fn sales_of(pool: &PgPool, ticket: TicketId) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM read.sales_by_day WHERE ticket = $1")
        .bind(ticket.0)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_fit_holds_up_its_own_aggregate_alone() {
    let (log, test_database) = tokio::join!(TestLog::start(), TestDatabase::create());
    let client = client(&log);
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 31);
    let running = Running::start(&client, &pool);
    market.bustle(50).await;
    // Sold to somebody, though nobody has ever listed it.
    let (order, ticket) = (OrderId(Uuid::now_v7()), TicketId(Uuid::now_v7()));
    let payment = PaymentId(Uuid::now_v7());
    execute(&client, order, OrderCommand::Place(terms(ticket))).await;
    execute(&client, order, OrderCommand::StartPayment { payment, by: BUYER, now: Utc::now() })
        .await;
    execute(&client, order, OrderCommand::Complete { payment }).await;
    market.bustle(50).await;
    let refund = domain::id::RefundId(Uuid::now_v7());
    let amount = Money { minor: 500, currency: Currency::USD };
    let reason = String::new();
    execute(&client, order, OrderCommand::RequestRefund { refund, amount, reason }).await;
    caught_up(&client, &pool).await;
    market.assert_agrees_on_its_own(&pool).await;

    let list = parked::list(&pool).await.unwrap();
    let [it] = &list[..] else { panic!("{list:?}") };
    assert_eq!((it.stream.clone(), it.waiting), (format!("order-{order}"), 1));
    assert!(it.follower.starts_with("projector/sales_by_day/"), "{it:?}");
    assert!(it.error.contains("was never listed"), "{it:?}");
    let status = projectors::status(&pool).await.unwrap();
    assert_eq!(status.iter().map(|status| status.parked).sum::<u64>(), 1);
    // The fold parks it too, so nothing is off.
    assert_verified(&client, &pool).await;

    let again = parked::let_in(&client, &pool, it, Way::Retry).await.unwrap();
    assert!(matches!(again, LetIn::Still(_)), "{again:?}");
    market.list_as(ticket).await;
    caught_up(&client, &pool).await;
    let again = parked::let_in(&client, &pool, it, Way::Retry).await.unwrap();
    assert_eq!(again, LetIn::Open);
    assert_eq!(sales_of(&pool, ticket).await, 1);
    execute(&client, order, OrderCommand::RecordRefund { refund }).await;
    caught_up(&client, &pool).await;
    let refunded: i64 =
        sqlx::query_scalar("SELECT refunded_minor FROM read.sales_by_day WHERE ticket = $1")
            .bind(ticket.0)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(refunded, 500);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_passed_by_and_can_be_left_out() {
    let (log, test_database) = tokio::join!(TestLog::start(), TestDatabase::create());
    let client = client(&log);
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 32);
    let running = Running::start(&client, &pool);
    market.bustle(30).await;
    let order = OrderId(Uuid::now_v7());
    let stream = format!("order-{order}");
    execute(&client, order, OrderCommand::Place(terms(TicketId(Uuid::now_v7())))).await;
    // By a newer program; and past the rules, which cannot read the stream either.
    let payment = format!("{{\"payment\":\"{}\"}}", Uuid::now_v7());
    let raw = RawLog::open(&log.connection_string()).unwrap();
    for (revision, kind, body) in
        [(1, "OrderTeleported.v1", "{}"), (2, "OrderPaymentStarted.v1", &payment)]
    {
        raw.append(&stream, revision, &[raw_event(&stream, revision, kind, body)]).await.unwrap();
    }
    market.bustle(30).await;
    caught_up(&client, &pool).await;
    market.assert_agrees_on_its_own(&pool).await;

    let list = parked::list(&pool).await.unwrap();
    assert_eq!(list.len(), ALL, "{list:?}");
    for it in &list {
        assert_eq!((it.stream.clone(), it.revision.0, it.waiting), (stream.clone(), 1, 1));
        let retried = parked::let_in(&client, &pool, it, Way::Retry).await.unwrap();
        assert!(matches!(retried, LetIn::Still(_)));
        let skipped = parked::let_in(&client, &pool, it, Way::Skip).await.unwrap();
        assert_eq!(skipped, LetIn::Open);
    }
    assert!(parked::list(&pool).await.unwrap().is_empty());
    let status: String = sqlx::query_scalar("SELECT status FROM read.orders WHERE id = $1")
        .bind(order.0)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(status, "awaiting_payment", "what waited behind it has been taken");
    running.stop().await;
}

fn raw_event(stream: &str, revision: u64, event_type: &str, body: &str) -> RawEvent {
    let id = Uuid::now_v7();
    let now = Utc::now().to_rfc3339();
    let metadata = format!(
        "{{\"correlation\":\"{id}\",\"causation\":\"{id}\",\"actor\":{{\"kind\":\"anonymous\"}},\
         \"command\":\"{id}\",\"occurred_at\":\"{now}\",\"build\":\"test\"}}"
    );
    RawEvent {
        stream: stream.to_owned(),
        revision,
        position: 0,
        event_type: event_type.to_owned(),
        id,
        created: Utc::now(),
        json: true,
        metadata: Bytes::from(metadata),
        data: Bytes::from(body.to_owned()),
    }
}
