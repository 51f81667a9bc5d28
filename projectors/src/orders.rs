//! Every order that was ever placed, with how far it is.

use std::collections::HashMap;

use domain::id::{OrderId, PaymentId};
use domain::order::{OrderEvent, OrderPlaced};
use domain::{Aggregate, DomainEvent, Order, Position, Recorded, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, position_columns, revision_column};

pub(crate) struct Orders;

impl Projection for Orders {
    const NAME: &'static str = "orders";
    const VERSION: u32 = 4;
    const TABLES: &'static str = include_str!("orders.sql");
    const ROWS: &'static [RowsOf] =
        &[RowsOf { table: "orders", column: "id", category: Some(Order::CATEGORY) }];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let mut changes: HashMap<OrderId, Change<'_>> = HashMap::new();
        for record in events {
            match &record.event {
                DomainEvent::Order(event) => {
                    changes.entry(id_of::<Order, _>(record)?).or_default().take(event, record)?;
                }
                DomainEvent::Account(_)
                | DomainEvent::EmailClaim(_)
                | DomainEvent::Notice(_)
                | DomainEvent::Ticket(_)
                | DomainEvent::Payment(_) => {}
            }
        }
        let rows = changes.keys().map(|order| order.0).collect();
        let (placed, changed): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, change)| change.placed.is_some());
        insert(db, placed).await?;
        update(db, changed).await?;
        Ok(rows)
    }
}

/// What a batch changes in one order.
#[derive(Default)]
struct Change<'a> {
    /// Present when the order is placed by this batch, so that its row is yet to be made.
    placed: Option<(&'a OrderPlaced, Timestamp, Position)>,
    /// None: as it was.
    status: Option<&'static str>,
    payment: Payment,
    version: i64,
    /// Of the last event.
    position: Position,
}

/// What becomes of the order's payment.
#[derive(Clone, Copy, Default)]
enum Payment {
    #[default]
    Unchanged,
    Now(Option<PaymentId>),
}

impl<'a> Change<'a> {
    fn take(&mut self, event: &'a OrderEvent, record: &Recorded<DomainEvent>) -> sqlx::Result<()> {
        self.version = revision_column(record.revision)?;
        self.position = record.position;
        match event {
            OrderEvent::OrderPlaced(terms) => {
                self.placed = Some((terms, record.metadata.occurred_at, record.position));
                self.set("created", None);
            }
            OrderEvent::OrderPaymentStarted(started) => {
                self.set("awaiting_payment", Some(started.payment));
            }
            OrderEvent::OrderPaymentFailed(_) => self.set("created", None),
            OrderEvent::OrderCompleted(completed) => self.set("complete", Some(completed.payment)),
            OrderEvent::OrderReinstated(back) => self.set("complete", Some(back.payment)),
            OrderEvent::OrderCancelled(_) => self.set("cancelled", None),
            OrderEvent::OrderExpired(_) => self.set("expired", None),
            OrderEvent::OrderRefundRequested(asked) => self.set("refunding", Some(asked.payment)),
            OrderEvent::OrderRefunded(_) => self.status = Some("refunded"),
            // What becomes of a payment that does not pay the order.
            OrderEvent::OrderPaymentTurnedAway(_) => {}
        }
        Ok(())
    }

    fn set(&mut self, status: &'static str, payment: Option<PaymentId>) {
        self.status = Some(status);
        self.payment = Payment::Now(payment);
    }
}

// === Rows out of changes, a column an array ===

/// What every change has, placed or not.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    status: Vec<Option<&'static str>>,
    payment: Vec<Option<Uuid>>,
    keeps_payment: Vec<bool>,
    version: Vec<i64>,
    changed_commit: Vec<i64>,
    changed_prepare: Vec<i64>,
}

impl Columns {
    fn push(&mut self, order: OrderId, change: &Change<'_>) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(change.position)?;
        let (payment, keeps_payment) = match change.payment {
            Payment::Unchanged => (None, true),
            Payment::Now(payment) => (payment.map(|payment| payment.0), false),
        };
        self.id.push(order.0);
        self.status.push(change.status);
        self.payment.push(payment);
        self.keeps_payment.push(keeps_payment);
        self.version.push(change.version);
        self.changed_commit.push(commit);
        self.changed_prepare.push(prepare);
        Ok(())
    }
}

/// The terms, which never change.
#[derive(Default)]
struct TermsColumns {
    ticket: Vec<Uuid>,
    buyer: Vec<Uuid>,
    title: Vec<String>,
    quantity: Vec<i64>,
    unit_price_minor: Vec<i64>,
    total_minor: Vec<i64>,
    currency: Vec<String>,
    expires_at: Vec<Timestamp>,
    placed_at: Vec<Timestamp>,
    placed_commit: Vec<i64>,
    placed_prepare: Vec<i64>,
}

impl TermsColumns {
    fn push(&mut self, terms: &OrderPlaced, at: Timestamp, position: Position) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(position)?;
        self.ticket.push(terms.ticket.0);
        self.buyer.push(terms.buyer.0);
        self.title.push(terms.title.to_string());
        self.quantity.push(terms.quantity.get().into());
        self.unit_price_minor.push(terms.unit_price.minor);
        self.total_minor.push(terms.total.minor);
        self.currency.push(terms.total.currency.code());
        self.expires_at.push(terms.expires_at);
        self.placed_at.push(at);
        self.placed_commit.push(commit);
        self.placed_prepare.push(prepare);
        Ok(())
    }
}

async fn insert(db: &mut PgConnection, placed: Vec<(OrderId, Change<'_>)>) -> sqlx::Result<()> {
    if placed.is_empty() {
        return Ok(());
    }
    let (mut columns, mut terms_columns) = (Columns::default(), TermsColumns::default());
    for (order, change) in placed {
        let Some((terms, at, position)) = change.placed else { continue };
        columns.push(order, &change)?;
        terms_columns.push(terms, at, position)?;
    }
    sqlx::query(
        "INSERT INTO orders (id, status, payment, version, ticket, buyer, title, quantity, \
             unit_price_minor, total_minor, currency, expires_at, placed_at, placed_commit, \
             placed_prepare, changed_commit, changed_prepare) \
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[], \
             $6::uuid[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], \
             $12::timestamptz[], $13::timestamptz[], $14::bigint[], $15::bigint[], \
             $16::bigint[], $17::bigint[])",
    )
    .bind(columns.id)
    .bind(columns.status)
    .bind(columns.payment)
    .bind(columns.version)
    .bind(terms_columns.ticket)
    .bind(terms_columns.buyer)
    .bind(terms_columns.title)
    .bind(terms_columns.quantity)
    .bind(terms_columns.unit_price_minor)
    .bind(terms_columns.total_minor)
    .bind(terms_columns.currency)
    .bind(terms_columns.expires_at)
    .bind(terms_columns.placed_at)
    .bind(terms_columns.placed_commit)
    .bind(terms_columns.placed_prepare)
    .bind(columns.changed_commit)
    .bind(columns.changed_prepare)
    .execute(db)
    .await
    .map(|_| ())
}

async fn update(db: &mut PgConnection, changed: Vec<(OrderId, Change<'_>)>) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    for (order, change) in &changed {
        columns.push(*order, change)?;
    }
    sqlx::query(
        "UPDATE orders SET \
             status = COALESCE(new.status, orders.status), \
             payment = CASE WHEN new.keeps_payment THEN orders.payment ELSE new.payment END, \
             version = new.version, \
             changed_commit = new.changed_commit, \
             changed_prepare = new.changed_prepare \
         FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::bool[], $5::bigint[], \
             $6::bigint[], $7::bigint[]) \
             AS new (id, status, payment, keeps_payment, version, changed_commit, \
                 changed_prepare) \
         WHERE orders.id = new.id",
    )
    .bind(columns.id)
    .bind(columns.status)
    .bind(columns.payment)
    .bind(columns.keeps_payment)
    .bind(columns.version)
    .bind(columns.changed_commit)
    .bind(columns.changed_prepare)
    .execute(db)
    .await
    .map(|_| ())
}
