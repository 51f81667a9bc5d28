//! What can be asked.

use std::collections::HashSet;

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, Result};
use domain::id::{AccountId, OrderId, TicketId};
use domain::money::{Currency, Money};
use uuid::Uuid;

use super::connection::{Window, connection, page_complexity};
use super::error::{bad_argument, of_log};
use super::reader::{self, Reader, RequestReader};
use super::scalars::Position;
use super::types::{Cause, Consistency, ListedTicket, Me, Node, OrderNode, TicketNode};
use crate::freshness::ReadModel;
use crate::history::AsOf;
use crate::page::{Cursor, Page, TicketCursor};
use crate::read_model::ticket::{PriceRange, TicketFilter, TicketSort};
use crate::read_model::{Happening, OrderStatus};

/// What folding a history costs beside what is asked of it: it may be long.
const FOLD_COMPLEXITY: usize = 500;

pub(crate) struct Query;

/// Which tickets; all of what is given has to be so.
#[derive(InputObject)]
struct TicketsWhere {
    /// What one account sells.
    seller: Option<ID>,
    /// ISO 4217, such as `usd`.
    currency: Option<String>,
    /// The lowest price of one unit, in major units, such as `10` or `19.99`. Needs `currency`.
    price_min: Option<String>,
    /// The highest one.
    price_max: Option<String>,
    /// Only what can be bought now. `false` shows what is sold out or withdrawn too, and needs
    /// `seller`.
    #[graphql(default = true)]
    on_sale: bool,
}

#[Object]
impl Query {
    /// Tickets, newest first unless sorted otherwise. `first` or `last` is 1 to 100, 20 if left out.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "Relay has four for the page alone")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        r#where: Option<TicketsWhere>,
        sort: Option<TicketSort>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<Position>,
    ) -> Result<Connection<TicketCursor, ListedTicket>> {
        let sort = sort.unwrap_or_default();
        let filter = r#where.map(filter).transpose()?.unwrap_or_default();
        if sort.is_by_price() && filter.price.is_none() {
            return Err(bad_argument("where", "sorting by price needs a currency"));
        }
        let page: Page<TicketCursor> = Window { first, after, last, before }.page()?;
        for (name, cursor) in [("after", page.after()), ("before", page.before())] {
            if cursor.is_some_and(|cursor| cursor.price_minor.is_some() != sort.is_by_price()) {
                return Err(bad_argument(name, "a cursor of a list that is sorted otherwise"));
            }
        }
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        let found = reader.state.lists.tickets(filter, sort, page).await?;
        let listed = |ticket| ListedTicket(TicketNode(ticket));
        Ok(connection(found, |ticket| sort.cursor(ticket), listed))
    }

    /// One ticket, also when it is sold out or withdrawn. With `asOf`, a time or a position, as it
    /// was then, from the log itself.
    #[graphql(complexity = "child_complexity + if as_of.is_some() { FOLD_COMPLEXITY } else { 1 }")]
    async fn ticket(
        &self,
        ctx: &Context<'_>,
        id: ID,
        as_of: Option<String>,
        at_least: Option<Position>,
    ) -> Result<Option<TicketNode>> {
        let id: TicketId = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        let ticket = match as_of {
            Some(text) => reader.state.past.ticket_at(id, moment(&text)?).await.map_err(log)?,
            None => loader(ctx)?.load_one(id).await?,
        };
        Ok(ticket.map(TicketNode))
    }

    /// One's own orders, newest first. `first` or `last` is 1 to 100, 20 if left out.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "Relay has four for the page alone")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        status: Option<OrderStatus>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<Position>,
    ) -> Result<Connection<Cursor, OrderNode>> {
        let viewer = reader::of(ctx)?.viewer()?;
        let page = Window { first, after, last, before }.page()?;
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        let found = reader.database().orders_of(viewer, status, &page).await?;
        Ok(connection(found, |order| order.placed, OrderNode))
    }

    /// One of one's own orders; null for anybody else's. With `asOf`, a time or a position, as it was
    /// then, from the log itself.
    #[graphql(complexity = "child_complexity + if as_of.is_some() { FOLD_COMPLEXITY } else { 1 }")]
    async fn order(
        &self,
        ctx: &Context<'_>,
        id: ID,
        as_of: Option<String>,
        at_least: Option<Position>,
    ) -> Result<Option<OrderNode>> {
        let viewer = reader::of(ctx)?.viewer()?;
        let id: OrderId = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        let order = match as_of {
            Some(text) => reader.state.past.order_at(id, moment(&text)?).await.map_err(log)?,
            None => loader(ctx)?.load_one(id).await?,
        };
        Ok(order.filter(|order| order.buyer == viewer).map(OrderNode))
    }

    /// Whatever has this id: a ticket, one of one's own orders, or oneself.
    async fn node(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least: Option<Position>,
    ) -> Result<Option<Node>> {
        let id: Uuid = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        if reader.maybe_viewer() == Some(AccountId(id)) {
            return Ok(Some(Node::Me(Me(AccountId(id)))));
        }
        let loader = loader(ctx)?;
        let (ticket, order) =
            futures::try_join!(loader.load_one(TicketId(id)), loader.load_one(OrderId(id)))?;
        let order = order.map(|order| Node::Order(OrderNode(order)));
        Ok(ticket.map(|ticket| Node::Ticket(TicketNode(ticket))).or(order))
    }

    /// Whoever is signed in; null for nobody.
    async fn me(&self, ctx: &Context<'_>, at_least: Option<Position>) -> Result<Option<Me>> {
        let Some(viewer) = reader::of(ctx)?.maybe_viewer() else { return Ok(None) };
        asked(ctx, &[ReadModel::Accounts], at_least).await?;
        Ok(Some(Me(viewer)))
    }

    /// What an event in the history of one's own ticket or order came of, and what came of it; null
    /// when there is no such event, or it is somebody else's.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn cause(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least: Option<Position>,
    ) -> Result<Option<Cause>> {
        let viewer = reader::of(ctx)?.viewer()?;
        let id: Uuid = id.parse().map_err(|_| bad_argument("id", "not an id"))?;
        let models = [ReadModel::Timeline, ReadModel::Tickets, ReadModel::Orders];
        let reader = asked(ctx, &models, at_least).await?;
        let all = reader.database().same_request(id).await?;
        let own = own_things(loader(ctx)?, viewer, &all).await?;
        let is_own = |it: &Happening| it.aggregate_id.is_some_and(|thing| own.contains(&thing));
        if !all.iter().any(|it| it.id == id && is_own(it)) {
            return Ok(None);
        }
        Ok(Cause::of(viewer, own, all))
    }

    /// How far this answer has come. Every answer says so in its extensions too.
    async fn consistency(
        &self,
        ctx: &Context<'_>,
        at_least: Option<Position>,
    ) -> Result<Consistency> {
        let reader = asked(ctx, &[ReadModel::Tickets, ReadModel::Orders], at_least).await?;
        Ok(reader.seen().into())
    }
}

fn loader<'a>(ctx: &Context<'a>) -> Result<&'a RequestReader> {
    ctx.data::<RequestReader>()
}

/// Once the read models contain what was asked for.
async fn asked<'a>(
    ctx: &Context<'a>,
    models: &[ReadModel],
    at_least: Option<Position>,
) -> Result<&'a Reader> {
    let reader = reader::of(ctx)?;
    reader.fresh(models, at_least.map(|Position(position)| position)).await;
    Ok(reader)
}

fn moment(text: &str) -> Result<AsOf> {
    text.parse().map_err(|error| bad_argument("asOf", error))
}

fn log(error: eventlog::LogError) -> async_graphql::Error {
    of_log(&error)
}

fn filter(asked: TicketsWhere) -> Result<TicketFilter> {
    let TicketsWhere { seller, currency, price_min, price_max, on_sale } = asked;
    let seller = seller.map(|id| id.parse().map_err(|_| bad_argument("seller", "not an id")));
    let seller: Option<AccountId> = seller.transpose()?;
    if !on_sale && seller.is_none() {
        return Err(bad_argument("onSale", "false needs a seller"));
    }
    let currency = currency.map(|code| code.parse::<Currency>());
    let currency = currency.transpose().map_err(|error| bad_argument("currency", error))?;
    let minor = |name: &str, text: Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let currency = currency.ok_or_else(|| bad_argument(name, "needs a currency"))?;
        let money = Money::parse(&text, currency).map_err(|error| bad_argument(name, error))?;
        Ok::<_, async_graphql::Error>(Some(money.minor))
    };
    let (minor_min, minor_max) = (minor("priceMin", price_min)?, minor("priceMax", price_max)?);
    let price = currency.map(|currency| PriceRange { currency, minor_min, minor_max });
    Ok(TicketFilter { on_sale, seller, price })
}

/// Of all the things that something happened to, those whose history a person may see: tickets that
/// the person sells, orders that the person has placed and what has paid them, and the account.
async fn own_things(
    loader: &RequestReader,
    viewer: AccountId,
    all: &[Happening],
) -> Result<HashSet<Uuid>> {
    let of_kind = |kind: &'static str| {
        all.iter().filter(move |it| it.aggregate == kind).filter_map(|it| it.aggregate_id)
    };
    let tickets = loader.load_many(of_kind("ticket").map(TicketId)).await?;
    let tickets = tickets.into_values().filter(|ticket| ticket.seller == viewer);
    let mut own: HashSet<Uuid> = tickets.map(|ticket| ticket.id.0).collect();
    let orders = loader.load_many(of_kind("order").map(OrderId)).await?;
    for order in orders.into_values() {
        own.insert(order.id.0);
        own.extend(order.payment.map(|payment| payment.0));
    }
    own.extend(of_kind("account").filter(|account| *account == viewer.0));
    Ok(own)
}
