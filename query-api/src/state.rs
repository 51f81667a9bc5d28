//! What every request needs.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use eventlog::LogReader;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use web::{ReadyCheck, Web};

use crate::database::Database;
use crate::freshness::Freshness;
use crate::graphql::{self, Documents, QuerySchema};
use crate::history::Past;
use crate::live::Changes;
use crate::ready::ReadModelsReady;
use crate::shared_lists::SharedLists;

/// What may be chosen of the read side.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether GraphQL tells its schema, as explorers and generators of types ask.
    pub introspection: bool,
    pub subscriptions: SubscriptionLimits,
}

/// How much those who subscribe may take up.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionLimits {
    /// Connections that subscribe, at once in this process: web sockets and streams of events.
    pub connections_max: usize,
    /// Subscriptions at once on one web socket.
    pub per_connection_max: usize,
    /// How long a web socket may take to say who it is.
    pub init_within: Duration,
    /// How long a client may take to take an answer. One that is slower is dropped.
    pub taken_within: Duration,
    /// How often a client is asked whether it is there, and its session whether it is open.
    pub check_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { introspection: true, subscriptions: SubscriptionLimits::default() }
    }
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self {
            connections_max: 2_000,
            per_connection_max: 20,
            init_within: Duration::from_secs(5),
            taken_within: Duration::from_secs(10),
            check_every: Duration::from_secs(20),
        }
    }
}

/// Cheap to clone: a router copies it several times for every request, and processors that count
/// copies together wait for each other, so there is one count for all of it.
#[derive(Clone)]
pub struct State(Arc<Common>);

/// What is the same for every request.
pub struct Common {
    pub(crate) database: Database,
    pub(crate) lists: SharedLists,
    pub(crate) freshness: Freshness,
    pub(crate) changes: Changes,
    pub(crate) past: Past,
    pub(crate) schema: QuerySchema,
    pub(crate) documents: Documents,
    pub(crate) web: Web,
    pub(crate) limits: SubscriptionLimits,
    /// Of those who subscribe.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl Deref for State {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
}

impl State {
    /// Takes the address of Postgres from `pool`, but has connections of its own, which cannot
    /// write. Watches the read models until `shutdown`; call it inside a tokio runtime.
    #[must_use]
    pub fn new(
        pool: &PgPool,
        web: Web,
        log: LogReader,
        settings: Settings,
        shutdown: CancellationToken,
    ) -> Self {
        let database = Database::beside(pool);
        tokio::spawn(database.clone().keep_connected(shutdown.clone()));
        let freshness = Freshness::watch(database.clone(), log.clone(), shutdown.clone());
        let limits = settings.subscriptions;
        Self(Arc::new(Common {
            changes: Changes::follow(&database, &freshness, &shutdown),
            lists: SharedLists::new(database.clone(), freshness.clone()),
            past: Past::new(log),
            schema: graphql::schema(settings.introspection),
            documents: Documents::new(),
            places: Arc::new(Semaphore::new(limits.connections_max)),
            database,
            freshness,
            web,
            limits,
            shutdown,
        }))
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
