//! How a to-do list stands, for whoever watches.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Publishes how many tasks of a process manager are due, failing and parked, and how long the oldest
/// due one has waited, until `stop`.
pub(crate) async fn publish(pool: &PgPool, process: &'static str, stop: &CancellationToken) {
    let due = metrics::gauge!("process_manager_tasks_due", "process" => process);
    let failing = metrics::gauge!("process_manager_tasks_failing", "process" => process);
    let parked = metrics::gauge!("process_manager_tasks_parked", "process" => process);
    let oldest = metrics::gauge!("process_manager_oldest_due_seconds", "process" => process);
    // There from the start: a counter that begins with 1 has not risen for who watches it.
    metrics::counter!("process_manager_parked_total", "process" => process).increment(0);
    let look = async {
        loop {
            // With Postgres away nobody can tell; what was seen last stays.
            if let Ok((now_due, now_failing, now_parked, waited)) = look(pool, process).await {
                due.set(now_due as f64);
                failing.set(now_failing as f64);
                parked.set(now_parked as f64);
                oldest.set(waited);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(look).await;
}

async fn look(pool: &PgPool, process: &str) -> sqlx::Result<(i64, i64, i64, f64)> {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE due <= now() AND parked_at IS NULL),
                count(*) FILTER (WHERE last_error IS NOT NULL AND parked_at IS NULL),
                count(*) FILTER (WHERE parked_at IS NOT NULL),
                coalesce(extract(epoch FROM now() - min(due)
                         FILTER (WHERE due <= now() AND parked_at IS NULL)), 0)::float8
         FROM process_managers.task
         WHERE process = $1 AND (due <= now() OR last_error IS NOT NULL OR parked_at IS NOT NULL)",
    )
    .bind(process)
    .fetch_one(pool)
    .await
}
