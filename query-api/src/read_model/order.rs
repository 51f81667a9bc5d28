//! The orders, from the view `read.orders`. Whose order it is, is part of every question: nobody
//! reads another person's.

use domain::Timestamp;
use domain::id::{AccountId, OrderId, PaymentId, TicketId};
use domain::money::{Currency, Money};
use domain::order::Status;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, QueryBuilder, Row};
use uuid::Uuid;
use web::wire;

use crate::database::{Database, ReadError, column};
use crate::page::{Cursor, Items, Order as ListOrder, Page};

/// The most orders shown with a ticket: one's newest ones.
const OF_TICKET_MAX: i64 = 20;

/// An order as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) ticket: TicketId,
    pub(crate) buyer: AccountId,
    /// The ticket's, when the order was placed.
    pub(crate) title: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
    pub(crate) total: Money,
    pub(crate) status: OrderStatus,
    pub(crate) payment: Option<PaymentId>,
    pub(crate) expires_at: Timestamp,
    pub(crate) version: u64,
    pub(crate) placed_at: Timestamp,
    /// Where in the log it was placed.
    pub(crate) placed: Cursor,
    /// Where in the log it last changed.
    pub(crate) changed: Cursor,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(crate) enum OrderStatus {
    /// Reserved, to be paid before it expires.
    Created,
    /// A payment is under way.
    AwaitingPayment,
    Complete,
    Cancelled,
    Expired,
    Refunding,
    Refunded,
}

impl OrderStatus {
    const ALL: [Self; 7] = [
        Self::Created,
        Self::AwaitingPayment,
        Self::Complete,
        Self::Cancelled,
        Self::Expired,
        Self::Refunding,
        Self::Refunded,
    ];

    /// The word for it in the tables and in REST.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }
}

impl From<&Status> for OrderStatus {
    fn from(status: &Status) -> Self {
        match status {
            Status::Created => Self::Created,
            Status::AwaitingPayment { .. } => Self::AwaitingPayment,
            Status::Complete { .. } => Self::Complete,
            Status::Cancelled => Self::Cancelled,
            Status::Expired => Self::Expired,
            Status::Refunding { .. } => Self::Refunding,
            Status::Refunded { .. } => Self::Refunded,
        }
    }
}

/// A status that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no status of an order")]
pub(crate) struct UnknownStatus(String);

impl TryFrom<String> for OrderStatus {
    type Error = UnknownStatus;

    fn try_from(word: String) -> Result<Self, UnknownStatus> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or(UnknownStatus(word))
    }
}

/// Whose changes are wanted. Nobody but the program itself leaves the buyer out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OrderChangesOf {
    pub(crate) buyer: Option<AccountId>,
    pub(crate) order: Option<OrderId>,
}

impl OrderChangesOf {
    pub(crate) fn include(&self, order: &Order) -> bool {
        self.buyer.is_none_or(|buyer| order.buyer == buyer)
            && self.order.is_none_or(|id| order.id == id)
    }
}

/// By name and not `*`: a prepared statement outlives a change of the view only if its columns
/// stay the same.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT o.id, o.ticket, o.buyer, o.title, o.quantity, o.unit_price_minor, \
             o.total_minor, o.currency, o.status, o.payment, o.expires_at, o.version, o.placed_at, \
             o.placed_commit, o.placed_prepare, o.changed_commit, o.changed_prepare ",
            $rest
        )
    };
}

impl Database {
    /// A buyer's orders, newest first: all, or those in one state.
    pub(crate) async fn orders_of(
        &self,
        buyer: AccountId,
        status: Option<OrderStatus>,
        page: &Page,
    ) -> Result<Items<Order>, ReadError> {
        const NEWEST: ListOrder =
            ListOrder { columns: &["o.placed_commit", "o.placed_prepare"], descending: true };
        let mut sql = QueryBuilder::new(select!("FROM read.orders AS o WHERE o.buyer = "));
        sql.push_bind(buyer.0);
        if let Some(status) = status {
            sql.push(" AND o.status = ").push_bind(status.as_str());
        }
        page.push(&mut sql, NEWEST);
        let rows = self.read(sql.build_query_as()).await?;
        Ok(page.cut(rows))
    }

    /// What has changed of a buyer's orders, or of one of them, after a place in the log, in the
    /// order of the changes.
    pub(crate) async fn orders_changed(
        &self,
        after: Cursor,
        of: &OrderChangesOf,
        rows_max: i64,
    ) -> Result<Vec<Order>, ReadError> {
        let mut sql = QueryBuilder::new(select!(
            "FROM read.orders AS o WHERE (o.changed_commit, o.changed_prepare) > ("
        ));
        sql.push_bind(after.commit).push(", ").push_bind(after.prepare).push(")");
        if let Some(buyer) = of.buyer {
            sql.push(" AND o.buyer = ").push_bind(buyer.0);
        }
        if let Some(order) = of.order {
            sql.push(" AND o.id = ").push_bind(order.0);
        }
        sql.push(" ORDER BY o.changed_commit, o.changed_prepare LIMIT ").push_bind(rows_max);
        self.read(sql.build_query_as()).await
    }

    /// Those of the orders that there are and that are the buyer's, in no order.
    pub(crate) async fn orders(
        &self,
        buyer: AccountId,
        ids: &[OrderId],
    ) -> Result<Vec<Order>, ReadError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let query =
            sqlx::query_as(select!("FROM read.orders AS o WHERE o.id = ANY($1) AND o.buyer = $2"))
                .bind(ids)
                .bind(buyer.0);
        self.read(query).await
    }

    /// A buyer's newest orders of each of the tickets, newest first.
    pub(crate) async fn orders_of_tickets(
        &self,
        buyer: AccountId,
        tickets: &[TicketId],
    ) -> Result<Vec<Order>, ReadError> {
        let tickets: Vec<Uuid> = tickets.iter().map(|ticket| ticket.0).collect();
        let query = sqlx::query_as(select!(
            "FROM UNNEST($1::uuid[]) AS wanted (ticket) CROSS JOIN LATERAL ( \
                 SELECT * FROM read.orders WHERE orders.ticket = wanted.ticket AND buyer = $2 \
                 ORDER BY placed_commit DESC, placed_prepare DESC LIMIT $3 \
             ) AS o ORDER BY o.placed_commit DESC, o.placed_prepare DESC"
        ))
        .bind(tickets)
        .bind(buyer.0)
        .bind(OF_TICKET_MAX);
        self.read(query).await
    }
}

impl FromRow<'_, PgRow> for Order {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let currency = column::<String, Currency>(row, "currency")?;
        let money =
            |name: &str| Ok::<_, sqlx::Error>(Money { minor: row.try_get(name)?, currency });
        Ok(Self {
            id: OrderId(row.try_get("id")?),
            ticket: TicketId(row.try_get("ticket")?),
            buyer: AccountId(row.try_get("buyer")?),
            title: row.try_get("title")?,
            quantity: column::<i32, u32>(row, "quantity")?,
            unit_price: money("unit_price_minor")?,
            total: money("total_minor")?,
            status: column::<String, OrderStatus>(row, "status")?,
            payment: row.try_get::<Option<Uuid>, _>("payment")?.map(PaymentId),
            expires_at: row.try_get("expires_at")?,
            version: column::<i64, u64>(row, "version")?,
            placed_at: row.try_get("placed_at")?,
            placed: Cursor {
                commit: row.try_get("placed_commit")?,
                prepare: row.try_get("placed_prepare")?,
            },
            changed: Cursor {
                commit: row.try_get("changed_commit")?,
                prepare: row.try_get("changed_prepare")?,
            },
        })
    }
}

impl From<Order> for wire::Order {
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            status: order.status.as_str().to_owned(),
            expires_at: order.expires_at,
            ticket: wire::OrderedTicket {
                id: order.ticket,
                title: order.title,
                price: wire::Price(order.unit_price),
                currency: order.unit_price.currency.code(),
            },
            quantity: order.quantity,
            total: wire::Price(order.total),
            currency: order.total.currency.code(),
            user_id: order.buyer,
            version: order.version,
        }
    }
}
