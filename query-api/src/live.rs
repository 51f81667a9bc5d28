//! What changes, as it changes: each commit of the read models is read once and given to all who
//! watch. Who has missed something, because of having been away or slow or Postgres having been
//! away, reads it up from the place where it was.

mod follow;
mod watch;

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, ReadError};
use crate::freshness::{Freshness, ReadModel};
use crate::page::Cursor;
use crate::read_model::order::OrderChangesOf;
use crate::read_model::ticket::ChangesOf;
use crate::read_model::{Order, Ticket};

pub(crate) use watch::watch;

/// So many changes may wait for a watcher; one who falls further behind reads them up.
const WAITING_MAX: usize = 1_024;

/// Rows of a read model that can be watched.
pub(crate) trait Live: Clone + Send + Sync + 'static {
    const MODEL: ReadModel;
    /// Which of them.
    type Of: Clone + Default + Send + Sync + 'static;

    /// Where in the log it last changed.
    fn changed(&self) -> Cursor;

    fn is_one_of(&self, of: &Self::Of) -> bool;

    /// What has changed after a place in the log, in order, some rows of it.
    fn read_changed(
        database: &Database,
        after: Cursor,
        of: &Self::Of,
    ) -> impl Future<Output = Result<Vec<Self>, ReadError>> + Send;

    fn channel(changes: &Changes) -> &broadcast::Sender<Arc<Self>>;
}

/// Where changes are told. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes {
    tickets: broadcast::Sender<Arc<Ticket>>,
    orders: broadcast::Sender<Arc<Order>>,
}

/// The most rows read at a time.
const ROWS_MAX: i64 = 200;

impl Changes {
    /// Follows the read models until `shutdown`.
    pub(crate) fn follow(
        database: &Database,
        freshness: &Freshness,
        shutdown: &CancellationToken,
    ) -> Self {
        let changes = Self {
            tickets: broadcast::Sender::new(WAITING_MAX),
            orders: broadcast::Sender::new(WAITING_MAX),
        };
        follow::start::<Ticket>(&changes, database, freshness, shutdown);
        follow::start::<Order>(&changes, database, freshness, shutdown);
        changes
    }
}

impl Live for Ticket {
    const MODEL: ReadModel = ReadModel::Tickets;
    type Of = ChangesOf;

    fn changed(&self) -> Cursor {
        self.changed
    }

    fn is_one_of(&self, of: &ChangesOf) -> bool {
        of.include(self)
    }

    async fn read_changed(
        database: &Database,
        after: Cursor,
        of: &ChangesOf,
    ) -> Result<Vec<Self>, ReadError> {
        database.tickets_changed(after, of, ROWS_MAX).await
    }

    fn channel(changes: &Changes) -> &broadcast::Sender<Arc<Self>> {
        &changes.tickets
    }
}

impl Live for Order {
    const MODEL: ReadModel = ReadModel::Orders;
    type Of = OrderChangesOf;

    fn changed(&self) -> Cursor {
        self.changed
    }

    fn is_one_of(&self, of: &OrderChangesOf) -> bool {
        of.include(self)
    }

    async fn read_changed(
        database: &Database,
        after: Cursor,
        of: &OrderChangesOf,
    ) -> Result<Vec<Self>, ReadError> {
        database.orders_changed(after, of, ROWS_MAX).await
    }

    fn channel(changes: &Changes) -> &broadcast::Sender<Arc<Self>> {
        &changes.orders
    }
}
