//! Whether the read models can be read.

use async_trait::async_trait;
use web::ReadyCheck;

use crate::database::Database;

pub(crate) struct ReadModelsReady(pub(crate) Database);

#[async_trait]
impl ReadyCheck for ReadModelsReady {
    fn name(&self) -> &'static str {
        "read-models"
    }

    async fn ready(&self) -> Result<(), String> {
        // No rows, but all views must be there.
        let probe = sqlx::query(
            "SELECT FROM read.tickets, read.orders, read.accounts, read.sales_by_day, \
             read.disputes, read.timeline, read.checkpoint LIMIT 0",
        )
        .execute(self.0.pool());
        probe.await.map(|_| ()).map_err(|error| error.to_string())
    }
}
