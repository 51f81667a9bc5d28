//! Letting parked streams in again.

use std::collections::HashSet;

use domain::event::Revision;
use domain::{DomainEvent, Recorded};
use eventlog::parking::{self, Parked, Unfit};
use eventlog::{EventLog, LogError};
use sqlx::{PgPool, Postgres, Transaction};

use crate::apply;
use crate::build::{Build, Part};
use crate::history::Histories;
use crate::projection::Changed;
use crate::{Error, PROJECTIONS, Registered, schema};

/// What is to be done about the event that a stream is parked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is tried again, as after a mistake of the program has been mended.
    Retry,
    /// It is left out, and those behind it are taken.
    Skip,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetIn {
    /// The stream is taken like any other again.
    Open,
    /// This event does not fit either.
    Still(Unfit),
}

/// Every stream that the projections have parked, the oldest first.
///
/// # Errors
/// Of the database.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<Parked>> {
    parking::list(pool, "projector/").await
}

/// Takes the events of a parked stream that have passed by; its projectors wait meanwhile.
///
/// # Errors
/// [`Error::NotParked`] when it is not, or not any more.
pub async fn let_in(
    log: &EventLog,
    pool: &PgPool,
    parked: &Parked,
    way: Way,
) -> Result<LetIn, Error> {
    let (projection, build) = kept(pool, &parked.follower)
        .await?
        .ok_or_else(|| Error::NotParked(parked.stream.clone()))?;
    let mut transaction = pool.begin().await?;
    let reached = schema::lock_checkpoint(&mut transaction, &build).await?;
    let parked = parking::find(&mut transaction, &parked.follower, &parked.stream).await?.filter(
        // Somebody else has let it in, and it was parked for another event since.
        |now| now.revision == parked.revision,
    );
    let parked = parked.ok_or_else(|| Error::NotParked(build.to_string()))?;
    schema::enter(&mut transaction, &build.schema()).await?;
    let (outcome, changed) = take(log, &projection, &mut transaction, &parked, way).await?;
    match &outcome {
        LetIn::Open => {
            parking::release(&mut transaction, &parked.follower, &parked.stream).await?;
        }
        LetIn::Still(unfit) => parking::park(&mut transaction, &parked.follower, unfit).await?,
    }
    if let Some(reached) = reached {
        schema::announce(&mut transaction, &build, reached, &changed).await?;
    }
    transaction.commit().await?;
    Ok(outcome)
}

/// The projection and the build that keep a checkpoint of that name.
async fn kept(pool: &PgPool, follower: &str) -> sqlx::Result<Option<(Registered, Build)>> {
    for projection in PROJECTIONS {
        let &Registered { name, version, .. } = projection;
        let kept = Build::find(pool, name, version, Part::Kept).await?;
        if let Some(kept) = kept.filter(|kept| kept.checkpoint() == follower) {
            return Ok(Some((*projection, kept)));
        }
    }
    Ok(None)
}

async fn take(
    log: &EventLog,
    projection: &Registered,
    transaction: &mut Transaction<'static, Postgres>,
    parked: &Parked,
    way: Way,
) -> Result<(LetIn, Changed), Error> {
    let from = match way {
        Way::Retry => parked.revision,
        Way::Skip => Revision(parked.revision.0 + 1),
    };
    let mut changed = Changed::default();
    let mut histories = Histories::new(log, &parked.stream, from);
    loop {
        let page = match histories.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok((LetIn::Open, changed)),
            Err(error) => return unreadable(error, parked).map(|outcome| (outcome, changed)),
        };
        let passed = page.partition_point(|record| record.revision <= parked.last_revision);
        let all = passed < page.len();
        let page: &[Recorded<DomainEvent>] = page.get(..passed).unwrap_or_default();
        let outcome =
            apply::around(projection, &mut *transaction, page, &mut HashSet::new()).await?;
        changed.extend(outcome.changed);
        if let Some(unfit) = outcome.unfit.into_iter().next() {
            return Ok((LetIn::Still(unfit), changed));
        }
        if all {
            return Ok((LetIn::Open, changed));
        }
    }
}

/// An event that cannot be read stops the stream, unless it has not passed by yet.
fn unreadable(error: LogError, parked: &Parked) -> Result<LetIn, Error> {
    match error.unfit() {
        Some(unfit) if unfit.revision > parked.last_revision => Ok(LetIn::Open),
        Some(unfit) => Ok(LetIn::Still(unfit)),
        None => Err(error.into()),
    }
}
