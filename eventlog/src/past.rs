//! Aggregates as they were.

use domain::{Aggregate, Revision};
use tokio::sync::Semaphore;

use crate::connection::{Connection, Reading};
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
        self.fold(connection, id, |then: &Loaded<A>| then.revision >= Some(revision)).await
    }

    /// The state when `done` was first true of it; the newest, if it never was.
    pub(crate) async fn first<A: Aggregate>(
        &self,
        connection: &Connection,
        id: &A::Id,
        done: impl Fn(&A) -> bool + Send + Sync,
    ) -> Result<Loaded<A>, LogError> {
        self.fold(connection, id, |then: &Loaded<A>| done(&then.state)).await
    }

    async fn fold<A: Aggregate>(
        &self,
        connection: &Connection,
        id: &A::Id,
        done: impl Fn(&Loaded<A>) -> bool + Send + Sync,
    ) -> Result<Loaded<A>, LogError> {
        // The semaphore is never closed.
        let _turn = self.0.acquire().await;
        let mut loaded = Loaded { state: A::default(), revision: None, position: None };
        let take = |stored| {
            absorb(&mut loaded, &stored)?;
            Ok(if done(&loaded) { Reading::Stop } else { Reading::GoOn })
        };
        connection.read_some(&stream_of::<A>(id), 0, take).await?;
        Ok(loaded)
    }
}
