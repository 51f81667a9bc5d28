//! `ticketing query-api`

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use domain::Position;
use eventlog::{EventLog, Vault};
use sqlx::PgPool;
use web::{Bounds, Server};

use crate::config::{self, DatabaseAt, LogAt, Metrics, SecretsAt, Visitors};
use crate::shutdown;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The address to serve at.
    #[arg(
        long,
        env = "TICKETING_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    #[command(flatten)]
    secrets: SecretsAt,
    /// Mark cookies Secure, as they must be wherever people come over https.
    #[arg(long, env = "TICKETING_SECURE_COOKIES")]
    secure_cookies: bool,
    #[command(flatten)]
    visitors: Visitors,
    #[command(flatten)]
    metrics: Metrics,
}

/// What it works with; nothing is connected to yet.
struct Parts {
    log: EventLog,
    pool: PgPool,
    web: web::Web,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    fn parts(&self) -> anyhow::Result<Parts> {
        let secrets = self.secrets.read()?;
        let (log, pool) = (self.log.open()?, self.database.open()?);
        // Only to ask whether a session is still open and what a person's address is: the query
        // side itself has no log to append to.
        let vault = Vault::new(pool.clone(), &secrets.vault);
        let web = config::open_web(&log, &vault, &secrets, self.secure_cookies, &self.visitors)?;
        Ok(Parts { log, pool, web })
    }
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let Parts { log, pool, web } = settings.parts()?;
    let state = query_api::State::new(&pool, web.clone(), Arc::new(EndOf(log)), shutdown.clone());
    let checks = vec![state.ready_check()];
    println!("query-api: http://{}", listener.local_addr()?);
    let api = query_api::api().with_state(state);
    let server = Server { name: "query-api", api, web, checks, bounds: Bounds::default() };
    server.serve(listener, shutdown).await?;
    Ok(())
}

/// All that the query side learns from the log.
pub(crate) struct EndOf(pub(crate) EventLog);

#[async_trait::async_trait]
impl query_api::LogEnd for EndOf {
    async fn log_end(&self) -> Option<Position> {
        self.0.head().await.ok().flatten()
    }
}
