//! Where the tables of a projection lie, and which of them readers see.

use domain::Position;
use eventlog::{checkpoint, parking};
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use crate::Registered;
use crate::build::{self, Build, Part};
use crate::projection::Changed;
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
    let &Registered { name, version, .. } = projection;
    let kept = match Build::find(&mut *db, name, version, Part::Kept).await? {
        Some(kept) => kept,
        None => {
            let first = Build::first(name, version);
            create(db, projection, &first).await?;
            first.set_part(db, Part::Kept).await?;
            first
        }
    };
    if Build::live(&mut *db, name).await?.is_none() {
        show(db, &kept).await?;
    }
    Ok(())
}

/// Creates the tables of a build, unless they are there.
pub(crate) async fn create(
    db: &mut PgConnection,
    projection: &Registered,
    build: &Build,
) -> sqlx::Result<()> {
    let schema = build.schema();
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(&schema)
            .fetch_one(&mut *db)
            .await?;
    if exists {
        return Ok(());
    }
    create_in(db, projection, &schema).await
}

/// Creates a schema with the tables of a projection, and makes it the search path.
pub(crate) async fn create_in(
    db: &mut PgConnection,
    projection: &Registered,
    schema: &str,
) -> sqlx::Result<()> {
    db.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
    enter(db, schema).await?;
    db.execute(sqlx::raw_sql(projection.tables)).await.map(|_| ())
}

/// Removes all that there is of a build.
pub(crate) async fn remove(db: &mut PgConnection, build: &Build) -> sqlx::Result<()> {
    let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", build.schema());
    db.execute(AssertSqlSafe(drop)).await?;
    checkpoint::forget(db, &build.checkpoint()).await?;
    checkpoint::forget(db, &build.checkpoint_asleep()).await?;
    parking::forget(db, &build.checkpoint()).await?;
    sqlx::query("DELETE FROM projector.build WHERE name = $1 AND version = $2 AND number = $3")
        .bind(build.name)
        .bind(build::column(build.version)?)
        .bind(build::column(build.number)?)
        .execute(db)
        .await
        .map(|_| ())
}

/// Makes the schema of a projection the search path until the transaction ends.
pub(crate) async fn enter(db: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('search_path', $1, true)")
        .bind(schema)
        .execute(db)
        .await
        .map(|_| ())
}

/// Shows a newer version to readers once it has come as far as the one they see, so that time
/// never runs backwards for them. False: not yet.
///
/// Called in the transaction that has moved the newer version's checkpoint to `position`.
pub(crate) async fn show_if_caught_up(
    db: &mut PgConnection,
    build: &Build,
    position: Position,
) -> sqlx::Result<bool> {
    sqlx::query("SELECT FROM projector.live WHERE name = $1 FOR UPDATE")
        .bind(build.name)
        .execute(&mut *db)
        .await?;
    let live = Build::live(&mut *db, build.name).await?;
    let Some(live) = live.filter(|live| live.version < build.version) else {
        return Ok(true);
    };
    // The lock keeps the older version from moving on between this look and our commit.
    if lock_checkpoint(db, &live).await? > Some(position) {
        return Ok(false);
    }
    show(db, build).await?;
    Ok(true)
}

/// Where a build stands; it moves no further until the transaction ends.
pub(crate) async fn lock_checkpoint(
    db: &mut PgConnection,
    build: &Build,
) -> sqlx::Result<Option<Position>> {
    let row: Option<(i64, i64)> = sqlx::query_as(
        "SELECT commit_position, prepare_position FROM follower.checkpoint WHERE name = $1 \
         FOR UPDATE",
    )
    .bind(build.checkpoint())
    .fetch_optional(db)
    .await?;
    row.map(|(commit, prepare)| position_of(commit, prepare)).transpose()
}

/// Tells readers how far the projection has come and what has changed, if this build is the one they
/// see.
pub(crate) async fn announce(
    db: &mut PgConnection,
    build: &Build,
    position: Position,
    changed: &Changed,
) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT pg_notify($1, 'projector/' || name || ' ' || $2) FROM projector.live \
         WHERE name = $3 AND version = $4 AND build = $5",
    )
    .bind(CHANNEL)
    .bind(format!("{position}{}", changed.told()))
    .bind(build.name)
    .bind(build::column(build.version)?)
    .bind(build::column(build.number)?)
    .execute(db)
    .await
    .map(|_| ())
}

/// Points the readers' view at a build.
pub(crate) async fn show(db: &mut PgConnection, build: &Build) -> sqlx::Result<()> {
    let (name, schema) = (build.name, build.schema());
    // Not CREATE OR REPLACE, which could only add columns.
    let view = format!(
        "DROP VIEW IF EXISTS read.{name}; CREATE VIEW read.{name} AS SELECT * FROM {schema}.{name}"
    );
    db.execute(sqlx::raw_sql(AssertSqlSafe(view))).await?;
    sqlx::query(
        "INSERT INTO projector.live (name, version, build) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, build = excluded.build",
    )
    .bind(name)
    .bind(build::column(build.version)?)
    .bind(build::column(build.number)?)
    .execute(db)
    .await
    .map(|_| ())
}
