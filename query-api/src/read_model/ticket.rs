//! The tickets, from the view `read.tickets`.

use domain::Timestamp;
use domain::id::{AccountId, OrderId, TicketId};
use domain::money::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;
use web::wire;

use crate::database::{Database, ReadError, column, read};
use crate::page::{Cursor, Items, Page};

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
    pub(crate) cursor: Cursor,
}

/// By name and not `*`: a prepared statement outlives a change of the view only if its columns
/// stay the same.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seller, title, price_minor, currency, quantity, reserved, sold, available, \
             max_per_order, withdrawn, order_id, version, listed_at, listed_commit, \
             listed_prepare FROM read.tickets ",
            $rest
        )
    };
}

impl Database {
    /// What can be bought, newest first.
    pub(crate) async fn tickets_on_sale(&self, page: &Page) -> Result<Items<Ticket>, ReadError> {
        let after = page.after();
        let rows = sqlx::query_as(select!(
            "WHERE available > 0 AND (listed_commit, listed_prepare) < ($1, $2) \
             ORDER BY listed_commit DESC, listed_prepare DESC LIMIT $3"
        ))
        .bind(after.commit)
        .bind(after.prepare)
        .bind(page.rows_to_read())
        .fetch_all(self.pool());
        Ok(page.cut(read(rows).await?))
    }

    pub(crate) async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        let row = sqlx::query_as(select!("WHERE id = $1")).bind(id.0).fetch_optional(self.pool());
        read(row).await
    }

    /// Those of the tickets that there are, in no order.
    pub(crate) async fn tickets(&self, ids: &[TicketId]) -> Result<Vec<Ticket>, ReadError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_as(select!("WHERE id = ANY($1)")).bind(ids).fetch_all(self.pool());
        read(rows).await
    }
}

impl FromRow<'_, PgRow> for Ticket {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let units = |name| column::<i32, u32>(row, name);
        Ok(Self {
            id: TicketId(row.try_get("id")?),
            seller: AccountId(row.try_get("seller")?),
            title: row.try_get("title")?,
            price: Money {
                minor: row.try_get("price_minor")?,
                currency: column::<String, Currency>(row, "currency")?,
            },
            quantity: units("quantity")?,
            reserved: units("reserved")?,
            sold: units("sold")?,
            available: units("available")?,
            max_per_order: units("max_per_order")?,
            withdrawn: row.try_get("withdrawn")?,
            order_id: row.try_get::<Option<Uuid>, _>("order_id")?.map(OrderId),
            version: column::<i64, u64>(row, "version")?,
            listed_at: row.try_get("listed_at")?,
            cursor: Cursor {
                commit: row.try_get("listed_commit")?,
                prepare: row.try_get("listed_prepare")?,
            },
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
