//! `ticketing command-api`

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use eventlog::{EventLog, Vault};
use web::{Bounds, Server};

use crate::config::{self, DatabaseAt, LogAt, Metrics, Reservation, SecretsAt, Visitors, Webhooks};
use crate::shutdown;

#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The address to serve at.
    #[arg(
        long,
        env = "TICKETING_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    #[command(flatten)]
    log: LogAt,
    #[command(flatten)]
    database: DatabaseAt,
    #[command(flatten)]
    secrets: SecretsAt,
    #[command(flatten)]
    reservation: Reservation,
    /// Mark cookies Secure, as they must be wherever people come over https.
    #[arg(long, env = "TICKETING_SECURE_COOKIES")]
    secure_cookies: bool,
    #[command(flatten)]
    visitors: Visitors,
    #[command(flatten)]
    webhooks: Webhooks,
    #[command(flatten)]
    metrics: Metrics,
}

/// What it works with; nothing is connected to yet.
struct Parts {
    log: EventLog,
    vault: Vault,
    web: web::Web,
}

impl Settings {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.parts().map(drop)
    }

    fn parts(&self) -> anyhow::Result<Parts> {
        let log = self.log.open()?;
        let secrets = self.secrets.read()?;
        let vault = Vault::new(self.database.open()?, secrets.vault.clone());
        let web = config::open_web(&log, &vault, &secrets, self.secure_cookies, &self.visitors)?;
        Ok(Parts { log, vault, web })
    }
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    settings.metrics.serve()?;
    let Parts { log, vault, web } = settings.parts()?;
    let state = command_api::State::new(log.clone(), vault.clone(), web.clone())
        .with_reservation(settings.reservation.window())
        .with_webhook_secrets(settings.webhooks.secrets());
    let api = command_api::api().with_state(state);
    println!("command-api: http://{}", listener.local_addr()?);
    // Only sign-up and sign-in need the vault, so the rest does not wait for Postgres.
    let vault_made = async {
        config::until_made("vault", &shutdown, async || Ok(vault.install().await?)).await;
        std::future::pending::<()>().await;
    };
    let checks = vec![Arc::new(LogReady(log)) as Arc<dyn web::ReadyCheck>];
    let (name, bounds) = ("command-api", Bounds::default());
    let server = Server { name, api, web, checks, bounds };
    tokio::select! {
        served = server.serve(listener, shutdown.clone()) => served?,
        () = vault_made => {}
    }
    Ok(())
}

/// Ready while the log answers: without it no command can be taken.
pub(crate) struct LogReady(pub(crate) EventLog);

#[async_trait::async_trait]
impl web::ReadyCheck for LogReady {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn ready(&self) -> Result<(), String> {
        self.0.ready().await.map_err(|_| "the event log does not answer".to_owned())
    }
}
