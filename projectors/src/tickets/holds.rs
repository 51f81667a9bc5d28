//! The units each order has of a ticket, as far as a batch touches them.

use std::collections::BTreeMap;

use domain::id::{OrderId, TicketId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::new_rows::NewRows;
use crate::stream::integer_column;

pub(super) type HoldKey = (TicketId, OrderId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) units: i64,
    pub(super) sold: bool,
}

#[derive(Default)]
pub(super) struct Holds(BTreeMap<HoldKey, Entry>);

#[derive(Clone, Copy, Default)]
struct Entry {
    /// As the table has it; none when it has no such row.
    stored: Option<Hold>,
    /// As the batch leaves it.
    now: Option<Hold>,
}

impl Holds {
    pub(super) async fn load(db: &mut PgConnection, keys: Vec<HoldKey>) -> sqlx::Result<Self> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let (tickets, orders): (Vec<Uuid>, Vec<Uuid>) =
            keys.into_iter().map(|(ticket, order)| (ticket.0, order.0)).unzip();
        let rows: Vec<(Uuid, Uuid, i32, bool)> = sqlx::query_as(
            "SELECT holds.ticket, holds.order_id, holds.units, holds.sold \
             FROM UNNEST($1::uuid[], $2::uuid[]) AS wanted (ticket, order_id) \
             JOIN holds USING (ticket, order_id)",
        )
        .bind(tickets)
        .bind(orders)
        .fetch_all(db)
        .await?;
        let holds = rows.into_iter().map(|(ticket, order, units, sold)| {
            let hold = Some(Hold { units: units.into(), sold });
            ((TicketId(ticket), OrderId(order)), Entry { stored: hold, now: hold })
        });
        Ok(Self(holds.collect()))
    }

    /// Ends a hold, if there is one.
    pub(super) fn take(&mut self, key: HoldKey) -> Option<Hold> {
        self.0.get_mut(&key)?.now.take()
    }

    pub(super) fn put(&mut self, key: HoldKey, hold: Hold) {
        self.0.entry(key).or_default().now = Some(hold).filter(|hold| hold.units > 0);
    }

    /// The orders that have units of a ticket, as far as the batch knows of them.
    pub(super) fn of_ticket(&self, ticket: TicketId) -> impl Iterator<Item = OrderId> {
        let all = (ticket, OrderId(Uuid::nil()))..=(ticket, OrderId(Uuid::max()));
        let held = self.0.range(all).filter(|(_, entry)| entry.now.is_some());
        held.map(|((_, order), _)| *order)
    }

    pub(super) async fn store(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let mut new = NewRows::of("holds", ["ticket", "order_id", "units", "sold"]);
        let (mut gone, mut changed) = (Keys::default(), Changed::default());
        for (&(ticket, order), entry) in &self.0 {
            match (entry.stored, entry.now) {
                (None, None) => {}
                (None, Some(Hold { units, sold })) => {
                    new.push([&ticket.0, &order.0, &integer_column(units)?, &sold])?;
                }
                (Some(_), None) => gone.push(ticket, order),
                (Some(stored), Some(now)) if stored == now => {}
                (Some(_), Some(now)) => changed.push(ticket, order, now),
            }
        }
        delete(db, gone).await?;
        update(db, changed).await?;
        new.write(db).await
    }
}

#[derive(Default)]
struct Keys {
    tickets: Vec<Uuid>,
    orders: Vec<Uuid>,
}

impl Keys {
    fn push(&mut self, ticket: TicketId, order: OrderId) {
        self.tickets.push(ticket.0);
        self.orders.push(order.0);
    }
}

#[derive(Default)]
struct Changed {
    keys: Keys,
    units: Vec<i64>,
    sold: Vec<bool>,
}

impl Changed {
    fn push(&mut self, ticket: TicketId, order: OrderId, hold: Hold) {
        self.keys.push(ticket, order);
        self.units.push(hold.units);
        self.sold.push(hold.sold);
    }
}

async fn delete(db: &mut PgConnection, gone: Keys) -> sqlx::Result<()> {
    if gone.tickets.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM holds USING UNNEST($1::uuid[], $2::uuid[]) AS gone (ticket, order_id) \
         WHERE holds.ticket = gone.ticket AND holds.order_id = gone.order_id",
    )
    .bind(gone.tickets)
    .bind(gone.orders)
    .execute(db)
    .await
    .map(|_| ())
}

async fn update(db: &mut PgConnection, changed: Changed) -> sqlx::Result<()> {
    if changed.units.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE holds SET units = new.units, sold = new.sold \
         FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bool[]) \
             AS new (ticket, order_id, units, sold) \
         WHERE holds.ticket = new.ticket AND holds.order_id = new.order_id",
    )
    .bind(changed.keys.tickets)
    .bind(changed.keys.orders)
    .bind(changed.units)
    .bind(changed.sold)
    .execute(db)
    .await
    .map(|_| ())
}
