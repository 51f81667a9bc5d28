//! What the roles stand on: the event log, Postgres, NATS and Stripe; each either given by its
//! address or started here.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use local_services::{Durability, Nats, Postgres};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::supervise::{Service, Supervised};
use crate::config;
use crate::roles::log;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const POSTGRES_MIN: i32 = 15;
/// The sandbox asks for a key of this form, as Stripe does, but for no particular one.
const SANDBOX_KEY: &str = "sk_test_sandbox";

#[derive(Debug)]
pub(crate) struct Backing {
    pub(crate) log_url: String,
    pub(crate) database_url: String,
    pub(crate) nats_url: String,
    /// The same for the relay, which alone may publish.
    pub(crate) nats_relay_url: String,
    pub(crate) stripe_secret_key: String,
    pub(crate) stripe_api_base: Option<String>,
    /// None when real Stripe takes the payments.
    pub(crate) sandbox_url: Option<String>,
    /// What the sandbox signs its webhooks with; none when real Stripe does.
    pub(crate) sandbox_secret: Option<String>,
    servers: Vec<Supervised>,
    /// Parts of this process that the roles stand on; ended after the roles.
    inner: Vec<JoinHandle<()>>,
    end: CancellationToken,
    log_ended: watch::Receiver<Option<String>>,
}

impl Backing {
    /// Starts or checks each, with a line about it.
    ///
    /// # Errors
    /// What is missing or does not answer, with the next step.
    pub(crate) async fn start(
        settings: &Settings,
        data: &Path,
        shop: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut backing = Self::with_log(settings, data).await?;
        match backing.start_rest(settings, data, shop).await {
            Ok(()) => Ok(backing),
            Err(error) => {
                backing.stop().await;
                Err(error)
            }
        }
    }

    async fn with_log(settings: &Settings, data: &Path) -> anyhow::Result<Self> {
        let (says_ended, log_ended) = watch::channel(None);
        let mut backing = Self {
            log_url: String::new(),
            database_url: String::new(),
            nats_url: String::new(),
            nats_relay_url: String::new(),
            stripe_secret_key: String::new(),
            stripe_api_base: None,
            sandbox_url: None,
            sandbox_secret: None,
            servers: Vec::new(),
            inner: Vec::new(),
            end: CancellationToken::new(),
            log_ended,
        };
        match &settings.log_url {
            Some(url) => {
                let log = config::open_log(url)?;
                log.ready().await.context(
                    "the event log at KURRENTDB_URL does not answer; start it, or unset \
                     KURRENTDB_URL for the embedded one",
                )?;
                backing.log_url.clone_from(url);
                line("event log", "given by KURRENTDB_URL");
            }
            None => backing.start_log(&data.join("log"), says_ended).await?,
        }
        Ok(backing)
    }

    async fn start_rest(
        &mut self,
        settings: &Settings,
        data: &Path,
        shop: SocketAddr,
    ) -> anyhow::Result<()> {
        match &settings.database_url {
            Some(url) => {
                check_database(url).await?;
                self.database_url.clone_from(url);
                line("postgres", "given by DATABASE_URL");
            }
            None => {
                let server = self.start_server::<Postgres>(&data.join("postgres")).await?;
                self.database_url = server;
            }
        }
        match &settings.nats_url {
            Some(url) => {
                check_nats(url).await?;
                self.nats_url.clone_from(url);
                self.nats_relay_url.clone_from(url);
                line("nats", "given by NATS_URL");
            }
            None => {
                let directory = data.join("nats");
                let server = Nats::start(&directory, Durability::Durable).await?;
                (self.nats_url, self.nats_relay_url) = (server.url(), server.relay_url());
                line(Nats::LABEL, &server.shown());
                self.servers.push(Supervised::keep(server, directory));
            }
        }
        match &settings.stripe_secret_key {
            Some(key) => {
                self.stripe_secret_key.clone_from(key);
                self.stripe_api_base.clone_from(&settings.stripe_api_base);
                line("stripe", "by STRIPE_SECRET_KEY");
            }
            None => self.start_sandbox(&data.join("stripe-sandbox"), shop).await?,
        }
        Ok(())
    }

    async fn start_log(
        &mut self,
        directory: &Path,
        says_ended: watch::Sender<Option<String>>,
    ) -> anyhow::Result<()> {
        let server = log::open(embedded_log::Options::new(directory)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        self.log_url = log::local_connection_string(address);
        let end = self.end.clone().cancelled_owned();
        self.inner.push(tokio::spawn(async move {
            let ended = log::serve_on(server, listener, end).await;
            let how = ended.err().map_or("stopped".to_owned(), |error| format!("{error:#}"));
            says_ended.send_replace(Some(how));
        }));
        line("event log", &format!("embedded, speaks KurrentDB's gRPC at {address}"));
        Ok(())
    }

    async fn start_server<S: Service + Shown>(
        &mut self,
        directory: &Path,
    ) -> anyhow::Result<String> {
        let server = S::start(directory.to_owned()).await?;
        let url = server.address();
        line(S::LABEL, &server.shown());
        self.servers.push(Supervised::keep(server, directory.to_owned()));
        Ok(url)
    }

    /// It tells the shop what happens, signed with a secret that is new each time.
    async fn start_sandbox(&mut self, journal: &Path, shop: SocketAddr) -> anyhow::Result<()> {
        let secret = format!("whsec_{}", uuid::Uuid::new_v4().simple());
        let webhook = stripe_sandbox::Webhook {
            url: format!("http://{}/webhooks/stripe", reachable(shop)),
            secret: secret.clone(),
        };
        let sandbox = stripe_sandbox::Sandbox::open(stripe_sandbox::Options {
            journal: Some(journal.to_owned()),
            webhook: Some(webhook),
        })?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let end = self.end.clone().cancelled_owned();
        self.inner.push(tokio::spawn(async move {
            if let Err(error) = sandbox.serve(listener, end).await {
                tracing::error!(%error, "the Stripe sandbox ended");
            }
        }));
        line("stripe", &format!("sandbox at {url}: STRIPE_SECRET_KEY is not set, no money moves"));
        self.stripe_secret_key = SANDBOX_KEY.to_owned();
        self.stripe_api_base = Some(url.clone());
        self.sandbox_url = Some(url);
        self.sandbox_secret = Some(secret);
        Ok(())
    }

    /// Waits until the embedded log ends before its time. Never, when another log is used.
    pub(crate) async fn log_ended(&self) -> anyhow::Error {
        let mut ended = self.log_ended.clone();
        let reason = ended.wait_for(Option::is_some).await.ok().and_then(|how| how.clone());
        match reason {
            Some(how) => anyhow!(how),
            None => std::future::pending().await,
        }
    }

    /// Ends what was started here, when nothing stands on it any more.
    pub(crate) async fn stop(self) {
        self.end.cancel();
        for part in self.inner {
            if let Err(error) = part.await {
                tracing::warn!(%error, "a part was not ended in order");
            }
        }
        for server in self.servers {
            server.stop().await;
        }
    }
}

/// Where somebody on this machine reaches what listens there, which may be every address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(at) if at.ip().is_unspecified() => ([127, 0, 0, 1], at.port()).into(),
        SocketAddr::V6(at) if at.ip().is_unspecified() => {
            (std::net::Ipv6Addr::LOCALHOST, at.port()).into()
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => listen,
    }
}

/// What is told of a server that was started.
trait Shown {
    const LABEL: &'static str;
    fn address(&self) -> String;
    fn shown(&self) -> String;
}

impl Shown for Postgres {
    const LABEL: &'static str = "postgres";

    fn address(&self) -> String {
        self.url()
    }

    fn shown(&self) -> String {
        format!("{}, private, at 127.0.0.1:{}", self.program(), self.port())
    }
}

impl Shown for Nats {
    const LABEL: &'static str = "nats";

    fn address(&self) -> String {
        self.url()
    }

    fn shown(&self) -> String {
        format!("{}, private, at 127.0.0.1:{}", self.program(), self.port())
    }
}

fn line(what: &str, how: &str) {
    println!("  {what:<16}  {how}");
}

async fn check_database(url: &str) -> anyhow::Result<()> {
    let pool = config::open_database(url)?;
    let version: i32 =
        sqlx::query_scalar("SELECT current_setting('server_version_num')::int / 10000")
            .fetch_one(&pool)
            .await
            .context(
                "Postgres at DATABASE_URL does not answer; start it, or unset DATABASE_URL for a \
             private one",
            )?;
    if version < POSTGRES_MIN {
        bail!("Postgres at DATABASE_URL is version {version}; {POSTGRES_MIN} or newer is needed");
    }
    Ok(())
}

async fn check_nats(given: &str) -> anyhow::Result<()> {
    let url = url::Url::parse(given).context("the address of NATS (--nats-url, NATS_URL)")?;
    let host = url.host_str().context("NATS_URL names no host")?;
    let reached = TcpStream::connect((host, url.port().unwrap_or(4222)));
    let reached = tokio::time::timeout(ANSWERS_WITHIN, reached).await;
    reached
        .map_err(anyhow::Error::from)
        .and_then(|tcp| Ok(tcp?))
        .map(drop)
        .context("NATS at NATS_URL does not answer; start it, or unset NATS_URL for a private one")
}
