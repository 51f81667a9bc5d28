//! An order in answers.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use domain::{Order as OrderAggregate, Timestamp};

use super::history::{HistoryConnection, history};
use super::money::Money;
use super::ticket::TicketNode;
use crate::graphql::connection::{Window, page_complexity};
use crate::graphql::reader::RequestReader;
use crate::graphql::scalars::Position;
use crate::read_model::{Order, OrderStatus};

/// An order that has changed.
#[derive(SimpleObject)]
pub(crate) struct OrderChange {
    /// Where in the log it last changed: subscribe again after this to miss nothing.
    pub(crate) position: Position,
    pub(crate) order: OrderNode,
}

pub(crate) struct OrderNode(pub(crate) Order);

/// A person's hold on units of a ticket, for a limited time, then paid for.
#[Object(name = "Order")]
impl OrderNode {
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    async fn status(&self) -> OrderStatus {
        self.0.status
    }

    async fn ticket_id(&self) -> ID {
        self.0.ticket.into()
    }

    /// The ticket as it is now; null in the moment before it can be read.
    async fn ticket(&self, ctx: &Context<'_>) -> Result<Option<TicketNode>> {
        let ticket = ctx.data::<RequestReader>()?.load_one(self.0.ticket).await?;
        Ok(ticket.map(TicketNode))
    }

    /// The account that buys.
    async fn buyer(&self) -> ID {
        self.0.buyer.into()
    }

    /// The ticket's, when the order was placed.
    async fn title(&self) -> &str {
        &self.0.title
    }

    async fn quantity(&self) -> u32 {
        self.0.quantity
    }

    /// As agreed when the order was placed.
    async fn unit_price(&self) -> Money {
        self.0.unit_price.into()
    }

    async fn total(&self) -> Money {
        self.0.total.into()
    }

    /// The payment that is under way or was made.
    async fn payment_id(&self) -> Option<ID> {
        self.0.payment.map(ID::from)
    }

    /// Until when it must be paid.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// The number of changes since it was placed.
    async fn version(&self) -> u64 {
        self.0.version
    }

    async fn placed_at(&self) -> Timestamp {
        self.0.placed_at
    }

    /// What ever happened to it, oldest first, from the log itself. It may be longer than `version`
    /// says when this answer is a moment behind.
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
        history::<OrderAggregate>(ctx, self.0.buyer, &self.0.id, self.0.version, window).await
    }
}
