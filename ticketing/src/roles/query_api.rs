//! `ticketing query-api`

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use eventlog::{LogReader, Vault};
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
    /// The same database for a login that may only read: one that is a member of the role
    /// ticketing_reader. Without it, the login of --database-url gives up all else where it may.
    #[arg(long, env = "TICKETING_READ_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    read_database_url: Option<String>,
    #[command(flatten)]
    graphql: GraphQl,
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

/// What GraphQL may tell.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct GraphQl {
    /// Do not tell GraphQL's schema to whoever asks; the explorer then shows no documentation.
    #[arg(long, env = "TICKETING_NO_INTROSPECTION")]
    no_introspection: bool,
}

impl GraphQl {
    pub(crate) fn settings(self) -> query_api::Settings {
        query_api::Settings { introspection: !self.no_introspection, ..Default::default() }
    }
}

/// What it works with; nothing is connected to yet.
struct Parts {
    log: LogReader,
    /// For the read models.
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
        // The log to append to and the vault are only to know whether a session is still open and
        // what a person's address is: the query side itself gets the half that reads.
        let vault = Vault::new(pool.clone(), secrets.vault.clone());
        let web = config::open_web(&log, &vault, &secrets, self.secure_cookies, &self.visitors)?;
        let pool = match &self.read_database_url {
            Some(url) => config::open_database(url).context("TICKETING_READ_DATABASE_URL")?,
            None => pool,
        };
        Ok(Parts { log: log.reader(), pool, web })
    }
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let Parts { log, pool, web } = settings.parts()?;
    let chosen = settings.graphql.settings();
    let state = query_api::State::new(&pool, web.clone(), log, chosen, shutdown.clone());
    let checks = vec![state.ready_check()];
    println!("query-api: http://{}", listener.local_addr()?);
    let api = query_api::api().with_state(state);
    let server = Server { name: "query-api", api, web, checks, bounds: Bounds::default() };
    server.serve(listener, shutdown).await?;
    Ok(())
}
