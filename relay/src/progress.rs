//! How far the stream had come when the checkpoint last moved. It decides nothing about what is
//! published (the stream's last message does); it notices a stream that has lost something.

use domain::Position;
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, PgExecutor, PgPool, Row};

/// One number for all who create this schema at once.
const INSTALL_LOCK: i64 = 7_235_418_061;

/// What was known of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the stream was created, as an opaque text: tells it from a later one of that name.
    pub(crate) created: String,
    /// Of the last message known to be in it.
    pub(crate) sequence: u64,
    /// The stream holds what is after this in the log; none: everything.
    pub(crate) begins_after: Option<Position>,
    /// Why its relay refuses to go on.
    pub(crate) halted: Option<String>,
}

/// Creates the tables of the schema `relay`; safe when several processes do so at once.
pub(crate) async fn install(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(INSTALL_LOCK)
        .execute(&mut *transaction)
        .await?;
    transaction.execute(sqlx::raw_sql(include_str!("progress.sql"))).await?;
    transaction.commit().await
}

pub(crate) async fn read(
    executor: impl PgExecutor<'_>,
    stream: &str,
) -> sqlx::Result<Option<Progress>> {
    let query = sqlx::query(
        "select created, sequence, begins_commit, begins_prepare, halted
         from relay.progress where stream = $1",
    );
    let row = query.bind(stream).fetch_optional(executor).await?;
    row.as_ref().map(of_row).transpose()
}

fn of_row(row: &PgRow) -> sqlx::Result<Progress> {
    let begins: (Option<i64>, Option<i64>) =
        (row.try_get("begins_commit")?, row.try_get("begins_prepare")?);
    let begins_after = match begins {
        (Some(commit), Some(prepare)) => {
            Some(Position { commit: commit.unsigned_abs(), prepare: prepare.unsigned_abs() })
        }
        (Some(_) | None, _) => None,
    };
    Ok(Progress {
        created: row.try_get("created")?,
        sequence: row.try_get::<i64, _>("sequence")?.unsigned_abs(),
        begins_after,
        halted: row.try_get("halted")?,
    })
}

/// Inside the transaction that moves the checkpoint, so that its guard covers this too. A relay that
/// gets here is not halted.
pub(crate) async fn record(
    connection: &mut PgConnection,
    stream: &str,
    progress: &Progress,
) -> sqlx::Result<()> {
    let begins = progress.begins_after;
    sqlx::query(
        "insert into relay.progress (stream, created, sequence, begins_commit, begins_prepare)
         values ($1, $2, $3, $4, $5)
         on conflict (stream) do update
         set created = excluded.created, sequence = excluded.sequence,
             begins_commit = excluded.begins_commit, begins_prepare = excluded.begins_prepare,
             halted = null, updated_at = now()",
    )
    .bind(stream)
    .bind(&progress.created)
    .bind(to_sql(progress.sequence))
    .bind(begins.map(|position| to_sql(position.commit)))
    .bind(begins.map(|position| to_sql(position.prepare)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes for operators why a relay refuses to go on; none when it goes on.
pub(crate) async fn note_halt(
    pool: &PgPool,
    stream: &str,
    halted: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into relay.progress (stream, created, sequence, halted)
         select $1, '', 0, $2 where $2 is not null
            or exists (select from relay.progress where stream = $1 and halted is not null)
         on conflict (stream) do update set halted = excluded.halted",
    )
    .bind(stream)
    .bind(halted)
    .execute(pool)
    .await?;
    Ok(())
}

fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
