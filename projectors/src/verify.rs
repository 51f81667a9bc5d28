//! Whether the tables are what the log says, told by folding it again.

use domain::Position;
use eventlog::EventLog;
use serde::Serialize;
use sqlx::PgPool;

use crate::build::{Build, Part};
use crate::compare::{Comparison, compare};
use crate::feed::{Progress, feed};
use crate::scratch::Scratch;
use crate::trace::{self, FirstOff};
use crate::{Error, Registered, select};

/// Of each table so many rows that differ are named.
const DIFFERENCES_MAX: u32 = 20;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub name: &'static str,
    pub version: u32,
    pub build: u32,
    /// Where the tables stood in the log when they were looked at.
    pub position: Option<Position>,
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Where they are off, if they are.
    pub first: Option<FirstOff>,
}

/// Folds the log anew and compares it with the tables of the named projections (all, when none is
/// named), each at the position where it stands now; it may go on meanwhile.
///
/// The fold lies in tables of a transaction that is never committed. So it needs no more memory the
/// longer the log is, and leaves nothing behind, whatever happens.
///
/// # Errors
/// When the log or the database cannot be read.
pub async fn verify(
    log: &EventLog,
    pool: &PgPool,
    names: &[String],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Verified>, Error> {
    let mut builds = Vec::new();
    for projection in select(names)? {
        let Registered { name, version, .. } = projection;
        let kept = Build::find(pool, name, version, Part::Kept).await?;
        builds.push((projection, kept.ok_or(Error::NotInstalled(name))?));
    }
    verify_builds(log, pool, &builds, progress).await
}

pub(crate) async fn verify_builds(
    log: &EventLog,
    pool: &PgPool,
    builds: &[(Registered, Build)],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Verified>, Error> {
    let mut scratches = Vec::new();
    for (projection, build) in builds {
        scratches.push(Scratch::beside(*projection, build, pool).await?);
    }
    feed(log, &mut scratches, progress).await?;
    let mut verified = Vec::new();
    for (mut scratch, (_, build)) in scratches.into_iter().zip(builds) {
        verified.push(judge(log, &mut scratch, build).await?);
        scratch.transaction.rollback().await?;
    }
    Ok(verified)
}

async fn judge(log: &EventLog, scratch: &mut Scratch, build: &Build) -> Result<Verified, Error> {
    let folded = scratch.schema.clone();
    let comparison =
        compare(&mut scratch.transaction, &folded, &build.schema(), DIFFERENCES_MAX).await?;
    let first = trace::first_off(log, scratch, build, &comparison.differences).await?;
    let &Build { name, version, number } = build;
    let position = scratch.reached();
    Ok(Verified { name, version, build: number, position, comparison, first })
}
