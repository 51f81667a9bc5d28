//! Aggregates as they were.

use domain::{Aggregate, Revision};
use tokio::sync::Semaphore;

use crate::connection::Connection;
use crate::execute::stream_of;
use crate::wait::absorb;
use crate::{Loaded, LogError};

/// So many histories are read at once; each may be long, and nobody needs many.
const READS_MAX: usize = 4;

/// Reads the past, a few at a time.
#[derive(Debug)]
pub(crate) struct Past(Semaphore);

impl Past {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(READS_MAX))
    }

    /// The state when its last event was that one; earlier, if the stream is shorter.
    pub(crate) async fn at<A: Aggregate>(
        &self,
        connection: &Connection,
        id: &A::Id,
        revision: Revision,
    ) -> Result<Loaded<A>, LogError> {
        let count = usize::try_from(revision.0).unwrap_or(usize::MAX).saturating_add(1);
        self.fold(connection, id, count, |_| false).await
    }

    /// The state when `done` was first true of it; the newest, if it never was.
    pub(crate) async fn first<A: Aggregate>(
        &self,
        connection: &Connection,
        id: &A::Id,
        done: impl Fn(&A) -> bool + Send + Sync,
    ) -> Result<Loaded<A>, LogError> {
        self.fold(connection, id, usize::MAX, done).await
    }

    async fn fold<A: Aggregate>(
        &self,
        connection: &Connection,
        id: &A::Id,
        count_max: usize,
        done: impl Fn(&A) -> bool + Send + Sync,
    ) -> Result<Loaded<A>, LogError> {
        // The semaphore is never closed.
        let _turn = self.0.acquire().await;
        let mut loaded = Loaded { state: A::default(), revision: None, position: None };
        let mut is_done = false;
        let take = |stored| {
            if !is_done {
                absorb(&mut loaded, &stored)?;
                is_done = done(&loaded.state);
            }
            Ok(())
        };
        connection.read_stream(&stream_of::<A>(id), 0, count_max, take).await?;
        Ok(loaded)
    }
}
