//! Reads each commit once, for everybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Changes, Live};
use crate::database::{Database, ReadError};
use crate::freshness::Freshness;
use crate::page::Cursor;

/// How long after a read that failed it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

pub(super) fn start<T: Live>(
    changes: &Changes,
    database: &Database,
    freshness: &Freshness,
    shutdown: &CancellationToken,
) {
    let channel = T::channel(changes).clone();
    let (database, freshness) = (database.clone(), freshness.clone());
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        shutdown.run_until_cancelled(follow::<T>(&channel, &database, &freshness)).await;
    });
}

async fn follow<T: Live>(
    channel: &broadcast::Sender<Arc<T>>,
    database: &Database,
    freshness: &Freshness,
) {
    let mut commits = freshness.changes();
    let mut told = Cursor::default();
    loop {
        let reached = reached::<T>(freshness);
        // Nobody watches, or the database is another one, restored from a backup: whoever comes
        // reads up what there is first.
        if channel.receiver_count() == 0 || reached < told {
            told = reached;
        }
        if told < reached {
            match tell(channel, database, told).await {
                Ok(last) => told = last.max(reached),
                Err(error) => {
                    tracing::debug!("changes cannot be read: {error}");
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            }
        }
        if commits.changed().await.is_err() {
            return;
        }
    }
}

/// Tells everything that has changed after a place; gives the place of the last change.
async fn tell<T: Live>(
    channel: &broadcast::Sender<Arc<T>>,
    database: &Database,
    mut told: Cursor,
) -> Result<Cursor, ReadError> {
    loop {
        let rows = T::read_changed(database, told, &T::Of::default()).await?;
        let Some(last) = rows.last() else { return Ok(told) };
        told = last.changed();
        for row in rows {
            // Nobody watches any more.
            let _unheard = channel.send(Arc::new(row));
        }
    }
}

pub(super) fn reached<T: Live>(freshness: &Freshness) -> Cursor {
    let position = freshness.position(&[T::MODEL]).unwrap_or_default();
    Cursor::try_from(position).unwrap_or_default()
}
