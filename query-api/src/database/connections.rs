//! The connections that reads use. The pool tests a connection by a round trip when it gives it out
//! and by another one when it gets it back, which together take longer than reading a list does. So
//! what was taken out of it is used for a second before it goes back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How long a connection is used without being tested.
const UNTESTED_MAX: Duration = Duration::from_secs(1);

pub(super) struct Connections {
    pool: PgPool,
    /// For reads at once.
    places: Semaphore,
    /// Out of the pool and not in use.
    kept: Mutex<Vec<Tested>>,
}

/// A connection that the pool has tested.
struct Tested {
    connection: PoolConnection<Postgres>,
    at: Instant,
}

/// A connection for one read. Dropped, it goes back to the pool, which sees whether it is still good
/// for anything.
pub(super) struct Taken<'a> {
    tested: Tested,
    of: &'a Connections,
    _place: SemaphorePermit<'a>,
}

impl Connections {
    /// The pool must have some connections more than are read with at once.
    pub(super) fn of(pool: PgPool, reads_max: usize) -> Self {
        Self { pool, places: Semaphore::new(reads_max), kept: Mutex::default() }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn take(&self) -> sqlx::Result<Taken<'_>> {
        let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let tested = match self.kept() {
            Some(tested) => tested,
            None => Tested { connection: self.pool.acquire().await?, at: Instant::now() },
        };
        Ok(Taken { tested, of: self, _place: place })
    }

    /// The one that was used last of those that were tested only just now; the others go back to the
    /// pool.
    fn kept(&self) -> Option<Tested> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|tested| now.duration_since(tested.at) < UNTESTED_MAX);
        kept.pop()
    }
}

impl Taken<'_> {
    pub(super) fn get(&mut self) -> &mut PgConnection {
        &mut self.tested.connection
    }

    /// After a read that went well: the next one may have it.
    pub(super) fn keep(self) {
        self.of.kept.lock().unwrap_or_else(PoisonError::into_inner).push(self.tested);
    }
}
