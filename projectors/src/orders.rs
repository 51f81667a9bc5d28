//! Every order that was ever placed, with how far it is.

use std::collections::BTreeMap;

use domain::id::{OrderId, PaymentId};
use domain::order::{OrderEvent, OrderPlaced};
use domain::{Aggregate, DomainEvent, Order, Position, Recorded, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::new_rows::NewRows;
use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, integer_column, position_columns, revision_column};

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
        // By id, which is also the order of the index.
        let mut changes: BTreeMap<OrderId, Change<'_>> = BTreeMap::new();
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

// === Rows out of changes: new ones by `COPY`, for the others a column an array ===

/// What every change has.
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

const NEW_COLUMNS: [&str; 17] = [
    "id",
    "ticket",
    "buyer",
    "title",
    "quantity",
    "unit_price_minor",
    "total_minor",
    "currency",
    "status",
    "payment",
    "expires_at",
    "version",
    "placed_at",
    "placed_commit",
    "placed_prepare",
    "changed_commit",
    "changed_prepare",
];

async fn insert(db: &mut PgConnection, placed: Vec<(OrderId, Change<'_>)>) -> sqlx::Result<()> {
    let mut rows = NewRows::of("orders", NEW_COLUMNS);
    for (order, change) in placed {
        let Some((terms, at, position)) = change.placed else { continue };
        let payment = match change.payment {
            Payment::Unchanged => None,
            Payment::Now(payment) => payment.map(|payment| payment.0),
        };
        let (placed_commit, placed_prepare) = position_columns(position)?;
        let (changed_commit, changed_prepare) = position_columns(change.position)?;
        rows.push([
            &order.0,
            &terms.ticket.0,
            &terms.buyer.0,
            &terms.title.as_str(),
            &integer_column(terms.quantity.get())?,
            &terms.unit_price.minor,
            &terms.total.minor,
            &terms.total.currency.code(),
            &change.status,
            &payment,
            &terms.expires_at,
            &change.version,
            &at,
            &placed_commit,
            &placed_prepare,
            &changed_commit,
            &changed_prepare,
        ])?;
    }
    rows.write(db).await
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
