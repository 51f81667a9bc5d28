//! Reads things by id for one request, each kind in one statement however many are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use domain::id::{AccountId, OrderId, TicketId};

use super::error::unauthenticated;
use crate::database::{Database, ReadError};
use crate::read_model::{Order, Ticket};

/// What one request may read, and who asks.
pub(crate) struct Reader {
    pub(crate) database: Database,
    viewer: Option<AccountId>,
}

/// Bound to its request, so that nothing one person has read is shown to another.
pub(crate) type RequestReader = DataLoader<Reader, HashMapCache>;

/// The orders that whoever asks has of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnOrdersOf(pub(crate) TicketId);

pub(crate) fn for_request(database: Database, viewer: Option<AccountId>) -> RequestReader {
    let reader = Reader { database, viewer };
    DataLoader::with_cache(reader, tokio::spawn, HashMapCache::default())
}

impl Reader {
    /// Whoever asks.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub(crate) fn viewer(&self) -> async_graphql::Result<AccountId> {
        self.viewer.ok_or_else(unauthenticated)
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.viewer.is_some()
    }
}

impl Loader<TicketId> for Reader {
    type Value = Ticket;
    type Error = ReadError;

    async fn load(&self, ids: &[TicketId]) -> Result<HashMap<TicketId, Ticket>, ReadError> {
        let tickets = self.database.tickets(ids).await?;
        Ok(tickets.into_iter().map(|ticket| (ticket.id, ticket)).collect())
    }
}

impl Loader<OrderId> for Reader {
    type Value = Order;
    type Error = ReadError;

    async fn load(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, ReadError> {
        let Some(viewer) = self.viewer else { return Ok(HashMap::new()) };
        let orders = self.database.orders(viewer, ids).await?;
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
        let Some(viewer) = self.viewer else { return Ok(HashMap::new()) };
        let tickets: Vec<TicketId> = keys.iter().map(|OwnOrdersOf(ticket)| *ticket).collect();
        let mut found: HashMap<OwnOrdersOf, Vec<Order>> = HashMap::new();
        for order in self.database.orders_of_tickets(viewer, &tickets).await? {
            found.entry(OwnOrdersOf(order.ticket)).or_default().push(order);
        }
        Ok(found)
    }
}
