//! The fold of the log in tables that nobody else sees, and that are never committed.

use std::collections::HashSet;

use domain::{DomainEvent, Position, Recorded};
use eventlog::checkpoint;
use eventlog::parking::Unfit;
use sqlx::{Executor, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::apply;
use crate::build::Build;
use crate::feed::Sink;
use crate::{Error, Registered, schema};

/// One transaction that sees a build as it stands at its checkpoint, and folds the log beside it, or
/// in it, up to a position. The end of the transaction leaves nothing of that behind.
pub(crate) struct Scratch {
    pub(crate) projection: Registered,
    pub(crate) transaction: Transaction<'static, Postgres>,
    /// Where the fold is made.
    pub(crate) schema: String,
    parked: HashSet<String>,
    position: Option<Position>,
    until: Position,
}

impl Scratch {
    /// Begins with empty tables, to be brought to where the build stands.
    pub(crate) async fn beside(
        projection: Registered,
        build: &Build,
        pool: &PgPool,
    ) -> sqlx::Result<Self> {
        let mut transaction = snapshot(pool).await?;
        let until = checkpoint::read(&mut *transaction, &build.checkpoint()).await?;
        // Not the same for two that are at it at once: they would wait for each other.
        let schema = format!("scratch_{}", Uuid::now_v7().simple());
        schema::create_in(&mut transaction, &projection, &schema).await?;
        let until = until.unwrap_or_default();
        let parked = HashSet::new();
        Ok(Self { projection, transaction, schema, parked, position: None, until })
    }

    /// Begins with the tables of `build`, to be brought to where `other` stands. None: it stands
    /// further than the other.
    pub(crate) async fn ahead_of(
        projection: Registered,
        build: &Build,
        other: &Build,
        pool: &PgPool,
    ) -> sqlx::Result<Option<Self>> {
        let mut transaction = snapshot(pool).await?;
        let position = checkpoint::read(&mut *transaction, &build.checkpoint()).await?;
        let until = checkpoint::read(&mut *transaction, &other.checkpoint()).await?;
        if position > until {
            return Ok(None);
        }
        let follower = build.checkpoint();
        let parked = eventlog::parking::streams(&mut *transaction, &follower).await?;
        let schema = build.schema();
        schema::enter(&mut transaction, &schema).await?;
        let until = until.unwrap_or_default();
        Ok(Some(Self { projection, transaction, schema, parked, position, until }))
    }
}

impl Scratch {
    /// How far the fold has come; none when there was nothing to fold.
    pub(crate) fn reached(&self) -> Option<Position> {
        self.position.filter(|position| *position > Position::default())
    }
}

impl Sink for Scratch {
    fn position(&self) -> Option<Position> {
        self.position
    }

    fn until(&self) -> Position {
        self.until
    }

    async fn take(
        &mut self,
        events: &[Recorded<DomainEvent>],
        unreadable: Option<&Unfit>,
        end: Position,
    ) -> Result<(), Error> {
        apply::around(&self.projection, &mut self.transaction, events, &mut self.parked).await?;
        self.parked.extend(unreadable.map(|unfit| unfit.stream.clone()));
        self.position = Some(end);
        Ok(())
    }
}

/// Everything in it is seen as at one moment, and written the same way whatever the settings of the
/// database are.
async fn snapshot(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut transaction = pool.begin().await?;
    for setting in [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET LOCAL TimeZone = 'UTC'",
        "SET LOCAL DateStyle = 'ISO'",
    ] {
        transaction.execute(setting).await?;
    }
    Ok(transaction)
}
