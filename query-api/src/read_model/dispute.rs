//! What buyers contest at their bank, from the view `read.disputes`: for whoever sold it, and nobody
//! else.

use domain::Timestamp;
use domain::id::{AccountId, OrderId, TicketId};
use domain::money::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, QueryBuilder, Row};
use web::wire;

use crate::database::{Database, ReadError, column};
use crate::page::{Cursor, Items, Order, Page};

/// A dispute as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dispute {
    /// The provider's name of it.
    pub(crate) id: String,
    pub(crate) order: OrderId,
    pub(crate) ticket: TicketId,
    pub(crate) amount: Money,
    pub(crate) reason: Option<String>,
    pub(crate) status: DisputeStatus,
    pub(crate) opened_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
    /// Where in the log it was first heard of.
    pub(crate) heard: Cursor,
}

/// What the bank has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(crate) enum DisputeStatus {
    /// Nothing yet; it has the money.
    Open,
    /// The money is the shop's again.
    Won,
    /// The money stays with the buyer.
    Lost,
}

impl DisputeStatus {
    /// The word for it in the table and in REST.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// A status that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no status of a dispute")]
pub(crate) struct UnknownStatus(String);

impl TryFrom<String> for DisputeStatus {
    type Error = UnknownStatus;

    fn try_from(word: String) -> Result<Self, UnknownStatus> {
        let known = [Self::Open, Self::Won, Self::Lost];
        known.into_iter().find(|status| status.as_str() == word).ok_or(UnknownStatus(word))
    }
}

impl Database {
    /// What is contested of a seller's tickets, newest first.
    pub(crate) async fn disputes_of(
        &self,
        seller: AccountId,
        page: &Page,
    ) -> Result<Items<Dispute>, ReadError> {
        const NEWEST: Order =
            Order { columns: &["d.heard_commit", "d.heard_prepare"], descending: true };
        let mut sql = QueryBuilder::new(
            "SELECT d.id, d.order_id, o.ticket, d.amount_minor, d.currency, d.reason, d.status, \
                 d.opened_at, d.decided_at, d.heard_commit, d.heard_prepare \
             FROM read.disputes AS d JOIN read.orders AS o ON o.id = d.order_id \
             JOIN read.tickets AS t ON t.id = o.ticket WHERE t.seller = ",
        );
        sql.push_bind(seller.0);
        page.push(&mut sql, NEWEST);
        let rows = self.read(sql.build_query_as()).await?;
        Ok(page.cut(rows))
    }
}

impl FromRow<'_, PgRow> for Dispute {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let currency = column::<String, Currency>(row, "currency")?;
        Ok(Self {
            id: row.try_get("id")?,
            order: OrderId(row.try_get("order_id")?),
            ticket: TicketId(row.try_get("ticket")?),
            amount: Money { minor: row.try_get("amount_minor")?, currency },
            reason: row.try_get("reason")?,
            status: column::<String, DisputeStatus>(row, "status")?,
            opened_at: row.try_get("opened_at")?,
            decided_at: row.try_get("decided_at")?,
            heard: Cursor {
                commit: row.try_get("heard_commit")?,
                prepare: row.try_get("heard_prepare")?,
            },
        })
    }
}

impl From<Dispute> for wire::Dispute {
    fn from(dispute: Dispute) -> Self {
        Self {
            id: dispute.id,
            order_id: dispute.order,
            ticket_id: dispute.ticket,
            amount: wire::Price(dispute.amount),
            currency: dispute.amount.currency.code(),
            reason: dispute.reason,
            status: dispute.status.as_str().to_owned(),
            opened_at: dispute.opened_at,
            decided_at: dispute.decided_at,
        }
    }
}
