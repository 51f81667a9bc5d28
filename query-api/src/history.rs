//! What only a log can tell: what ever happened to a thing, and what it once was.

mod as_of;
mod words;

use std::fmt::{self, Display};
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use domain::{Aggregate, Recorded, Revision};
use eventlog::{LogError, LogReader};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::page::{InvalidCursor, Items, Page};

pub(crate) use as_of::AsOf;
pub(crate) use words::InWords;

/// So many histories are read at once in this process: each may be long, and the log has others to
/// serve.
const READS_MAX: usize = 8;
/// The longest that one takes, the wait for the others included.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Reads the log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Past {
    log: LogReader,
    places: Arc<Semaphore>,
}

/// The place of an event in the history of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevisionCursor(pub(crate) u64);

impl Past {
    pub(crate) fn new(log: LogReader) -> Self {
        Self { log, places: Arc::new(Semaphore::new(READS_MAX)) }
    }

    /// A page of the history of a thing whose last known event has the number `version`.
    pub(crate) async fn events<A: Aggregate>(
        &self,
        id: &A::Id,
        version: u64,
        page: &Page<RevisionCursor>,
    ) -> Result<Items<Recorded<A::Event>>, LogError> {
        let limit = u64::from(page.limit());
        let start = page.after().map_or(0, |RevisionCursor(after)| after.saturating_add(1));
        let end = page.before().map(|RevisionCursor(before)| before);
        let (from, end) = if page.is_last() {
            let end = end.unwrap_or_else(|| version.saturating_add(1));
            (end.saturating_sub(limit).max(start), Some(end))
        } else {
            (start, end)
        };
        // One more than the page has tells whether there is another.
        let wanted = end.map_or(limit + 1, |end| end.saturating_sub(from).min(limit + 1));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let (log, id) = (self.log.clone(), id.clone());
        let read = async move { log.events::<A>(&id, Revision(from), wanted).await };
        let mut items = self.in_time(read).await?;
        let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let later = if page.is_last() { page.before().is_some() } else { more };
        Ok(Items { items, earlier: from > 0, later })
    }

    /// On a task of its own: the question may be nested deep, and the client of the log goes deep
    /// too, which together is more than a stack has.
    async fn in_time<T: Send + 'static>(
        &self,
        read: impl Future<Output = Result<T, LogError>> + Send + 'static,
    ) -> Result<T, LogError> {
        let places = Arc::clone(&self.places);
        let in_turn = async move {
            // The semaphore is never closed.
            let _place = places.acquire().await;
            read.await
        };
        let failed = |why: &str| LogError::Unavailable(format!("a history was not read: {why}"));
        match tokio::spawn(timeout(READ_WITHIN, in_turn)).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(failed("it took too long")),
            Err(error) => Err(failed(&error.to_string())),
        }
    }
}

impl FromStr for RevisionCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_: ParseIntError| InvalidCursor)
    }
}

impl Display for RevisionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}
