//! Filling a projection anew beside the one that readers see, and changing over to it.

mod switch;

use domain::Position;
use eventlog::EventLog;
use futures::future::try_join_all;
use serde::Serialize;
use sqlx::{Connection, PgConnection, PgPool};

use crate::build::{Build, Part};
use crate::feed::{Progress, feed};
use crate::fill::Fill;
use crate::verify::{Verified, verify_builds};
use crate::{Error, Registered, schema, select};

/// How a rebuild is to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep the tables that readers have seen until now, so that a rollback can show them again.
    pub keep_old: bool,
    /// Fill and prove only. The next rebuild goes on from there.
    pub unswitched: bool,
}

/// What a rebuild is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The log is read into new tables.
    Filling(Progress),
    /// The indexes are made.
    Indexing,
    /// The log is read again, to see whether the new tables are what it says.
    Proving(Progress),
    /// Readers come over.
    Switching,
}

/// A projection that was rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// What the proof found, which is nothing that is off.
    #[serde(flatten)]
    pub proof: Verified,
    /// Where readers came over; none when they were left where they are.
    pub switched_at: Option<Position>,
}

/// Fills new tables for the named projections (all, when none is named) while the old ones are kept
/// and read, proves them, and shows them to readers. Ended or killed on the way, the next rebuild
/// goes on where it was.
///
/// # Errors
/// [`Error`]; readers see the old tables as before.
pub async fn rebuild(
    log: &EventLog,
    pool: &PgPool,
    names: &[String],
    options: Options,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<Vec<Rebuilt>, Error> {
    let projections = select(names)?;
    let locks = lock(pool, &projections).await?;
    let outcome = rebuild_alone(log, pool, projections, options, tell).await;
    unlock(locks).await;
    outcome
}

async fn rebuild_alone(
    log: &EventLog,
    pool: &PgPool,
    projections: Vec<Registered>,
    options: Options,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<Vec<Rebuilt>, Error> {
    let mut fills = Vec::new();
    for projection in projections {
        fills.push(Fill::open(projection, pool).await?);
    }
    fill(log, &mut fills, tell).await?;
    tell(Stage::Indexing);
    try_join_all(fills.iter().map(Fill::index)).await?;
    fill(log, &mut fills, tell).await?;
    let builds: Vec<_> = fills.iter().map(|it| (it.projection, it.build.clone())).collect();
    let mut proving = |progress| tell(Stage::Proving(progress));
    let proofs = verify_builds(log, pool, &builds, &mut proving).await?;
    if let Some(unproven) = proofs.iter().find(|proof| !proof.comparison.same()) {
        discard(pool, &builds, &proofs).await?;
        return Err(Error::Unproven(Box::new(unproven.clone())));
    }
    let mut rebuilt = Vec::new();
    for (fill, proof) in fills.into_iter().zip(proofs) {
        let switched_at = if options.unswitched {
            None
        } else {
            tell(Stage::Switching);
            switch::switch(log, pool, fill, options.keep_old).await?
        };
        rebuilt.push(Rebuilt { proof, switched_at });
    }
    Ok(rebuilt)
}

/// What is not proven is not gone on with: the next rebuild begins anew.
async fn discard(
    pool: &PgPool,
    builds: &[(Registered, Build)],
    proofs: &[Verified],
) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    for ((_, build), proof) in builds.iter().zip(proofs) {
        if !proof.comparison.same() {
            schema::remove(&mut transaction, build).await?;
        }
    }
    transaction.commit().await
}

/// Shows the tables again that were kept when a projection was last rebuilt, once they have caught
/// up. Those that readers leave are kept in turn.
///
/// # Errors
/// [`Error::NoFormer`] when none were kept.
pub async fn rollback(
    log: &EventLog,
    pool: &PgPool,
    name: &str,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<Option<Position>, Error> {
    let projections = select(&[name.to_owned()])?;
    let [projection] = projections[..] else { return Err(Error::Unknown(name.to_owned())) };
    let locks = lock(pool, &projections).await?;
    let outcome = roll_back_alone(log, pool, projection, tell).await;
    unlock(locks).await;
    outcome
}

async fn roll_back_alone(
    log: &EventLog,
    pool: &PgPool,
    projection: Registered,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<Option<Position>, Error> {
    let Registered { name, version, .. } = projection;
    let former = Build::find(pool, name, version, Part::Former).await?;
    let former = former.ok_or(Error::NoFormer(name))?;
    switch::wake(pool, &former).await?;
    let mut fills = vec![Fill::of(projection, former, pool).await?];
    fill(log, &mut fills, tell).await?;
    tell(Stage::Switching);
    let [former] = <[Fill; 1]>::try_from(fills).map_err(|_| Error::NoFormer(name))?;
    switch::switch(log, pool, former, true).await
}

/// Until the end of the log, and then what has come meanwhile, as long as that is much.
async fn fill(
    log: &EventLog,
    fills: &mut [Fill],
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<(), Error> {
    /// What is new after this many rounds is little, or comes faster than it can be taken.
    const ROUNDS: u32 = 5;
    for _ in 0..ROUNDS {
        let Some(head) = log.head().await? else { return Ok(()) };
        if fills.iter().all(|fill| fill.has_reached(head)) {
            return Ok(());
        }
        fills.iter_mut().for_each(|fill| fill.aim_at(head));
        feed(log, fills, &mut |progress| tell(Stage::Filling(progress))).await?;
    }
    Ok(())
}

/// One rebuild of a projection at a time. The locks are held as long as the connections are open.
async fn lock(pool: &PgPool, projections: &[Registered]) -> Result<Vec<PgConnection>, Error> {
    let mut locks = Vec::new();
    for projection in projections {
        let options = pool.connect_options();
        let mut connection = PgConnection::connect_with(&options).await?;
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(format!("ticketing projectors rebuild {}", projection.name))
            .fetch_one(&mut connection)
            .await?;
        if !free {
            return Err(Error::Busy(projection.name));
        }
        locks.push(connection);
    }
    Ok(locks)
}

/// Postgres takes its time to notice that a connection is gone, so it is told. One that is lost has
/// no locks any more.
async fn unlock(locks: Vec<PgConnection>) {
    for mut connection in locks {
        let _lost = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await;
    }
}
