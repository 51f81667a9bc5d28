//! The durable to-do list in Postgres, by whose clock tasks are due and claims run out.
//!
//! A task is claimed for a short while, renewed as long as its worker lives; no lock or transaction
//! is held while it is performed. What comes of it counts only under the claim.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::process_manager::Change;

/// Serialises the creation of the schema; any number that nobody else uses.
const INSTALL_LOCK: i64 = 0x7072_6f63_6d67_7273;
/// The longest error text that is kept.
const ERROR_CHARS_MAX: usize = 1_000;

/// The to-do list of one process manager. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct DueList {
    pool: PgPool,
    process: &'static str,
}

/// A task that is this worker's to perform until the lease runs out.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Claimed {
    pub(crate) key: Uuid,
    pub(crate) generation: i64,
    pub(crate) claim: Uuid,
    pub(crate) task: serde_json::Value,
    /// Attempts so far, with this one.
    pub(crate) attempts: i32,
    /// Attempts in a row that failed for good.
    pub(crate) refusals: i32,
    pub(crate) now: Timestamp,
}

/// What becomes of a task that was performed.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Done,
    Again { wait: Duration, refusals: i32, error: Option<String> },
    Park { error: String },
}

pub(crate) async fn install(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(INSTALL_LOCK)
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(include_str!("due_list.sql")).execute(&mut *transaction).await?;
    transaction.commit().await
}

impl DueList {
    pub(crate) fn new(pool: PgPool, process: &'static str) -> Self {
        Self { pool, process }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Changes the list in the caller's transaction. The last change of a key counts, but for one
    /// that only hastens it.
    pub(crate) async fn fold<T: Serialize>(
        &self,
        transaction: &mut PgConnection,
        changes: &[Change<T>],
    ) -> Result<(), FoldError> {
        let (mut keys, mut dues, mut tasks) = (vec![], vec![], vec![]);
        let (mut struck, mut hastened) = (vec![], vec![]);
        for change in last_of_each_key(changes) {
            match change {
                Change::Add { key, due, task } => {
                    keys.push(*key);
                    dues.push(*due);
                    tasks.push(serde_json::to_value(task)?);
                }
                Change::Strike { key } => struck.push(*key),
                Change::Hasten { key } => hastened.push(*key),
            }
        }
        if !struck.is_empty() {
            sqlx::query("DELETE FROM process_managers.task WHERE process = $1 AND key = ANY($2)")
                .bind(self.process)
                .bind(struck)
                .execute(&mut *transaction)
                .await?;
        }
        if !hastened.is_empty() {
            self.hasten_in(&mut *transaction, &hastened).await?;
        }
        if keys.is_empty() {
            return Ok(());
        }
        // A claim stays: the earlier task may be under way, and one at a time is performed.
        sqlx::query(
            "INSERT INTO process_managers.task AS known (process, key, due, task)
             SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::jsonb[])
             ON CONFLICT (process, key) DO UPDATE
             SET due = excluded.due, task = excluded.task, generation = known.generation + 1,
                 attempts = 0, refusals = 0, last_error = NULL, parked_at = NULL,
                 added_at = now()",
        )
        .bind(self.process)
        .bind(keys)
        .bind(dues)
        .bind(tasks)
        .execute(transaction)
        .await?;
        Ok(())
    }

    /// Has a task looked at now that waits for something, and again if it is being performed at the
    /// moment. False: there is no such task, or it is parked.
    pub(crate) async fn hasten(&self, key: Uuid) -> sqlx::Result<bool> {
        let mut connection = self.pool.acquire().await?;
        Ok(self.hasten_in(&mut connection, &[key]).await? > 0)
    }

    async fn hasten_in(&self, connection: &mut PgConnection, keys: &[Uuid]) -> sqlx::Result<u64> {
        // In the order of the keys, as all do who lock several rows.
        let hastened = sqlx::query(
            "WITH wanted AS (
                 SELECT key FROM process_managers.task
                 WHERE process = $1 AND key = ANY($2) AND parked_at IS NULL
                 ORDER BY key FOR UPDATE
             )
             UPDATE process_managers.task AS known
             SET due = least(due, now()), generation = generation + 1
             FROM wanted WHERE known.process = $1 AND known.key = wanted.key",
        )
        .bind(self.process)
        .bind(keys)
        .execute(connection)
        .await?;
        Ok(hastened.rows_affected())
    }

    /// Takes up to `limit` due tasks for as long as `lease`.
    pub(crate) async fn claim(&self, limit: usize, lease: Duration) -> sqlx::Result<Vec<Claimed>> {
        sqlx::query_as(
            "WITH due AS (
                 SELECT key FROM process_managers.task
                 WHERE process = $1 AND parked_at IS NULL AND due <= now()
                     AND (claimed_until IS NULL OR claimed_until <= now())
                 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED
             )
             UPDATE process_managers.task AS taken
             SET claim = gen_random_uuid(), attempts = attempts + 1,
                 claimed_until = now() + $3 * interval '1 millisecond'
             FROM due WHERE taken.process = $1 AND taken.key = due.key
             RETURNING taken.key, generation, claim, task, attempts, refusals, now() AS now",
        )
        .bind(self.process)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(milliseconds(lease))
        .fetch_all(&self.pool)
        .await
    }

    /// Keeps claims for as long as `lease` from now. A row that the feed holds at the moment is
    /// left for the next time: waiting for it could end in a deadlock.
    pub(crate) async fn renew(&self, claims: &[Uuid], lease: Duration) -> sqlx::Result<()> {
        sqlx::query(
            "WITH mine AS (
                 SELECT key FROM process_managers.task
                 WHERE process = $1 AND claim = ANY($2) FOR UPDATE SKIP LOCKED
             )
             UPDATE process_managers.task AS kept
             SET claimed_until = now() + $3 * interval '1 millisecond'
             FROM mine WHERE kept.process = $1 AND kept.key = mine.key",
        )
        .bind(self.process)
        .bind(claims)
        .bind(milliseconds(lease))
        .execute(&self.pool)
        .await
        .map(|_| ())
    }

    /// Says what became of a claimed task. True: the log has put it on the list anew meanwhile, so
    /// it may be due at once. A task that was struck, or taken by another, is left alone.
    pub(crate) async fn conclude(
        &self,
        claimed: &Claimed,
        verdict: &Verdict,
    ) -> sqlx::Result<bool> {
        let concluded = match verdict {
            Verdict::Done => self.take_off(claimed).await?,
            Verdict::Again { wait, refusals, error } => {
                self.put_back(claimed, *wait, *refusals, error.as_deref()).await?
            }
            Verdict::Park { error } => self.park(claimed, error).await?,
        };
        if concluded {
            return Ok(false);
        }
        let freed = sqlx::query(
            "UPDATE process_managers.task SET claim = NULL, claimed_until = NULL
             WHERE process = $1 AND key = $2 AND claim = $3",
        )
        .bind(self.process)
        .bind(claimed.key)
        .bind(claimed.claim)
        .execute(&self.pool)
        .await?;
        Ok(freed.rows_affected() > 0)
    }

    async fn take_off(&self, claimed: &Claimed) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "DELETE FROM process_managers.task
             WHERE process = $1 AND key = $2 AND claim = $3 AND generation = $4",
        )
        .bind(self.process)
        .bind(claimed.key)
        .bind(claimed.claim)
        .bind(claimed.generation)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn put_back(
        &self,
        claimed: &Claimed,
        wait: Duration,
        refusals: i32,
        error: Option<&str>,
    ) -> sqlx::Result<bool> {
        let put_back = sqlx::query(
            "UPDATE process_managers.task
             SET claim = NULL, claimed_until = NULL, refusals = $5, last_error = $6,
                 due = now() + $7 * interval '1 millisecond'
             WHERE process = $1 AND key = $2 AND claim = $3 AND generation = $4",
        )
        .bind(self.process)
        .bind(claimed.key)
        .bind(claimed.claim)
        .bind(claimed.generation)
        .bind(refusals)
        .bind(error.map(storable))
        .bind(milliseconds(wait))
        .execute(&self.pool)
        .await?;
        Ok(put_back.rows_affected() > 0)
    }

    async fn park(&self, claimed: &Claimed, error: &str) -> sqlx::Result<bool> {
        let parked = sqlx::query(
            "UPDATE process_managers.task
             SET claim = NULL, claimed_until = NULL, last_error = $5, parked_at = now()
             WHERE process = $1 AND key = $2 AND claim = $3 AND generation = $4",
        )
        .bind(self.process)
        .bind(claimed.key)
        .bind(claimed.claim)
        .bind(claimed.generation)
        .bind(storable(error))
        .execute(&self.pool)
        .await?;
        Ok(parked.rows_affected() > 0)
    }
}

/// Why changes could not be folded into the list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error("a task cannot be written")]
    Unwritable(#[from] serde_json::Error),
    #[error("the to-do list cannot be changed")]
    Database(#[from] sqlx::Error),
}

/// In the order of the keys, so that all who change the list lock its rows in the same order.
fn last_of_each_key<T>(changes: &[Change<T>]) -> impl Iterator<Item = &Change<T>> {
    let mut by_key = BTreeMap::new();
    for change in changes {
        match change {
            Change::Add { key, .. } | Change::Strike { key } => by_key.insert(*key, change),
            Change::Hasten { key } => Some(*by_key.entry(*key).or_insert(change)),
        };
    }
    by_key.into_values()
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Bounded, and without the one character that Postgres cannot store.
fn storable(error: &str) -> String {
    error.chars().filter(|char| *char != '\0').take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
