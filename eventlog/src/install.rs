//! Creating tables when several processes start at once.

use sqlx::{Executor, PgPool};

/// Of two that create the same table at once, Postgres lets one fail; so one waits for the other.
const INSTALL_LOCK: i64 = 0x7469_636b_6574;

/// Runs statements in one transaction, one process after another.
pub(crate) async fn install(pool: &PgPool, statements: &'static str) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(INSTALL_LOCK)
        .execute(&mut *transaction)
        .await?;
    transaction.execute(sqlx::raw_sql(statements)).await?;
    transaction.commit().await
}
