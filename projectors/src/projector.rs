//! The follower that applies a projection: effect and checkpoint in one transaction.

#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded};
use eventlog::{EventLog, FollowError, Follower, TakeError, checkpoint};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::projection::{Changed, Projection};
use crate::schema;

/// Follows the log into the tables of `P` until `shutdown`.
pub(crate) fn run<P: Projection>(
    log: EventLog,
    pool: PgPool,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), FollowError>> {
    Box::pin(async move {
        let mut projector = Projector::<P>::new(pool);
        eventlog::follow(&log, &mut projector, shutdown).await
    })
}

struct Projector<P> {
    pool: PgPool,
    /// Names the checkpoint, and the follower in logs and metrics.
    name: String,
    schema: String,
    /// Where the checkpoint is as far as this replica knows.
    position: Option<Position>,
    /// Whether readers still see an older version, which this one is to replace.
    unseen: bool,
    projection: PhantomData<P>,
}

impl<P: Projection> Projector<P> {
    fn new(pool: PgPool) -> Self {
        Self {
            pool,
            name: schema::checkpoint_of(P::NAME, P::VERSION),
            schema: schema::schema_of(P::NAME, P::VERSION),
            position: None,
            unseen: true,
            projection: PhantomData,
        }
    }

    /// False: another replica has moved the checkpoint, and nothing was done.
    async fn commit(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> sqlx::Result<bool> {
        let mut transaction = self.pool.begin().await?;
        // First, so that a second replica waits here and then finds that it has nothing to do.
        if !checkpoint::advance(&mut transaction, &self.name, self.position, end).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        let mut changed = Changed::default();
        if !batch.is_empty() {
            schema::enter(&mut transaction, &self.schema).await?;
            changed = P::apply(&mut transaction, batch).await?;
        }
        let unseen = self.unseen && !schema::show_if_caught_up::<P>(&mut transaction, end).await?;
        schema::announce::<P>(&mut transaction, end, &changed).await?;
        transaction.commit().await?;
        self.position = Some(end);
        self.unseen = unseen;
        Ok(true)
    }
}

#[async_trait]
impl<P: Projection> Follower for Projector<P> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        self.position = checkpoint::read(&self.pool, &self.name).await.map_err(take_error)?;
        Ok(self.position)
    }

    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError> {
        match self.commit(batch, end).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TakeError::StoodDown),
            Err(error) => Err(take_error(error)),
        }
    }
}

/// An outage passes; an event that does not fit the tables never will.
fn take_error(error: sqlx::Error) -> TakeError {
    let passes = if let sqlx::Error::Database(error) = &error {
        error.code().is_some_and(|code| passes(&code))
    } else {
        matches!(
            &error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
        )
    };
    if passes { TakeError::Transient(error.into()) } else { TakeError::Halt(error.into()) }
}

/// By the class of the SQLSTATE: connection, authorization (a password being changed), read-only
/// (a standby being promoted), rolled back for others' sake, out of resources, lock not to be had,
/// operator at work, system error.
fn passes(code: &str) -> bool {
    const CLASSES: [&str; 8] = ["08", "28", "25", "40", "53", "55", "57", "58"];
    code.get(..2).is_some_and(|class| CLASSES.contains(&class))
}
