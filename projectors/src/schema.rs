//! Where the tables of a projection lie, and which version of them readers see.

use domain::Position;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use crate::Registered;
use crate::projection::{Changed, Projection};
use crate::stream::position_of;

/// Held while tables are created, so that processes that start at once do it one after another.
const INSTALL_LOCK: i64 = 0x7072_6f6a_6563_7400;

/// The channel on which commits that readers can see are announced; the words of an announcement
/// are explained in the head of the crate.
const CHANNEL: &str = "projection";

/// Creates what is missing. A projection that readers have never seen becomes visible at once,
/// empty; one that replaces an older version only when it has caught up with it.
pub(crate) async fn install(pool: &PgPool, projections: &[Registered]) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(INSTALL_LOCK)
        .execute(&mut *transaction)
        .await?;
    transaction.execute(sqlx::raw_sql(include_str!("schema.sql"))).await?;
    for projection in projections {
        install_one(&mut transaction, projection).await?;
    }
    transaction.commit().await
}

async fn install_one(db: &mut PgConnection, projection: &Registered) -> sqlx::Result<()> {
    let &Registered { name, version, tables, .. } = projection;
    let schema = schema_of(name, version);
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(&schema)
            .fetch_one(&mut *db)
            .await?;
    if !exists {
        db.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
        enter(db, &schema).await?;
        db.execute(sqlx::raw_sql(tables)).await?;
    }
    if live_version(db, name).await?.is_none() {
        show(db, name, version).await?;
    }
    Ok(())
}

/// Makes the schema of a projection the search path until the transaction ends.
pub(crate) async fn enter(db: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('search_path', $1, true)")
        .bind(schema)
        .execute(db)
        .await
        .map(|_| ())
}

pub(crate) fn schema_of(name: &str, version: u32) -> String {
    format!("{name}_v{version}")
}

pub(crate) fn checkpoint_of(name: &str, version: u32) -> String {
    format!("projector/{name}/v{version}")
}

/// Shows a newer version to readers once it has come as far as the one they see, so that time
/// never runs backwards for them. False: not yet.
///
/// Called in the transaction that has moved the newer version's checkpoint to `position`.
pub(crate) async fn show_if_caught_up<P: Projection>(
    db: &mut PgConnection,
    position: Position,
) -> sqlx::Result<bool> {
    let live = live_version(db, P::NAME).await?;
    let ours = version_column(P::VERSION)?;
    let Some(live) = live.filter(|live| *live < ours) else {
        return Ok(true);
    };
    // The lock keeps the older version from moving on between this look and our commit.
    let row: Option<(i64, i64)> = sqlx::query_as(
        "SELECT commit_position, prepare_position FROM follower.checkpoint WHERE name = $1 FOR UPDATE",
    )
    .bind(format!("projector/{}/v{live}", P::NAME))
    .fetch_optional(&mut *db)
    .await?;
    if let Some((commit, prepare)) = row
        && position_of(commit, prepare)? > position
    {
        return Ok(false);
    }
    show(db, P::NAME, P::VERSION).await?;
    Ok(true)
}

/// Tells readers how far the projection has come and what has changed, if this version is the one
/// they see.
pub(crate) async fn announce<P: Projection>(
    db: &mut PgConnection,
    position: Position,
    changed: &Changed,
) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT pg_notify($1, 'projector/' || name || ' ' || $2) FROM projector.live \
         WHERE name = $3 AND version = $4",
    )
    .bind(CHANNEL)
    .bind(format!("{position}{}", changed.told()))
    .bind(P::NAME)
    .bind(version_column(P::VERSION)?)
    .execute(db)
    .await
    .map(|_| ())
}

async fn live_version(db: &mut PgConnection, name: &str) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar("SELECT version FROM projector.live WHERE name = $1 FOR UPDATE")
        .bind(name)
        .fetch_optional(db)
        .await
}

/// Points the readers' view at a version.
async fn show(db: &mut PgConnection, name: &str, version: u32) -> sqlx::Result<()> {
    let schema = schema_of(name, version);
    // Not CREATE OR REPLACE, which could only add columns.
    let view = format!(
        "DROP VIEW IF EXISTS read.{name}; CREATE VIEW read.{name} AS SELECT * FROM {schema}.{name}"
    );
    db.execute(sqlx::raw_sql(AssertSqlSafe(view))).await?;
    sqlx::query(
        "INSERT INTO projector.live (name, version) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version",
    )
    .bind(name)
    .bind(version_column(version)?)
    .execute(db)
    .await
    .map(|_| ())
}

fn version_column(version: u32) -> sqlx::Result<i32> {
    i32::try_from(version).map_err(|error| sqlx::Error::Encode(error.into()))
}
