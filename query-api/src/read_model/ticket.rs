//! The tickets, from the view `read.tickets`.

mod list;

use domain::Timestamp;
use domain::id::{AccountId, OrderId, TicketId};
use domain::money::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;
use web::wire;

use crate::database::{Columns, Database, ReadError};
use crate::page::Cursor;

pub(crate) use list::{PriceRange, TicketFilter, TicketSort};

/// A ticket as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) seller: AccountId,
    pub(crate) title: String,
    pub(crate) price: Money,
    pub(crate) quantity: u32,
    pub(crate) reserved: u32,
    pub(crate) sold: u32,
    pub(crate) available: u32,
    pub(crate) max_per_order: u32,
    pub(crate) withdrawn: bool,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) version: u64,
    pub(crate) listed_at: Timestamp,
    /// Where in the log it was listed.
    pub(crate) listed: Cursor,
    /// Where in the log it last changed.
    pub(crate) changed: Cursor,
}

/// By name and not `*`: a prepared statement outlives a change of the view only if its columns
/// stay the same. A row is read in this order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seller, title, price_minor, currency, quantity, reserved, sold, available, \
             max_per_order, withdrawn, order_id, version, listed_at, listed_commit, \
             listed_prepare, changed_commit, changed_prepare FROM read.tickets ",
            $rest
        )
    };
}
use select;

/// Whose changes are wanted; no one's in particular: everybody's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ChangesOf {
    pub(crate) tickets: Option<Vec<TicketId>>,
    pub(crate) seller: Option<AccountId>,
}

impl ChangesOf {
    pub(crate) fn include(&self, ticket: &Ticket) -> bool {
        self.tickets.as_ref().is_none_or(|ids| ids.contains(&ticket.id))
            && self.seller.is_none_or(|seller| ticket.seller == seller)
    }
}

impl Database {
    pub(crate) async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        let query = sqlx::query_as(select!("WHERE id = $1")).bind(id.0);
        Ok(self.read(query).await?.pop())
    }

    /// Those of the tickets that there are, in no order.
    pub(crate) async fn tickets(&self, ids: &[TicketId]) -> Result<Vec<Ticket>, ReadError> {
        let query = sqlx::query_as(select!("WHERE id = ANY($1)")).bind(uuids(ids));
        self.read(query).await
    }

    /// What has changed after a place in the log, in the order of the changes.
    pub(crate) async fn tickets_changed(
        &self,
        after: Cursor,
        of: &ChangesOf,
        rows_max: i64,
    ) -> Result<Vec<Ticket>, ReadError> {
        let mut sql = QueryBuilder::new(select!("WHERE (changed_commit, changed_prepare) > ("));
        sql.push_bind(after.commit).push(", ").push_bind(after.prepare).push(")");
        if let Some(ids) = &of.tickets {
            sql.push(" AND id = ANY(").push_bind(uuids(ids)).push(")");
        }
        if let Some(seller) = of.seller {
            sql.push(" AND seller = ").push_bind(seller.0);
        }
        sql.push(" ORDER BY changed_commit, changed_prepare LIMIT ").push_bind(rows_max);
        self.read(sql.build_query_as()).await
    }
}

fn uuids(ids: &[TicketId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

impl FromRow<'_, PgRow> for Ticket {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let mut columns = Columns::of(row);
        Ok(Self {
            id: TicketId(columns.next()?),
            seller: AccountId(columns.next()?),
            title: columns.next()?,
            price: Money {
                minor: columns.next()?,
                currency: columns.next_as::<String, Currency>()?,
            },
            quantity: columns.next_as::<i32, u32>()?,
            reserved: columns.next_as::<i32, u32>()?,
            sold: columns.next_as::<i32, u32>()?,
            available: columns.next_as::<i32, u32>()?,
            max_per_order: columns.next_as::<i32, u32>()?,
            withdrawn: columns.next()?,
            order_id: columns.next::<Option<Uuid>>()?.map(OrderId),
            version: columns.next_as::<i64, u64>()?,
            listed_at: columns.next()?,
            listed: Cursor { commit: columns.next()?, prepare: columns.next()? },
            changed: Cursor { commit: columns.next()?, prepare: columns.next()? },
        })
    }
}

impl From<Ticket> for wire::Ticket {
    fn from(ticket: Ticket) -> Self {
        Self {
            id: ticket.id,
            title: ticket.title,
            price: wire::Price(ticket.price),
            currency: ticket.price.currency.code(),
            quantity: ticket.quantity,
            available: ticket.available,
            user_id: ticket.seller,
            version: ticket.version,
            order_id: ticket.order_id,
        }
    }
}
