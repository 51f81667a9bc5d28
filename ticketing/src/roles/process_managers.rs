//! `ticketing process-managers`

use std::sync::Arc;

use clap::Args;
use eventlog::Vault;
use process_managers::stripe::StripeGateway;
use process_managers::{Dependencies, Tuning};

use crate::config::{self, DatabaseAt, LogAt, Metrics, SecretsAt};
use crate::shutdown;

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
    metrics: Metrics,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    settings.metrics.serve()?;
    let (log, pool) = (settings.log.open()?, settings.database.open()?);
    let secrets = settings.secrets.read()?;
    let gateway =
        StripeGateway::new(&settings.stripe_secret_key, settings.stripe_api_base.as_deref())?;
    let dependencies = Dependencies {
        log,
        vault: Vault::new(pool.clone(), &secrets.vault),
        pool,
        gateway: Arc::new(gateway),
        tuning: Tuning::default(),
    };
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
