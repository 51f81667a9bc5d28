//! Whose tickets they are and what the orders are for: said once, and needed later.

use std::collections::{BTreeSet, HashMap};

use domain::id::{AccountId, OrderId, TicketId};
use domain::order::{OrderEvent, OrderPlaced};
use domain::{DomainEvent, Order, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::stream::id_of;

/// An order, as far as a day's sales go.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) ticket: TicketId,
    pub(super) units: i64,
    pub(super) total: i64,
    pub(super) currency: String,
    /// What is to go back.
    pub(super) refund: Option<i64>,
}

impl Sale {
    pub(super) fn of(terms: &OrderPlaced) -> Self {
        Self {
            ticket: terms.ticket,
            units: terms.quantity.get().into(),
            total: terms.total.minor,
            currency: terms.total.currency.code(),
            refund: None,
        }
    }
}

/// An event of something that was never begun, such as when its first event is set aside.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("order {0} was never placed")]
    Order(OrderId),
    #[error("ticket {0} was never listed")]
    Ticket(TicketId),
}

impl From<Unknown> for sqlx::Error {
    fn from(unknown: Unknown) -> Self {
        Self::Decode(unknown.into())
    }
}

/// As far as a batch needs it.
#[derive(Default)]
pub(super) struct Known {
    sellers: HashMap<TicketId, AccountId>,
    sales: HashMap<OrderId, Sale>,
    /// What the batch has added or changed.
    listed: Vec<TicketId>,
    changed: BTreeSet<OrderId>,
}

impl Known {
    pub(super) async fn load(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Self> {
        let mut known = Self::default();
        let orders = orders_counted(events)?;
        if orders.is_empty() {
            return Ok(known);
        }
        let rows: Vec<(Uuid, Uuid, i64, i64, String, Option<i64>)> = sqlx::query_as(
            "SELECT id, ticket, units, total_minor, currency, refund_minor FROM sales_orders \
             WHERE id = ANY($1)",
        )
        .bind(orders)
        .fetch_all(&mut *db)
        .await?;
        for (id, ticket, units, total, currency, refund) in rows {
            let sale = Sale { ticket: TicketId(ticket), units, total, currency, refund };
            known.sales.insert(OrderId(id), sale);
        }
        let placed = events.iter().filter_map(|record| {
            let DomainEvent::Order(OrderEvent::OrderPlaced(terms)) = &record.event else {
                return None;
            };
            Some(terms.ticket)
        });
        let tickets: BTreeSet<Uuid> =
            known.sales.values().map(|sale| sale.ticket).chain(placed).map(|it| it.0).collect();
        let rows: Vec<(Uuid, Uuid)> =
            sqlx::query_as("SELECT ticket, seller FROM sales_sellers WHERE ticket = ANY($1)")
                .bind(tickets.into_iter().collect::<Vec<_>>())
                .fetch_all(db)
                .await?;
        let sellers = rows.into_iter().map(|(ticket, it)| (TicketId(ticket), AccountId(it)));
        known.sellers = sellers.collect();
        Ok(known)
    }

    pub(super) fn list(&mut self, ticket: TicketId, seller: AccountId) {
        self.sellers.insert(ticket, seller);
        self.listed.push(ticket);
    }

    pub(super) fn place(&mut self, order: OrderId, sale: Sale) {
        self.sales.insert(order, sale);
        self.changed.insert(order);
    }

    pub(super) fn sale(&self, order: OrderId) -> sqlx::Result<&Sale> {
        Ok(self.sales.get(&order).ok_or(Unknown::Order(order))?)
    }

    pub(super) fn sale_to_change(&mut self, order: OrderId) -> sqlx::Result<&mut Sale> {
        self.changed.insert(order);
        Ok(self.sales.get_mut(&order).ok_or(Unknown::Order(order))?)
    }

    pub(super) fn seller(&self, ticket: TicketId) -> sqlx::Result<AccountId> {
        Ok(*self.sellers.get(&ticket).ok_or(Unknown::Ticket(ticket))?)
    }

    pub(super) async fn store(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        self.store_sellers(db).await?;
        self.store_sales(db).await
    }

    async fn store_sellers(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let sellers = self.listed.iter().filter_map(|id| Some((id.0, self.sellers.get(id)?.0)));
        let (tickets, sellers): (Vec<Uuid>, Vec<Uuid>) = sellers.unzip();
        if tickets.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO sales_sellers (ticket, seller) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[])",
        )
        .bind(tickets)
        .bind(sellers)
        .execute(db)
        .await
        .map(|_| ())
    }

    async fn store_sales(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (mut ids, mut tickets, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let (mut totals, mut currencies, mut refunds) = (Vec::new(), Vec::new(), Vec::new());
        for (id, sale) in self.changed.iter().filter_map(|id| Some((id, self.sales.get(id)?))) {
            ids.push(id.0);
            tickets.push(sale.ticket.0);
            units.push(sale.units);
            totals.push(sale.total);
            currencies.push(sale.currency.as_str());
            refunds.push(sale.refund);
        }
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO sales_orders (id, ticket, units, total_minor, currency, refund_minor) \
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], \
                 $6::bigint[]) \
             ON CONFLICT (id) DO UPDATE SET refund_minor = excluded.refund_minor",
        )
        .bind(ids)
        .bind(tickets)
        .bind(units)
        .bind(totals)
        .bind(currencies)
        .bind(refunds)
        .execute(db)
        .await
        .map(|_| ())
    }
}

/// The orders whose sums the events change; empty when nothing of them has to be looked up.
fn orders_counted(events: &[Recorded<DomainEvent>]) -> sqlx::Result<Vec<Uuid>> {
    let mut orders = BTreeSet::new();
    for record in events {
        if let DomainEvent::Order(event) = &record.event {
            match event {
                OrderEvent::OrderCompleted(_)
                | OrderEvent::OrderReinstated(_)
                | OrderEvent::OrderRefundRequested(_)
                | OrderEvent::OrderRefunded(_) => {
                    orders.insert(id_of::<Order, _>(record)?.0);
                }
                OrderEvent::OrderPlaced(_)
                | OrderEvent::OrderPaymentStarted(_)
                | OrderEvent::OrderPaymentFailed(_)
                | OrderEvent::OrderCancelled(_)
                | OrderEvent::OrderExpired(_)
                | OrderEvent::OrderPaymentTurnedAway(_) => {}
            }
        }
    }
    Ok(orders.into_iter().collect())
}
