//! The follower that applies a projection: effect and checkpoint in one transaction.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded};
use eventlog::parking::Unfit;
use eventlog::{EventLog, FollowError, Follower, TakeError, checkpoint};
use sqlx::{PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;

use crate::Registered;
use crate::apply::{self, Care};
use crate::build::{Build, Part};
use crate::fault::{Fault, take_error};
use crate::lease::Leases;
use crate::projection::Changed;
use crate::schema;

/// Follows the log into the tables of a projection until `shutdown`.
pub(crate) async fn run(
    projection: Registered,
    log: EventLog,
    pool: PgPool,
    leases: Leases,
    shutdown: CancellationToken,
) -> Result<(), FollowError> {
    let mut projector = Projector::new(projection, pool, leases);
    eventlog::follow(&log, &mut projector, shutdown).await
}

struct Projector {
    projection: Registered,
    pool: PgPool,
    leases: Leases,
    /// Names the follower in logs and metrics, whichever build it keeps.
    name: String,
    /// The build that this version's projectors keep; a rebuild puts another in its place, and takes
    /// this one's checkpoint away.
    build: Build,
    /// Where the checkpoint is as far as this replica knows.
    position: Option<Position>,
    /// Whether readers still see an older version, which this one is to replace.
    unseen: bool,
}

impl Projector {
    fn new(projection: Registered, pool: PgPool, leases: Leases) -> Self {
        let build = Build::first(projection.name, projection.version);
        let name = build.checkpoint();
        // There from the start: a counter that begins with 1 has not risen for who watches it.
        metrics::counter!("projection_parked_total", "follower" => name.clone()).increment(0);
        Self { projection, pool, leases, name, build, position: None, unseen: true }
    }

    /// False: another replica has moved the checkpoint, and nothing was done.
    async fn commit(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
        care: Care,
    ) -> sqlx::Result<bool> {
        let Some(mut transaction) = self.advance(end).await? else { return Ok(false) };
        let changed =
            apply::write(&self.projection, &self.build, &mut transaction, batch, care).await?;
        self.finish(transaction, end, &changed).await?;
        Ok(true)
    }

    /// Begins with the checkpoint, so that a second replica waits here and then finds that it has
    /// nothing to do.
    async fn advance(&self, end: Position) -> sqlx::Result<Option<Transaction<'static, Postgres>>> {
        let mut transaction = self.pool.begin().await?;
        let follower = self.build.checkpoint();
        if checkpoint::advance(&mut transaction, &follower, self.position, end).await? {
            return Ok(Some(transaction));
        }
        transaction.rollback().await?;
        Ok(None)
    }

    async fn finish(
        &mut self,
        mut transaction: Transaction<'static, Postgres>,
        end: Position,
        changed: &Changed,
    ) -> sqlx::Result<()> {
        let unseen =
            self.unseen && !schema::show_if_caught_up(&mut transaction, &self.build, end).await?;
        schema::announce(&mut transaction, &self.build, end, changed).await?;
        transaction.commit().await?;
        self.position = Some(end);
        self.unseen = unseen;
        Ok(())
    }

    /// Goes on where the build that is kept now stands.
    async fn resume(&mut self) -> Result<Option<Position>, TakeError> {
        let Registered { name, version, .. } = self.projection;
        let kept = Build::find(&self.pool, name, version, Part::Kept).await.map_err(take_error)?;
        self.build = kept.ok_or_else(|| TakeError::Transient("it is not installed".into()))?;
        let position = checkpoint::read(&self.pool, &self.build.checkpoint()).await;
        self.position = position.map_err(take_error)?;
        Ok(self.position)
    }

    /// Whether a rebuild has put another build in the place of this one, whose tables may be gone.
    async fn is_replaced(&self) -> bool {
        let Registered { name, version, .. } = self.projection;
        let kept = Build::find(&self.pool, name, version, Part::Kept).await;
        kept.is_ok_and(|kept| kept.as_ref() != Some(&self.build))
    }

    /// False: another replica has moved the checkpoint, and nothing was done.
    async fn pass(&mut self, unfit: &Unfit) -> sqlx::Result<bool> {
        let Some(mut transaction) = self.advance(unfit.position).await? else { return Ok(false) };
        apply::park(&mut transaction, &self.build.checkpoint(), unfit).await?;
        self.finish(transaction, unfit.position, &Changed::default()).await?;
        Ok(true)
    }
}

#[async_trait]
impl Follower for Projector {
    fn name(&self) -> &str {
        &self.name
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        if !self.leases.hold(&self.name).await.map_err(take_error)? {
            return Err(TakeError::StandsBy);
        }
        self.resume().await
    }

    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError> {
        let taken = match self.commit(batch, end, Care::None).await {
            Err(error) if Fault::of(&error) == Fault::Unfit => {
                self.commit(batch, end, Care::Around).await
            }
            outcome => outcome,
        };
        match taken {
            Ok(true) => Ok(()),
            Ok(false) => Err(TakeError::StoodDown),
            Err(error) if Fault::of(&error) != Fault::Outage && self.is_replaced().await => {
                Err(TakeError::StoodDown)
            }
            Err(error) => Err(take_error(error)),
        }
    }

    async fn set_aside(&mut self, unreadable: &Unfit) -> Result<bool, TakeError> {
        let passed = self.pass(unreadable).await.map_err(take_error)?;
        if passed { Ok(true) } else { Err(TakeError::StoodDown) }
    }
}
