//! Lists of tickets that many ask for at the same time, as when a sale begins: each is read once for
//! all of them, and kept until the read model has come further.

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use moka::future::Cache;

use crate::database::{Database, ReadError};
use crate::freshness::{Freshness, ReadModel};
use crate::page::{Items, Page, TicketCursor};
use crate::read_model::Ticket;
use crate::read_model::ticket::{TicketFilter, TicketSort};

/// Rows that are repaired move no position, so nothing is kept longer than this.
const KEPT_MAX: Duration = Duration::from_secs(1);
/// Of all lists that are kept together.
const TICKETS_MAX: u64 = 20_000;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedLists {
    database: Database,
    freshness: Freshness,
    kept: Cache<Asked, Arc<Items<Ticket>>>,
}

/// What is asked for, and how far the tickets were known to have come then. A list that was read for
/// somebody who asked at the same position has everything up to there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    at: Option<Position>,
    filter: TicketFilter,
    sort: TicketSort,
    page: Page<TicketCursor>,
}

impl SharedLists {
    pub(crate) fn new(database: Database, freshness: Freshness) -> Self {
        let kept = Cache::builder()
            .time_to_live(KEPT_MAX)
            .max_capacity(TICKETS_MAX)
            .weigher(|_, list: &Arc<Items<Ticket>>| {
                u32::try_from(list.items.len()).map_or(u32::MAX, |tickets| tickets.max(1))
            })
            .build();
        Self { database, freshness, kept }
    }

    pub(crate) async fn tickets(
        &self,
        filter: TicketFilter,
        sort: TicketSort,
        page: Page<TicketCursor>,
    ) -> Result<Items<Ticket>, ReadError> {
        // Before reading: what is read then may have come further, never less far.
        let at = self.freshness.position(&[ReadModel::Tickets]);
        let asked = Asked { at, filter, sort, page };
        let read =
            async { self.database.list_tickets(&asked.filter, sort, &page).await.map(Arc::new) };
        let list = self.kept.try_get_with_by_ref(&asked, read).await;
        list.map(|list| Items::clone(&list)).map_err(|error| ReadError::clone(&error))
    }
}
