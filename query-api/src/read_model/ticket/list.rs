//! Lists of tickets: filtered and sorted by what has an index.

use domain::id::AccountId;
use domain::money::Currency;
use sqlx::{Postgres, QueryBuilder};

use super::{Ticket, select};
use crate::database::{Database, ReadError};
use crate::page::{Items, Order, Page, TicketCursor};

/// Which tickets. All of it has to be so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TicketFilter {
    /// Only what can be bought now. Without it a seller must be named: nobody walks through all that
    /// was ever sold.
    pub(crate) on_sale: bool,
    pub(crate) seller: Option<AccountId>,
    pub(crate) price: Option<PriceRange>,
}

/// Prices are compared only within a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PriceRange {
    pub(crate) currency: Currency,
    pub(crate) minor_min: Option<i64>,
    pub(crate) minor_max: Option<i64>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, async_graphql::Enum)]
pub(crate) enum TicketSort {
    /// What was listed last comes first.
    #[default]
    Newest,
    /// The lowest price first, in one currency.
    Cheapest,
    /// The highest price first, in one currency.
    Dearest,
}

impl Default for TicketFilter {
    fn default() -> Self {
        Self { on_sale: true, seller: None, price: None }
    }
}

impl TicketSort {
    pub(crate) fn is_by_price(self) -> bool {
        match self {
            Self::Newest => false,
            Self::Cheapest | Self::Dearest => true,
        }
    }

    pub(crate) fn cursor(self, ticket: &Ticket) -> TicketCursor {
        let price_minor = self.is_by_price().then_some(ticket.price.minor);
        TicketCursor { listed: ticket.listed, price_minor }
    }

    fn order(self) -> Order {
        const BY_PRICE: &[&str] = &["price_minor", "listed_commit", "listed_prepare"];
        match self {
            Self::Newest => {
                Order { columns: &["listed_commit", "listed_prepare"], descending: true }
            }
            Self::Cheapest => Order { columns: BY_PRICE, descending: false },
            Self::Dearest => Order { columns: BY_PRICE, descending: true },
        }
    }
}

impl TicketFilter {
    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(if self.on_sale { "available > 0" } else { "true" });
        if let Some(seller) = self.seller {
            sql.push(" AND seller = ").push_bind(seller.0);
        }
        let Some(PriceRange { currency, minor_min, minor_max }) = self.price else { return };
        sql.push(" AND currency = ").push_bind(currency.code());
        if let Some(minor) = minor_min {
            sql.push(" AND price_minor >= ").push_bind(minor);
        }
        if let Some(minor) = minor_max {
            sql.push(" AND price_minor <= ").push_bind(minor);
        }
    }
}

impl Database {
    pub(crate) async fn list_tickets(
        &self,
        filter: &TicketFilter,
        sort: TicketSort,
        page: &Page<TicketCursor>,
    ) -> Result<Items<Ticket>, ReadError> {
        let mut sql = QueryBuilder::new(select!("WHERE "));
        filter.push(&mut sql);
        page.push(&mut sql, sort.order());
        let rows = self.read(sql.build_query_as()).await?;
        Ok(page.cut(rows))
    }
}
