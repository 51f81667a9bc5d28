//! What one request may read, and who asks. Things are read by id, each kind in one statement however
//! many are asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use domain::Position;
use domain::id::{AccountId, OrderId, TicketId};
use web::Session;

use super::error::unauthenticated;
use crate::State;
use crate::database::{Database, ReadError};
use crate::freshness::{ReadModel, Seen};
use crate::read_model::{Order, Ticket};

/// What one request may read, and who asks.
pub(crate) struct Reader {
    pub(crate) state: State,
    session: Option<Session>,
    /// Nothing older may be read.
    wanted: Option<Position>,
    /// How far what was read had come.
    seen: Mutex<Option<Seen>>,
}

/// Bound to its request, so that nothing one person has read is shown to another.
pub(crate) type RequestReader = Arc<DataLoader<Reader, HashMapCache>>;

/// The orders that whoever asks has of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnOrdersOf(pub(crate) TicketId);

/// Reads for one answer.
pub(crate) fn for_request(
    state: &State,
    session: Option<Session>,
    wanted: Option<Position>,
) -> RequestReader {
    let reader = Reader { state: state.clone(), session, wanted, seen: Mutex::new(None) };
    Arc::new(DataLoader::with_cache(reader, tokio::spawn, HashMapCache::default()))
}

/// Reads for many answers, so nothing is kept from one to the next. Who was there before goes on
/// after `seen`.
pub(crate) fn for_subscription(
    state: &State,
    session: Option<Session>,
    seen: Option<Position>,
) -> RequestReader {
    let reader = for_request(state, session, seen);
    reader.enable_all_cache(false);
    reader
}

pub(crate) fn of<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a Reader> {
    Ok(ctx.data::<RequestReader>()?.loader())
}

impl Reader {
    pub(crate) fn database(&self) -> &Database {
        &self.state.database
    }

    /// Whoever asks.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub(crate) fn viewer(&self) -> async_graphql::Result<AccountId> {
        self.maybe_viewer().ok_or_else(unauthenticated)
    }

    /// Whoever was told so much already need not be told again.
    pub(crate) fn resumes_after(&self) -> Option<Position> {
        self.wanted
    }

    pub(crate) fn maybe_viewer(&self) -> Option<AccountId> {
        self.session.map(|session| session.account)
    }

    /// Waits until the read models contain what was asked for, by the request or by one field; for
    /// two seconds at most.
    pub(crate) async fn fresh(&self, models: &[ReadModel], at_least: Option<Position>) {
        let seen = self.state.freshness.wait(models, self.wanted.max(at_least)).await;
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *all = Some(all.map_or(seen, |others| others.and(seen)));
    }

    /// How far what was read had come; with nothing read, how far the read models have.
    pub(crate) fn seen(&self) -> Seen {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.unwrap_or_else(|| self.state.freshness.now())
    }
}

impl Loader<TicketId> for Reader {
    type Value = Ticket;
    type Error = ReadError;

    async fn load(&self, ids: &[TicketId]) -> Result<HashMap<TicketId, Ticket>, ReadError> {
        let tickets = self.database().tickets(ids).await?;
        Ok(tickets.into_iter().map(|ticket| (ticket.id, ticket)).collect())
    }
}

impl Loader<OrderId> for Reader {
    type Value = Order;
    type Error = ReadError;

    async fn load(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, ReadError> {
        let Some(viewer) = self.maybe_viewer() else { return Ok(HashMap::new()) };
        let orders = self.database().orders(viewer, ids).await?;
        Ok(orders.into_iter().map(|order| (order.id, order)).collect())
    }
}

impl Loader<OwnOrdersOf> for Reader {
    type Value = Vec<Order>;
    type Error = ReadError;

    async fn load(
        &self,
        keys: &[OwnOrdersOf],
    ) -> Result<HashMap<OwnOrdersOf, Vec<Order>>, ReadError> {
        let Some(viewer) = self.maybe_viewer() else { return Ok(HashMap::new()) };
        let tickets: Vec<TicketId> = keys.iter().map(|OwnOrdersOf(ticket)| *ticket).collect();
        let mut found: HashMap<OwnOrdersOf, Vec<Order>> = HashMap::new();
        for order in self.database().orders_of_tickets(viewer, &tickets).await? {
            found.entry(OwnOrdersOf(order.ticket)).or_default().push(order);
        }
        Ok(found)
    }
}
