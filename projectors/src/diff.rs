//! How the rows of two builds differ at the same place in the log.

use std::time::Duration;

use eventlog::EventLog;
use serde::Serialize;
use sqlx::PgPool;

use crate::build::{Build, Part};
use crate::compare::{Comparison, compare};
use crate::feed::feed;
use crate::scratch::Scratch;
use crate::{Error, Registered, select};

/// How often, and after how long, it is looked whether the build that readers see has caught up.
const TRIES_MAX: u32 = 60;
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// The rows that readers see, and those of another build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub name: &'static str,
    /// What readers see: `expected` in the differences.
    pub live: String,
    /// What they would see: `found` in the differences.
    pub other: String,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Compares what readers see of a projection with the build that is to take its place, or else with
/// the one that was kept when it was rebuilt last. The one that is behind is brought to where the
/// other is, in a transaction that is never committed.
///
/// # Errors
/// [`Error::OneBuild`] when there is no other build.
pub async fn diff(
    log: &EventLog,
    pool: &PgPool,
    name: &str,
    differences_max: u32,
) -> Result<Diff, Error> {
    let projections = select(&[name.to_owned()])?;
    let projection = *projections.first().ok_or_else(|| Error::Unknown(name.to_owned()))?;
    let live = Build::live(pool, projection.name).await?;
    let live = live.ok_or(Error::NotInstalled(projection.name))?;
    let other = other_than(pool, &projection, &live).await?;
    let other = other.ok_or(Error::OneBuild(projection.name))?;
    let scratch = level(log, pool, projection, &other, &live).await?;
    let mut scratch = scratch.ok_or(Error::Behind(projection.name))?;
    let (expected, found) = (live.schema(), other.schema());
    let comparison = compare(&mut scratch.transaction, &expected, &found, differences_max).await?;
    scratch.transaction.rollback().await?;
    let (live, other) = (live.to_string(), other.to_string());
    Ok(Diff { name: projection.name, live, other, comparison })
}

async fn other_than(
    pool: &PgPool,
    &Registered { name, version, .. }: &Registered,
    live: &Build,
) -> sqlx::Result<Option<Build>> {
    for part in [Part::Filling, Part::Kept, Part::Former] {
        let build = Build::find(pool, name, version, part).await?;
        if let Some(build) = build.filter(|build| build != live) {
            return Ok(Some(build));
        }
    }
    Ok(None)
}

/// A transaction in which `other` stands where `live` does; none if that is not to be had.
async fn level(
    log: &EventLog,
    pool: &PgPool,
    projection: Registered,
    other: &Build,
    live: &Build,
) -> Result<Option<Scratch>, Error> {
    for _ in 0..TRIES_MAX {
        if let Some(mut scratch) = Scratch::ahead_of(projection, other, live, pool).await? {
            feed(log, std::slice::from_mut(&mut scratch), &mut |_| {}).await?;
            return Ok(Some(scratch));
        }
        // What readers see is behind, and moved on by its own projectors alone.
        tokio::time::sleep(TRY_AGAIN).await;
    }
    Ok(None)
}
