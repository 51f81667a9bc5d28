//! `ticketing up`: every part on this machine, in one process but for Postgres and NATS.

mod backing;
mod supervise;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use command_api::WebhookSecrets;
use eventlog::Vault;
use process_managers::Dependencies;
use process_managers::stripe::StripeGateway;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::{Bounds, Server};

use crate::config::{self, Polling, Reservation, Visitors, Webhooks};
use crate::data_directory::{DataDirectory, Running};
use crate::roles::command_api::LogReady;
use crate::roles::query_api::GraphQl;
use crate::secrets::Secrets;
use crate::{shutdown, telemetry};
use backing::Backing;

/// How long everything together may take to answer after it has been started.
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);

#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// The address to serve people at.
    #[arg(
        long,
        env = "TICKETING_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// The address to serve metrics at.
    #[arg(
        long,
        env = "TICKETING_METRICS",
        default_value = "127.0.0.1:9464",
        value_name = "ADDRESS"
    )]
    metrics: SocketAddr,
    /// Where everything is kept. Delete it to start anew.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    pub(crate) data: PathBuf,
    /// Use this event log instead of the embedded one: kurrentdb://host:2113?tls=false.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// Use this Postgres (15 or newer) instead of a private one.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Use this NATS (2.12 or newer, with JetStream) instead of a private one.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// Take payments by this Stripe account instead of the sandbox.
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: Option<String>,
    /// Where Stripe is, if not at stripe.com.
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", requires = "stripe_secret_key")]
    stripe_api_base: Option<String>,
    #[command(flatten)]
    webhooks: Webhooks,
    #[command(flatten)]
    polling: Polling,
    #[command(flatten)]
    reservation: Reservation,
    #[command(flatten)]
    visitors: Visitors,
    #[command(flatten)]
    graphql: GraphQl,
}

impl Settings {
    /// Of what is given; the rest is made at the start.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.log_url.as_deref().map(config::open_log).transpose()?;
        self.database_url.as_deref().map(config::open_database).transpose()?;
        if let Some(url) = &self.nats_url {
            relay::Nats::at(url.clone()).check().context("--nats-url, NATS_URL")?;
        }
        if let Some(key) = &self.stripe_secret_key {
            StripeGateway::new(key, self.stripe_api_base.as_deref())
                .context("STRIPE_SECRET_KEY, STRIPE_API_BASE")?;
        }
        Ok(())
    }
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let started = Instant::now();
    let shutdown = shutdown::on_signal()?;
    let directory = DataDirectory::claim(&settings.data)?;
    let secrets = Secrets::read_or_create(directory.path())?;
    // Before anything is started: a taken port is the likeliest trouble and the quickest to find.
    let listener = config::listen(settings.listen).await?;
    let address = listener.local_addr()?;
    telemetry::serve_metrics(settings.metrics)?;

    println!("ticketing {}, data in {}", env!("CARGO_PKG_VERSION"), directory.path().display());
    let backing = tokio::select! {
        backing = Backing::start(&settings, directory.path(), address) => backing?,
        () = shutdown.cancelled() => return Ok(()),
    };
    directory.announce(&Running {
        pid: std::process::id(),
        http: format!("http://{address}"),
        log: backing.log_url.clone(),
        database: backing.database_url.clone(),
        nats: backing.nats_url.clone(),
        nats_relay: backing.nats_relay_url.clone(),
        stripe_sandbox: backing.sandbox_url.clone(),
    })?;

    // Requests do not queue behind tasks, nor tasks behind requests; and the first finds it warm.
    let serving = config::open_database(&backing.database_url)?;
    make_tables(&serving, &secrets).await?;
    let roles = start_roles(&settings, &secrets, &backing, &serving, listener, &shutdown)?;
    let outcome = match wait_until_ready(address, &shutdown).await {
        Ok(()) => {
            print_roles(address, settings.metrics, started);
            serve_until(&shutdown, roles, &backing).await
        }
        Err(error) => {
            shutdown.cancel();
            drain(roles).await;
            Err(error)
        }
    };
    backing.stop().await;
    println!("ended; the data stays in {}", directory.path().display());
    outcome
}

async fn make_tables(pool: &PgPool, secrets: &Secrets) -> anyhow::Result<()> {
    let made = async {
        Vault::new(pool.clone(), secrets.vault.clone()).install().await?;
        projectors::install(pool).await?;
        process_managers::install(pool).await?;
        anyhow::Ok(())
    };
    made.await.context("cannot make the tables in Postgres")
}

type Roles = JoinSet<(&'static str, anyhow::Result<()>)>;

/// The longest that the roles may take to end; requests and tasks under way have 10 s.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// The role without which there is nothing to serve.
const HTTP: &str = "http";

fn start_roles(
    settings: &Settings,
    secrets: &Secrets,
    backing: &Backing,
    serving: &PgPool,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> anyhow::Result<Roles> {
    let log = config::open_log(&backing.log_url)?;
    let pool = config::open_shared_database(&backing.database_url)?;
    let vault = Vault::new(serving.clone(), secrets.vault.clone());
    let gateway =
        StripeGateway::new(&backing.stripe_secret_key, backing.stripe_api_base.as_deref())
            .context("STRIPE_SECRET_KEY, STRIPE_API_BASE")?;

    let web = config::open_web(&log, &vault, secrets, false, &settings.visitors)?;
    let chosen = settings.graphql.settings();
    let query_state =
        query_api::State::new(serving, web.clone(), log.reader(), chosen, shutdown.clone());
    let checks = vec![
        Arc::new(LogReady(log.clone())) as Arc<dyn web::ReadyCheck>,
        query_state.ready_check(),
    ];
    let webhook_secrets = match &backing.sandbox_secret {
        Some(secret) => WebhookSecrets::new([secret.as_str()]),
        None => settings.webhooks.secrets(),
    };
    let state = command_api::State::new(log.clone(), vault.clone(), web.clone())
        .with_reservation(settings.reservation.window())
        .with_webhook_secrets(webhook_secrets);
    let api = command_api::api().with_state(state).merge(query_api::api().with_state(query_state));
    let server = Server { name: "ticketing", api, web, checks, bounds: Bounds::default() };
    let dependencies = Dependencies {
        log: log.clone(),
        pool: pool.clone(),
        vault: Vault::new(pool.clone(), secrets.vault.clone()),
        gateway: Arc::new(gateway),
        tuning: settings.polling.tuning(),
    };
    let nats = relay::Settings::at(relay::Nats::at(backing.nats_relay_url.clone()));

    let mut roles = JoinSet::new();
    let end = shutdown.clone();
    roles.spawn(async move { (HTTP, server.serve(listener, end).await.map_err(Into::into)) });
    let (end, followed, database) = (shutdown.clone(), log.clone(), pool.clone());
    roles.spawn(async move {
        ("projectors", projectors::run(followed, database, end).await.map_err(Into::into))
    });
    let end = shutdown.clone();
    roles.spawn(async move {
        let ended = process_managers::run(dependencies, end).await;
        ("process-managers", ended.map_err(Into::into))
    });
    let end = shutdown.clone();
    roles.spawn(
        async move { ("relay", relay::run(log, pool, nats, end).await.map_err(Into::into)) },
    );
    Ok(roles)
}

async fn wait_until_ready(address: SocketAddr, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let url = format!("http://{address}/readyz");
    let asked = async {
        loop {
            let answer = client.get(&url).timeout(Duration::from_secs(5)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::select! {
        in_time = tokio::time::timeout(READY_WITHIN, asked) => in_time.map_err(|_| {
            anyhow::anyhow!("not ready after {} s; the lines above say why", READY_WITHIN.as_secs())
        }),
        () = shutdown.cancelled() => Ok(()),
    }
}

fn print_roles(address: SocketAddr, metrics: SocketAddr, started: Instant) {
    println!("  command-api       http://{address}/api");
    println!("  query-api         http://{address}/graphql");
    println!("  description       http://{address}/docs/");
    println!("  projectors        {}", projectors::NAMES.join(", "));
    println!("  process-managers  {}", process_managers::NAMES.join(", "));
    println!("  relay             JetStream stream {}", relay::STREAM);
    println!("  metrics           http://{metrics}/metrics");
    println!("ready after {:.1?}; Ctrl-C ends it", started.elapsed());
}

/// Until the end is asked for, or the part that serves people has ended by itself. A follower that
/// halts is reported and left: selling goes on without it.
async fn serve_until(
    shutdown: &CancellationToken,
    mut roles: Roles,
    backing: &Backing,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            reason = backing.log_ended() => {
                outcome = Err(reason.context("the event log ended"));
                break;
            }
            Some(ended) = roles.join_next() => {
                let (role, ended) = ended.context("a role panicked")?;
                let Err(error) = ended else { continue };
                tracing::error!(role, error = format!("{error:#}"), "a role has halted");
                if role == HTTP {
                    outcome = Err(error);
                    break;
                }
            }
        }
    }
    shutdown.cancel();
    drain(roles).await;
    outcome
}

/// What a role leaves behind when it does not end in time is taken up at the next start, as after
/// a crash.
async fn drain(mut roles: Roles) {
    let ending = async {
        while let Some(ended) = roles.join_next().await {
            match ended {
                Ok((role, Ok(()))) => tracing::info!(role, "a role has ended"),
                Ok((role, Err(error))) => {
                    tracing::warn!(role, error = format!("{error:#}"), "a role ended badly");
                }
                Err(error) => tracing::warn!(%error, "a role panicked"),
            }
        }
    };
    if tokio::time::timeout(DRAIN_WITHIN, ending).await.is_err() {
        let (left, seconds) = (roles.len(), DRAIN_WITHIN.as_secs());
        tracing::error!("{left} roles have not ended within {seconds} s and are left");
    }
}
