//! Which of several replicas is at work; the others stand by.
//!
//! Only so that they do not do each other's work over: that each event is applied once is kept by
//! the checkpoints, with or without this. A lease is an advisory lock of Postgres, held as long as a
//! connection is open. So it is free at once when a process dies, however that happens.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::Mutex;

/// Postgres notices within some ten seconds that a whole machine is gone, and not after two hours.
const KEEP_ALIVE: [&str; 3] = [
    "SET tcp_keepalives_idle = 4",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
];

/// The leases of one process, on one connection. Clones share them.
#[derive(Clone)]
pub(crate) struct Leases(Arc<Mutex<State>>);

struct State {
    pool: PgPool,
    connection: Option<PgConnection>,
    held: HashSet<String>,
}

impl Leases {
    pub(crate) fn new(pool: PgPool) -> Self {
        let state = State { pool, connection: None, held: HashSet::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Takes a lease, or makes sure that it is still held. False: another process has it.
    pub(crate) async fn hold(&self, name: &str) -> sqlx::Result<bool> {
        let mut state = self.0.lock().await;
        let outcome = state.hold(name).await;
        if outcome.is_err() {
            // Whatever was held went with the connection.
            state.connection = None;
            state.held.clear();
        }
        outcome
    }
}

impl State {
    async fn hold(&mut self, name: &str) -> sqlx::Result<bool> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none @ None => {
                let options = self.pool.connect_options();
                let mut connection = PgConnection::connect_with(&options).await?;
                for setting in KEEP_ALIVE {
                    connection.execute(setting).await?;
                }
                none.insert(connection)
            }
        };
        if self.held.contains(name) {
            connection.ping().await?;
            return Ok(true);
        }
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_one(connection)
            .await?;
        if free {
            self.held.insert(name.to_owned());
        }
        Ok(free)
    }
}
