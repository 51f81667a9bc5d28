//! The units each order has of a ticket, as far as a batch touches them.

use std::collections::HashMap;

use domain::id::{OrderId, TicketId};
use sqlx::PgConnection;
use uuid::Uuid;

pub(super) type HoldKey = (TicketId, OrderId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) units: i64,
    pub(super) sold: bool,
}

/// By key; none where the batch has ended a hold.
#[derive(Default)]
pub(super) struct Holds(HashMap<HoldKey, Option<Hold>>);

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
            ((TicketId(ticket), OrderId(order)), Some(Hold { units: units.into(), sold }))
        });
        Ok(Self(holds.collect()))
    }

    /// Ends a hold, if there is one.
    pub(super) fn take(&mut self, key: HoldKey) -> Option<Hold> {
        self.0.get_mut(&key)?.take()
    }

    pub(super) fn put(&mut self, key: HoldKey, hold: Hold) {
        self.0.insert(key, Some(hold).filter(|hold| hold.units > 0));
    }

    pub(super) async fn store(self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (mut gone, mut kept) = (Keys::default(), Keys::default());
        let (mut units, mut sold) = (Vec::new(), Vec::new());
        for (key, hold) in self.0 {
            match hold {
                None => gone.push(key),
                Some(hold) => {
                    kept.push(key);
                    units.push(hold.units);
                    sold.push(hold.sold);
                }
            }
        }
        delete(db, gone).await?;
        upsert(db, kept, units, sold).await
    }
}

#[derive(Default)]
struct Keys {
    tickets: Vec<Uuid>,
    orders: Vec<Uuid>,
}

impl Keys {
    fn push(&mut self, (ticket, order): HoldKey) {
        self.tickets.push(ticket.0);
        self.orders.push(order.0);
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

async fn upsert(
    db: &mut PgConnection,
    kept: Keys,
    units: Vec<i64>,
    sold: Vec<bool>,
) -> sqlx::Result<()> {
    if kept.tickets.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO holds (ticket, order_id, units, sold) \
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bool[]) \
         ON CONFLICT (ticket, order_id) \
         DO UPDATE SET units = excluded.units, sold = excluded.sold",
    )
    .bind(kept.tickets)
    .bind(kept.orders)
    .bind(units)
    .bind(sold)
    .execute(db)
    .await
    .map(|_| ())
}
