//! Settings that several roles share. Only this crate reads the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use eventlog::{EventLog, Vault};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::secrets::Secrets;

/// What the events are stamped with.
const BUILD: &str = concat!("ticketing ", env!("CARGO_PKG_VERSION"));
/// A role has few queries at once; what waits longer than this is better told to come back.
const POOL_CONNECTIONS_MAX: u32 = 16;
const POOL_WAIT: Duration = Duration::from_secs(2);
/// All that goes on by itself in one process.
const SHARED_POOL_CONNECTIONS_MAX: u32 = 32;
/// Nobody waits for that, so it is patient: a connection that is given up before it is open was
/// work for nothing, and after a restart, when all are opened at once, a busy machine opens none
/// within two seconds.
const SHARED_POOL_WAIT: Duration = Duration::from_secs(8);
/// How long a connection that nobody uses is taken for a good one.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const MAKE_AGAIN: Duration = Duration::from_secs(1);

/// Where the event log is.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogAt {
    /// The event log: kurrentdb://host:2113?tls=false, or several hosts of a cluster.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) log_url: String,
}

impl LogAt {
    pub(crate) fn open(&self) -> anyhow::Result<EventLog> {
        open_log(&self.log_url)
    }
}

/// Where Postgres is.
#[derive(Args, Clone, Debug)]
pub(crate) struct DatabaseAt {
    /// The Postgres database (15 or newer): postgres://user:password@host/name.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: String,
}

impl DatabaseAt {
    pub(crate) fn open(&self) -> anyhow::Result<PgPool> {
        open_database(&self.database_url)
    }
}

/// What web roles need to know who is asking.
#[derive(Args, Clone, Debug)]
pub(crate) struct SecretsAt {
    /// Signs session cookies: 32 bytes as 64 hex digits, such as `openssl rand -hex 32` prints.
    #[arg(long, env = "TICKETING_SESSION_KEY", value_name = "HEX", hide_env_values = true)]
    session_key: Option<String>,
    /// Wraps the keys of personal data: 32 bytes as 64 hex digits. Lost, the data is lost. While one
    /// takes the place of another, both, separated by commas: the first wraps, each of them opens.
    #[arg(long, env = "TICKETING_VAULT_KEY", value_name = "HEX", hide_env_values = true)]
    vault_key: Option<String>,
    /// Sign the tokens of programs: 32 bytes as 64 hex digits each, newest first, separated by
    /// commas. The newest signs. To change keys, put a new one in front, and take the old one
    /// away 30 days later.
    #[arg(long, env = "TICKETING_TOKEN_KEYS", value_name = "HEX", hide_env_values = true)]
    token_keys: Option<String>,
    /// Where `ticketing up` keeps its data; its keys are used when none are given here.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
}

impl SecretsAt {
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn read(&self) -> anyhow::Result<Secrets> {
        match (&self.session_key, &self.vault_key, &self.token_keys) {
            (Some(session), Some(vault), Some(tokens)) => Secrets::parse(session, vault, tokens),
            (None, None, None) => Secrets::read(&self.data).with_context(|| {
                format!(
                    "no keys: set TICKETING_SESSION_KEY, TICKETING_VAULT_KEY and \
                     TICKETING_TOKEN_KEYS (each from `openssl rand -hex 32`), or run `ticketing up` once, which makes them in {}",
                    self.data.display()
                )
            }),
            (None, ..) => anyhow::bail!("TICKETING_SESSION_KEY is missing"),
            (_, None, _) => anyhow::bail!("TICKETING_VAULT_KEY is missing"),
            (.., None) => anyhow::bail!("TICKETING_TOKEN_KEYS is missing"),
        }
    }
}

/// Variables that begin like ours and are not settings: of the build for the storm, and those that
/// Kubernetes sets in every pod for each service of the namespace.
pub(crate) fn is_known_beside(variable: &str) -> bool {
    let of_kubernetes = ["_SERVICE_HOST", "_PORT"].iter().any(|end| variable.ends_with(end))
        || ["_SERVICE_PORT", "_PORT_"].iter().any(|part| variable.contains(part));
    variable == "TICKETING_MUTANT" || of_kubernetes
}

/// Who may ask, and how often.
#[derive(Args, Clone, Debug)]
pub(crate) struct Visitors {
    /// Whether requests are counted, and refused when one address or account makes too many.
    #[arg(long, env = "TICKETING_LIMITS", default_value = "on", value_name = "ON|OFF")]
    limits: Switch,
    /// How many proxies stand in front and tell in X-Forwarded-For who asks.
    #[arg(long, env = "TICKETING_PROXIES", default_value_t = 0, value_name = "NUMBER")]
    proxies: u8,
    /// Other sites whose pages may do in a browser what our own may, cookies included, such as
    /// https://shop.example; several separated by commas. None unless said.
    #[arg(
        long,
        env = "TICKETING_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin
    )]
    origins: Vec<String>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

/// How long units are held for an order.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Reservation {
    /// How many seconds an order holds its units before it must be paid.
    #[arg(
        long,
        env = "TICKETING_RESERVATION_SECONDS",
        default_value_t = command_api::RESERVATION.as_secs(),
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    reservation_seconds: u64,
}

impl Reservation {
    pub(crate) fn window(self) -> Duration {
        Duration::from_secs(self.reservation_seconds)
    }
}

/// How webhooks are known to come from Stripe.
#[derive(Args, Clone)]
pub(crate) struct Webhooks {
    /// The signing secret of the webhook endpoint (whsec_…) that Stripe has for
    /// /webhooks/stripe; several separated by commas while one takes the place of another. Without
    /// one no webhook is taken, and what happens at Stripe is only found by asking.
    #[arg(
        long = "stripe-webhook-secret",
        env = "STRIPE_WEBHOOK_SECRET",
        value_name = "SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    secrets: Vec<String>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks(…)")
    }
}

impl Webhooks {
    pub(crate) fn secrets(&self) -> command_api::WebhookSecrets {
        command_api::WebhookSecrets::new(self.secrets.iter().map(String::as_str))
    }
}

/// How often Stripe is asked what has happened there.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Polling {
    /// Every so many seconds Stripe's own list of events is read, to find what no webhook has
    /// told: lost ones, refunds made in the dashboard, disputes.
    #[arg(
        long,
        env = "STRIPE_POLL_SECONDS",
        default_value_t = 30,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    stripe_poll_seconds: u64,
}

impl Polling {
    pub(crate) fn tuning(self) -> process_managers::Tuning {
        process_managers::Tuning {
            reconcile_every: Duration::from_secs(self.stripe_poll_seconds),
            ..process_managers::Tuning::default()
        }
    }
}

/// Where a role tells how it is.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Metrics {
    /// Serve metrics for Prometheus at this address.
    #[arg(long, env = "TICKETING_METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Metrics {
    pub(crate) fn serve(self) -> anyhow::Result<()> {
        self.metrics.map_or(Ok(()), crate::telemetry::serve_metrics)
    }
}

/// Makes tables, and waits for Postgres as long as it takes.
pub(crate) async fn until_made(
    what: &str,
    shutdown: &CancellationToken,
    make: impl AsyncFn() -> anyhow::Result<()>,
) {
    while let Err(error) = make().await {
        tracing::warn!(error = format!("{error:#}"), "the tables of the {what} cannot be made yet");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(MAKE_AGAIN) => {}
        }
    }
}

/// The log at a connection string; it is connected to on first use.
pub(crate) fn open_log(url: &str) -> anyhow::Result<EventLog> {
    let settings =
        eventlog::Settings { connection_string: url.to_owned(), build: BUILD.to_owned() };
    EventLog::new(settings).context("the address of the event log (--log-url, KURRENTDB_URL)")
}

/// A pool of connections to Postgres; it connects on first use, so that it may come up later.
pub(crate) fn open_database(url: &str) -> anyhow::Result<PgPool> {
    open_pool(url, "role", POOL_CONNECTIONS_MAX, POOL_WAIT)
}

/// The same for all roles together that answer nobody.
pub(crate) fn open_shared_database(url: &str) -> anyhow::Result<PgPool> {
    open_pool(url, "background", SHARED_POOL_CONNECTIONS_MAX, SHARED_POOL_WAIT)
}

fn open_pool(
    url: &str,
    name: &'static str,
    connections_max: u32,
    wait: Duration,
) -> anyhow::Result<PgPool> {
    let whose = "the address of Postgres (--database-url, DATABASE_URL)";
    // The parser takes any scheme for Postgres, and would connect to this machine.
    let named = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    anyhow::ensure!(named, "{whose}: write postgres://user:password@host/name");
    let options: PgConnectOptions = url.parse().context(whose)?;
    let options = options.application_name("ticketing");
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .before_acquire(|connection, it| {
            // Each is tested when it comes back, so most need no test when they are given out again.
            Box::pin(
                async move { Ok(it.idle_for < TRUSTED_FOR || connection.ping().await.is_ok()) },
            )
        })
        .connect_lazy_with(options);
    tokio::spawn(crate::telemetry::watch_pool(pool.clone(), name));
    Ok(pool)
}

/// What both HTTP sides need to know of people.
pub(crate) fn open_web(
    log: &EventLog,
    vault: &Vault,
    secrets: &Secrets,
    secure_cookies: bool,
    visitors: &Visitors,
) -> anyhow::Result<web::Web> {
    let accounts = command_api::LogAccounts { log: log.clone(), vault: vault.clone() };
    let settings = web::Settings {
        session_key: secrets.session,
        token_keys: web::TokenKeys::new(&secrets.tokens).context("TICKETING_TOKEN_KEYS")?,
        secure_cookies,
        limits: visitors.limits == Switch::On,
        proxies: visitors.proxies,
        origins: visitors.origins.clone(),
    };
    Ok(web::Web::new(settings, Arc::new(accounts)))
}

/// As browsers send it: nothing after the host, and no port that goes without saying.
fn parse_origin(text: &str) -> Result<String, String> {
    let known = url::Url::parse(text).map(|url| url.origin());
    match known {
        Ok(origin) if origin.is_tuple() && origin.ascii_serialization() == text => {
            Ok(text.to_owned())
        }
        Ok(origin) if origin.is_tuple() => Err(format!("write {}", origin.ascii_serialization())),
        Ok(_) | Err(_) => Err("write scheme and host, such as https://shop.example".to_owned()),
    }
}

/// # Errors
/// When the address is taken, with what to do.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen at {address}; end what listens there or choose another --listen")
    })
}
