//! One who watches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use super::follow::reached;
use super::{Changes, Live};
use crate::database::Database;
use crate::freshness::Freshness;
use crate::page::Cursor;

/// How long after a read that failed it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

struct Watcher<T: Live> {
    database: Database,
    of: T::Of,
    news: broadcast::Receiver<Arc<T>>,
    /// Everything up to here has been given.
    given: Cursor,
    /// There may be more in the database than is known here.
    behind: bool,
    waiting: VecDeque<Arc<T>>,
}

/// Everything that changes after a place in the log, or from now on. A thing that changes faster than
/// it is taken is given as it is at last. While Postgres is away nothing comes, and afterwards
/// everything that was missed. It ends with the program.
pub(crate) fn watch<T: Live>(
    changes: &Changes,
    database: Database,
    freshness: &Freshness,
    of: T::Of,
    after: Option<Cursor>,
) -> impl Stream<Item = Arc<T>> + Send + use<T> {
    // Listening first, so that nothing falls between what is read up and what is told.
    let news = T::channel(changes).subscribe();
    let given = after.unwrap_or_else(|| reached::<T>(freshness));
    let watcher =
        Watcher::<T> { database, of, news, given, behind: true, waiting: VecDeque::new() };
    unfold(watcher, |mut watcher| async move {
        let next = watcher.next().await?;
        Some((next, watcher))
    })
}

impl<T: Live> Watcher<T> {
    async fn next(&mut self) -> Option<Arc<T>> {
        loop {
            if let Some(row) = self.waiting.pop_front() {
                self.given = row.changed();
                return Some(row);
            }
            if self.behind {
                self.read_up().await;
                continue;
            }
            match self.news.recv().await {
                Ok(row) if row.changed() <= self.given => {}
                Ok(row) => {
                    self.given = row.changed();
                    if row.is_one_of(&self.of) {
                        return Some(row);
                    }
                }
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn read_up(&mut self) {
        match T::read_changed(&self.database, self.given, &self.of).await {
            Ok(rows) => {
                self.behind = !rows.is_empty();
                self.waiting = rows.into_iter().map(Arc::new).collect();
            }
            Err(error) => {
                tracing::debug!("a watcher cannot read up what it missed: {error}");
                sleep(RETRY_AFTER).await;
            }
        }
    }
}
