//! What every request needs.

use std::sync::Arc;

use axum::extract::FromRef;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use web::{ReadyCheck, Web};

use crate::database::Database;
use crate::freshness::{Freshness, LogEnd};
use crate::graphql::{self, QuerySchema};
use crate::ready::ReadModelsReady;

/// Cheap to clone.
#[derive(Clone)]
pub struct State {
    pub(crate) database: Database,
    pub(crate) freshness: Freshness,
    pub(crate) schema: QuerySchema,
    pub(crate) web: Web,
}

impl State {
    /// Takes the address of Postgres from `pool`, but has connections of its own, which cannot
    /// write. Of the log it learns the end alone. Watches the read models until `shutdown`; call it inside a tokio runtime.
    #[must_use]
    pub fn new(pool: &PgPool, web: Web, log: Arc<dyn LogEnd>, shutdown: CancellationToken) -> Self {
        let database = Database::beside(pool);
        let freshness = Freshness::watch(database.clone(), log, shutdown);
        Self { database, freshness, schema: graphql::schema(), web }
    }

    /// Whether the read models can be read.
    #[must_use]
    pub fn ready_check(&self) -> Arc<dyn ReadyCheck> {
        Arc::new(ReadModelsReady(self.database.clone()))
    }
}

impl FromRef<State> for Web {
    fn from_ref(state: &State) -> Self {
        state.web.clone()
    }
}
