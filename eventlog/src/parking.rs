//! Streams set aside: a follower that cannot take an event parks the whole stream, whose later events
//! wait behind it, and goes on with all the others.
//!
//! Only places are kept. The events are in the log, and are read again when the stream is let in.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Position, Revision};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Row};

use crate::checkpoint::{from_sql, to_sql};

const TABLES: &str = "
create schema if not exists follower;
create table if not exists follower.parked (
    follower text not null,
    stream text not null,
    -- The event that could not be taken.
    revision bigint not null,
    event_type text not null,
    commit_position bigint not null,
    prepare_position bigint not null,
    error text not null,
    parked_at timestamptz not null,
    -- The last event that has passed by, and how many wait behind the first.
    last_revision bigint not null,
    waiting bigint not null,
    primary key (follower, stream)
);
";

/// An event that a follower cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub stream: String,
    pub revision: Revision,
    pub position: Position,
    pub event_type: String,
    /// Why not.
    pub error: String,
}

/// A stream that is set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// By the name of its checkpoint.
    pub follower: String,
    pub stream: String,
    /// Of the event that could not be taken.
    pub revision: Revision,
    pub event_type: String,
    pub position: Position,
    pub error: String,
    pub parked_at: DateTime<Utc>,
    /// Of the last event that has passed by.
    pub last_revision: Revision,
    /// How many events wait behind the first.
    pub waiting: u64,
}

/// Creates the table `follower.parked`; safe when several processes do so at once.
///
/// # Errors
/// Of the database.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    crate::install::install(pool, TABLES).await
}

/// The streams that a follower has set aside.
///
/// # Errors
/// Of the database.
pub async fn streams(
    executor: impl PgExecutor<'_>,
    follower: &str,
) -> sqlx::Result<HashSet<String>> {
    let streams: Vec<String> =
        sqlx::query_scalar("select stream from follower.parked where follower = $1")
            .bind(follower)
            .fetch_all(executor)
            .await?;
    Ok(streams.into_iter().collect())
}

/// Sets the stream of an event aside, in the transaction that moves the checkpoint past it. One that
/// is set aside already now has this event as its first.
///
/// # Errors
/// Of the database.
pub async fn park(
    connection: &mut PgConnection,
    follower: &str,
    unfit: &Unfit,
) -> sqlx::Result<()> {
    let query = sqlx::query(
        "insert into follower.parked (follower, stream, revision, event_type, commit_position,
             prepare_position, error, parked_at, last_revision, waiting)
         values ($1, $2, $3, $4, $5, $6, $7, now(), $3, 0)
         on conflict (follower, stream) do update set
             revision = excluded.revision, event_type = excluded.event_type,
             commit_position = excluded.commit_position,
             prepare_position = excluded.prepare_position,
             error = excluded.error, parked_at = excluded.parked_at,
             waiting = follower.parked.last_revision - excluded.revision",
    );
    let Position { commit, prepare } = unfit.position;
    query
        .bind(follower)
        .bind(&unfit.stream)
        .bind(to_sql(unfit.revision.0)?)
        .bind(&unfit.event_type)
        .bind(to_sql(commit)?)
        .bind(to_sql(prepare)?)
        // Postgres takes no NUL in a text.
        .bind(unfit.error.replace('\0', ""))
        .execute(connection)
        .await
        .map(|_| ())
}

/// Notes events that pass by behind the first of their streams: by stream, how many and the last.
///
/// # Errors
/// Of the database.
pub async fn queue(
    connection: &mut PgConnection,
    follower: &str,
    behind: &BTreeMap<String, (u64, Revision)>,
) -> sqlx::Result<()> {
    for (stream, (count, last)) in behind {
        sqlx::query(
            "update follower.parked set waiting = waiting + $3, last_revision = $4
             where follower = $1 and stream = $2",
        )
        .bind(follower)
        .bind(stream)
        .bind(to_sql(*count)?)
        .bind(to_sql(last.0)?)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// One stream that is set aside, locked until the transaction ends.
///
/// # Errors
/// Of the database.
pub async fn find(
    connection: &mut PgConnection,
    follower: &str,
    stream: &str,
) -> sqlx::Result<Option<Parked>> {
    sqlx::query_as("select * from follower.parked where follower = $1 and stream = $2 for update")
        .bind(follower)
        .bind(stream)
        .fetch_optional(connection)
        .await
}

/// Everything that is set aside by followers whose names begin so, the oldest first.
///
/// # Errors
/// Of the database.
pub async fn list(executor: impl PgExecutor<'_>, prefix: &str) -> sqlx::Result<Vec<Parked>> {
    sqlx::query_as(
        "select * from follower.parked where starts_with(follower, $1)
         order by commit_position, prepare_position, follower",
    )
    .bind(prefix)
    .fetch_all(executor)
    .await
}

/// Lets a stream in again: its events have been taken.
///
/// # Errors
/// Of the database.
pub async fn release(
    connection: &mut PgConnection,
    follower: &str,
    stream: &str,
) -> sqlx::Result<()> {
    sqlx::query("delete from follower.parked where follower = $1 and stream = $2")
        .bind(follower)
        .bind(stream)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Forgets all that a follower has set aside, as when it begins anew.
///
/// # Errors
/// Of the database.
pub async fn forget(connection: &mut PgConnection, follower: &str) -> sqlx::Result<()> {
    sqlx::query("delete from follower.parked where follower = $1")
        .bind(follower)
        .execute(connection)
        .await
        .map(|_| ())
}

impl FromRow<'_, PgRow> for Parked {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let number = |name: &str| from_sql(row.try_get(name)?);
        Ok(Self {
            follower: row.try_get("follower")?,
            stream: row.try_get("stream")?,
            revision: Revision(number("revision")?),
            event_type: row.try_get("event_type")?,
            position: Position {
                commit: number("commit_position")?,
                prepare: number("prepare_position")?,
            },
            error: row.try_get("error")?,
            parked_at: row.try_get("parked_at")?,
            last_revision: Revision(number("last_revision")?),
            waiting: number("waiting")?,
        })
    }
}
