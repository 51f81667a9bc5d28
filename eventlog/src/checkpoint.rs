//! The guarded checkpoint that all followers share: the effect and the checkpoint commit together,
//! and only one of two replicas can move it on.

use domain::Position;
use sqlx::{PgConnection, PgExecutor, PgPool, Row};

const TABLES: &str = "
create schema if not exists follower;
create table if not exists follower.checkpoint (
    name text primary key,
    commit_position bigint not null,
    prepare_position bigint not null,
    updated_at timestamptz not null
);
";

/// Creates the table `follower.checkpoint`; safe when several processes do so at once.
///
/// # Errors
/// Of the database.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    crate::install::install(pool, TABLES).await
}

/// Where a follower stands; none before its first step.
///
/// # Errors
/// Of the database.
pub async fn read(executor: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Position>> {
    let row = sqlx::query(
        "select commit_position, prepare_position from follower.checkpoint where name = $1",
    )
    .bind(name)
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Position { commit: from_sql(row.try_get(0)?)?, prepare: from_sql(row.try_get(1)?)? }))
}

/// Moves the checkpoint on inside the caller's transaction. False: somebody else has moved it, so
/// roll back and stand down.
///
/// # Errors
/// Of the database.
pub async fn advance(
    connection: &mut PgConnection,
    name: &str,
    old: Option<Position>,
    new: Position,
) -> sqlx::Result<bool> {
    let query = match old {
        None => sqlx::query(
            "insert into follower.checkpoint (name, commit_position, prepare_position, updated_at)
             values ($1, $2, $3, now()) on conflict do nothing",
        ),
        Some(_) => sqlx::query(
            "update follower.checkpoint
             set commit_position = $2, prepare_position = $3, updated_at = now()
             where name = $1 and commit_position = $4 and prepare_position = $5",
        ),
    };
    let query = query.bind(name).bind(to_sql(new.commit)?).bind(to_sql(new.prepare)?);
    let query = match old {
        None => query,
        Some(old) => query.bind(to_sql(old.commit)?).bind(to_sql(old.prepare)?),
    };
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Has a follower begin anew at the start of the log. Whoever is moving the checkpoint on at the
/// moment finds it gone, and stands down.
///
/// # Errors
/// Of the database.
pub async fn forget(connection: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    let query = sqlx::query("delete from follower.checkpoint where name = $1");
    query.bind(name).execute(connection).await.map(|_| ())
}

pub(crate) fn to_sql(number: u64) -> sqlx::Result<i64> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(crate) fn from_sql(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}
