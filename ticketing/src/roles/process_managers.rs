//! `ticketing process-managers`

mod tasks;

use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use eventlog::Vault;
use process_managers::Dependencies;
use process_managers::stripe::StripeGateway;

use crate::config::{self, DatabaseAt, LogAt, Metrics, Polling, SecretsAt};
use crate::shutdown;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Act on events: expire reservations, take payments and refund them.
    Run(Settings),
    /// Show the tasks that are parked because they failed again and again, and why.
    List(tasks::List),
    /// Try parked tasks again, at once.
    Retry(tasks::Parked),
    /// Give parked tasks up: what they were to do is left undone.
    Skip(tasks::Parked),
    /// Make to-do lists anew from the log; what was done is not done a second time.
    Rebuild(tasks::Rebuild),
}

#[derive(Args, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    #[command(flatten)]
    secrets: SecretsAt,
    /// The secret key of the Stripe account (sk_live_… or sk_test_…).
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: String,
    /// Where Stripe is, if not at stripe.com: `ticketing stripe-sandbox` prints its address.
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL")]
    stripe_api_base: Option<String>,
    #[command(flatten)]
    polling: Polling,
    #[command(flatten)]
    metrics: Metrics,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    /// What it works with; nothing is connected to yet.
    fn parts(&self) -> anyhow::Result<Dependencies> {
        let (log, pool) = (self.log.open()?, self.database.open()?);
        let secrets = self.secrets.read()?;
        let base = self.stripe_api_base.as_deref();
        let gateway = StripeGateway::new(&self.stripe_secret_key, base)
            .context("STRIPE_SECRET_KEY, STRIPE_API_BASE")?;
        Ok(Dependencies {
            log,
            vault: Vault::new(pool.clone(), secrets.vault.clone()),
            pool,
            gateway: Arc::new(gateway),
            tuning: self.polling.tuning(),
        })
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(settings) => work(settings).await,
        Command::List(settings) => tasks::list(settings).await,
        Command::Retry(settings) => tasks::retry(settings).await,
        Command::Skip(settings) => tasks::skip(settings).await,
        Command::Rebuild(settings) => tasks::rebuild(settings).await,
    }
}

async fn work(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let dependencies = settings.parts()?;
    println!("process-managers: following the log");
    let (made, vault) = (dependencies.pool.clone(), dependencies.vault.clone());
    config::until_made("process managers", &shutdown, async || {
        vault.install().await?;
        Ok(process_managers::install(&made).await?)
    })
    .await;
    process_managers::run(dependencies, shutdown).await?;
    Ok(())
}
