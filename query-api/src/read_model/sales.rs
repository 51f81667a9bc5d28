//! What a seller has sold on each day, from the view `read.sales_by_day`.

use chrono::NaiveDate;
use domain::id::{AccountId, TicketId};
use domain::money::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::database::{Database, ReadError, column};

/// A day of UTC, in one currency.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SalesDay {
    pub(crate) day: NaiveDate,
    pub(crate) units: i64,
    pub(crate) gross: Money,
    pub(crate) refunded: Money,
}

impl Database {
    /// A seller's days from the first to the last, newest first, all tickets together or one.
    pub(crate) async fn sales_of(
        &self,
        seller: AccountId,
        first: NaiveDate,
        last: NaiveDate,
        ticket: Option<TicketId>,
    ) -> Result<Vec<SalesDay>, ReadError> {
        let query = sqlx::query_as(
            "SELECT day, currency, sum(units_sold)::bigint AS units, \
                 sum(gross_minor)::bigint AS gross, sum(refunded_minor)::bigint AS refunded \
             FROM read.sales_by_day \
             WHERE seller = $1 AND day BETWEEN $2 AND $3 AND ($4::uuid IS NULL OR ticket = $4) \
             GROUP BY day, currency ORDER BY day DESC, currency",
        )
        .bind(seller.0)
        .bind(first)
        .bind(last)
        .bind(ticket.map(|ticket| ticket.0));
        self.read(query).await
    }
}

impl FromRow<'_, PgRow> for SalesDay {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let currency = column::<String, Currency>(row, "currency")?;
        let money =
            |name: &str| Ok::<_, sqlx::Error>(Money { minor: row.try_get(name)?, currency });
        Ok(Self {
            day: row.try_get("day")?,
            units: row.try_get("units")?,
            gross: money("gross")?,
            refunded: money("refunded")?,
        })
    }
}
