//! What can be asked.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object, Result};
use domain::id::{OrderId, TicketId};

use super::connection::{connection, page, page_complexity};
use super::error::bad_argument;
use super::me::Me;
use super::order::OrderNode;
use super::reader::RequestReader;
use super::ticket::TicketNode;
use crate::page::Cursor;

pub(crate) struct Query;

#[Object]
impl Query {
    /// What can be bought, newest first. `first` is 1 to 100, 20 if left out.
    #[graphql(complexity = "page_complexity(first, child_complexity)")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<Cursor, TicketNode>> {
        let page = page(first, after.as_deref())?;
        let found = reader(ctx)?.loader().database.tickets_on_sale(&page).await?;
        Ok(connection(found, |ticket| ticket.cursor, TicketNode))
    }

    /// One ticket, also when it is sold out or withdrawn.
    async fn ticket(&self, ctx: &Context<'_>, id: ID) -> Result<Option<TicketNode>> {
        let id: TicketId = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        Ok(reader(ctx)?.load_one(id).await?.map(TicketNode))
    }

    /// One's own orders, newest first. `first` is 1 to 100, 20 if left out.
    #[graphql(complexity = "page_complexity(first, child_complexity)")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<Cursor, OrderNode>> {
        let reader = reader(ctx)?.loader();
        let viewer = reader.viewer()?;
        let page = page(first, after.as_deref())?;
        let found = reader.database.orders_of(viewer, &page).await?;
        Ok(connection(found, |order| order.cursor, OrderNode))
    }

    /// One of one's own orders; null for anybody else's.
    async fn order(&self, ctx: &Context<'_>, id: ID) -> Result<Option<OrderNode>> {
        let reader = reader(ctx)?;
        reader.loader().viewer()?;
        let id: OrderId = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        Ok(reader.load_one(id).await?.map(OrderNode))
    }

    /// Whoever is signed in; null for nobody.
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<Me>> {
        let reader = reader(ctx)?.loader();
        Ok(if reader.is_signed_in() { Some(Me(reader.viewer()?)) } else { None })
    }
}

fn reader<'a>(ctx: &Context<'a>) -> Result<&'a RequestReader> {
    ctx.data::<RequestReader>()
}
