//! A ticket in answers.

mod at_once;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use domain::{Ticket as TicketAggregate, Timestamp};

use super::history::{HistoryConnection, history};
use super::money::Money;
use super::order::OrderNode;
use crate::graphql::connection::{Window, page_complexity};
use crate::graphql::reader::{OwnOrdersOf, RequestReader};
use crate::graphql::scalars::Position;
use crate::read_model::Ticket;

pub(crate) use at_once::ListedTicket;

/// A ticket that has changed.
#[derive(SimpleObject)]
pub(crate) struct TicketChange {
    /// Where in the log it last changed: subscribe again after this to miss nothing.
    pub(crate) position: Position,
    pub(crate) ticket: TicketNode,
}

pub(crate) struct TicketNode(pub(crate) Ticket);

/// Something for sale.
#[Object(name = "Ticket")]
impl TicketNode {
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Of one unit.
    async fn price(&self) -> Money {
        self.0.price.into()
    }

    /// All units, sold ones included.
    async fn quantity(&self) -> u32 {
        self.0.quantity
    }

    /// Units held by orders that are not paid yet.
    async fn reserved(&self) -> u32 {
        self.0.reserved
    }

    async fn sold(&self) -> u32 {
        self.0.sold
    }

    /// Units that can be ordered now.
    async fn available(&self) -> u32 {
        self.0.available
    }

    /// The most units of one order.
    async fn max_per_order(&self) -> u32 {
        self.0.max_per_order
    }

    /// The account that sells it.
    async fn seller(&self) -> ID {
        self.0.seller.into()
    }

    /// The order that has a single-unit ticket.
    async fn order_id(&self) -> Option<ID> {
        self.0.order_id.map(ID::from)
    }

    /// It sells no more, but what is reserved is honoured.
    async fn withdrawn(&self) -> bool {
        self.0.withdrawn
    }

    /// The number of changes since it was listed.
    async fn version(&self) -> u64 {
        self.0.version
    }

    async fn listed_at(&self) -> Timestamp {
        self.0.listed_at
    }

    /// One's own newest orders of it, at most 20; none when nobody is signed in.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn my_orders(&self, ctx: &Context<'_>) -> Result<Vec<OrderNode>> {
        let reader = ctx.data::<RequestReader>()?;
        if reader.loader().maybe_viewer().is_none() {
            return Ok(Vec::new());
        }
        let orders = reader.load_one(OwnOrdersOf(self.0.id)).await?.unwrap_or_default();
        Ok(orders.into_iter().map(OrderNode).collect())
    }

    /// What ever happened to it, oldest first, from the log itself; null for all but its seller. It
    /// may be longer than `version` says when this answer is a moment behind.
    #[graphql(complexity = "page_complexity(first, last, child_complexity) + 50")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<HistoryConnection>> {
        let window = Window { first, after, last, before };
        history::<TicketAggregate>(ctx, self.0.seller, &self.0.id, self.0.version, window).await
    }
}
