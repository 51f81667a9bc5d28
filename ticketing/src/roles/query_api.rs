//! `ticketing query-api`

use std::net::SocketAddr;

use clap::Args;
use eventlog::Vault;

use crate::config::{self, DatabaseAt, Limits, LogAt, Metrics, SecretsAt};
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
    limits: Limits,
    #[command(flatten)]
    metrics: Metrics,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let secrets = settings.secrets.read()?;
    let log = settings.log.open()?;
    let pool = settings.database.open()?;
    // Only to ask whether a session is still open and what a person's address is: the query side
    // itself has no log to append to.
    let vault = Vault::new(pool.clone(), &secrets.vault);
    let web = config::open_web(&log, &vault, &secrets, settings.secure_cookies, settings.limits)?;
    let state = query_api::State::new(&pool, web, shutdown.clone());
    let checks = vec![state.ready_check()];
    println!("query-api: http://{}", listener.local_addr()?);
    web::serve("query-api", listener, query_api::router(state), checks, shutdown).await?;
    Ok(())
}
