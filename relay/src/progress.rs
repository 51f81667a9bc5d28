//! How far the stream had come when the checkpoint last moved. It decides nothing about what is
//! published (the stream's last message does); it notices a stream that has lost something.

use sqlx::{Executor, PgConnection, PgExecutor, PgPool, Row};

/// One number for all who create this schema at once.
const INSTALL_LOCK: i64 = 7_235_418_061;

/// What was known of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the stream was created, as an opaque text: tells it from a later one of that name.
    pub(crate) created: String,
    /// Of the last message known to be in it.
    pub(crate) sequence: u64,
}

/// Creates the table `relay.progress`; safe when several processes do so at once.
pub(crate) async fn install(pool: &PgPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(INSTALL_LOCK)
        .execute(&mut *transaction)
        .await?;
    transaction.execute("CREATE SCHEMA IF NOT EXISTS relay").await?;
    transaction
        .execute(
            "CREATE TABLE IF NOT EXISTS relay.progress (
                stream text PRIMARY KEY,
                created text NOT NULL,
                sequence bigint NOT NULL CHECK (sequence >= 0),
                updated_at timestamptz NOT NULL DEFAULT now()
            )",
        )
        .await?;
    transaction.commit().await
}

pub(crate) async fn read(
    executor: impl PgExecutor<'_>,
    stream: &str,
) -> sqlx::Result<Option<Progress>> {
    let row = sqlx::query("SELECT created, sequence FROM relay.progress WHERE stream = $1")
        .bind(stream)
        .fetch_optional(executor)
        .await?;
    row.map(|row| {
        let sequence: i64 = row.try_get("sequence")?;
        Ok(Progress { created: row.try_get("created")?, sequence: sequence.unsigned_abs() })
    })
    .transpose()
}

/// Inside the transaction that moves the checkpoint, so that its guard covers this too.
pub(crate) async fn record(
    connection: &mut PgConnection,
    stream: &str,
    progress: &Progress,
) -> sqlx::Result<()> {
    let sequence = i64::try_from(progress.sequence).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO relay.progress (stream, created, sequence) VALUES ($1, $2, $3)
         ON CONFLICT (stream) DO UPDATE
         SET created = excluded.created, sequence = excluded.sequence, updated_at = now()",
    )
    .bind(stream)
    .bind(&progress.created)
    .bind(sequence)
    .execute(connection)
    .await?;
    Ok(())
}
