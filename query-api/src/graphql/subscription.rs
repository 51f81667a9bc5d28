//! What can be subscribed to.

use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription};
use domain::id::{AccountId, OrderId, TicketId};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::error::bad_argument;
use super::reader::{self, Reader};
use super::scalars::Position;
use super::types::{OrderChange, OrderNode, TicketChange, TicketNode};
use crate::live::watch;
use crate::page::Cursor;
use crate::read_model::order::OrderChangesOf;
use crate::read_model::ticket::ChangesOf;
use crate::read_model::{Order, Ticket};

/// The most tickets that one subscription names.
const IDS_MAX: usize = 100;

pub(crate) struct Subscription;

/// What changes, as it changes. Without `after` from now on; with it everything since that position,
/// so that nothing is missed between two connections. Something that changes several times at once is
/// shown as it is at last.
#[Subscription]
impl Subscription {
    /// Tickets, such as their `available`: those named, at most 100, or of one seller, or all.
    #[graphql(complexity = "child_complexity + 1")]
    async fn ticket_changed(
        &self,
        ctx: &Context<'_>,
        ids: Option<Vec<ID>>,
        seller: Option<ID>,
        after: Option<Position>,
    ) -> Result<BoxStream<'static, TicketChange>> {
        let reader = reader::of(ctx)?;
        let tickets = ids.map(|ids| {
            if ids.len() > IDS_MAX {
                return Err(bad_argument("ids", format!("at most {IDS_MAX}")));
            }
            ids.iter().map(|id| id.parse().map_err(|_| bad_argument("ids", "not an id"))).collect()
        });
        let tickets: Option<Vec<TicketId>> = tickets.transpose()?;
        let seller = seller.map(|id| id.parse().map_err(|_| bad_argument("seller", "not an id")));
        let seller: Option<AccountId> = seller.transpose()?;
        let after = start(reader, after).await?;
        let state = &reader.state;
        let of = ChangesOf { tickets, seller };
        let changes =
            watch::<Ticket>(&state.changes, state.database.clone(), &state.freshness, of, after);
        Ok(changes.map(|ticket| ticket_change(Arc::unwrap_or_clone(ticket))).boxed())
    }

    /// One's own orders: all, or one.
    #[graphql(complexity = "child_complexity + 1")]
    async fn order_changed(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        after: Option<Position>,
    ) -> Result<BoxStream<'static, OrderChange>> {
        let reader = reader::of(ctx)?;
        let buyer = Some(reader.viewer()?);
        let order = id.map(|id| id.parse().map_err(|_| bad_argument("id", "not an id")));
        let order: Option<OrderId> = order.transpose()?;
        let after = start(reader, after).await?;
        let state = &reader.state;
        let of = OrderChangesOf { buyer, order };
        let changes =
            watch::<Order>(&state.changes, state.database.clone(), &state.freshness, of, after);
        Ok(changes.map(|order| order_change(Arc::unwrap_or_clone(order))).boxed())
    }
}

/// A place past the log's end is of another log: all there is lies before it.
async fn start(reader: &Reader, after: Option<Position>) -> Result<Option<Cursor>> {
    let after = after.map(|Position(position)| position).or_else(|| reader.resumes_after());
    if after.is_none() {
        return Ok(None);
    }
    let after = reader.state.freshness.within_the_log(after).await.unwrap_or_default();
    after.try_into().map(Some).map_err(|error| bad_argument("after", error))
}

fn ticket_change(ticket: Ticket) -> TicketChange {
    TicketChange { position: place(ticket.changed), ticket: TicketNode(ticket) }
}

fn order_change(order: Order) -> OrderChange {
    OrderChange { position: place(order.changed), order: OrderNode(order) }
}

fn place(cursor: Cursor) -> Position {
    let number = |column: i64| u64::try_from(column).unwrap_or_default();
    Position(domain::Position { commit: number(cursor.commit), prepare: number(cursor.prepare) })
}
