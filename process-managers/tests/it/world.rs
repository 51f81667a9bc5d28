//! A shop of its own for each test.
//!
//! `people`: what they do in it; `provider`: what happens at the provider of payments; `eyes`: what
//! is seen of all that.

mod eyes;
mod people;
mod provider;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::id::{AccountId, CommandId};
use domain::money::{Currency, Money};
use domain::{Actor, Cause};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, FollowError, Settings, Vault};
use local_services::testing::TestDatabase;
use process_managers::stripe::StripeGateway;
use process_managers::{Dependencies, Tuning};
use sqlx::PgPool;
use stripe_sandbox::{Options, Sandbox};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// No step of any test takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(900);

pub(crate) struct World {
    pub(crate) log: EventLog,
    pub(crate) pool: PgPool,
    pub(crate) vault: Vault,
    pub(crate) sandbox: Sandbox,
    pub(crate) server: TestLog,
    pub(crate) buyer: AccountId,
    seller: AccountId,
    deps: Dependencies,
    sandbox_url: String,
    http: reqwest::Client,
    end: CancellationToken,
    _database: TestDatabase,
}

/// The process managers at work; dropping it kills them.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Working {
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap().unwrap();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Waits that suit a test.
pub(crate) fn tuning() -> Tuning {
    Tuning {
        placement_grace: Duration::from_millis(100),
        initiation_grace: Duration::from_secs(300),
        erasure_grace: Duration::from_millis(100),
        poll: Duration::from_millis(50),
        rebuild_look: Duration::from_millis(100),
        // Once, at the start; those tests that are about it have it more often.
        reconcile_every: Duration::from_secs(3_600),
        lease: Duration::from_millis(800),
        retry_first: Duration::from_millis(20),
        retry_max: Duration::from_millis(500),
        drain: Duration::from_secs(2),
        ..Tuning::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::tuned(tuning()).await
    }

    pub(crate) async fn tuned(tuning: Tuning) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = TestLog::start().await;
        let log = open(&server);
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        process_managers::install(&pool).await.unwrap();
        let vault = Vault::new(pool.clone(), &[7; 32]);
        vault.install().await.unwrap();
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox_url = format!("http://{}", listener.local_addr().unwrap());
        let end = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, end.clone().cancelled_owned()));
        let gateway = StripeGateway::new("sk_test_flows", Some(&sandbox_url)).unwrap();
        let deps = Dependencies {
            log: log.clone(),
            pool: pool.clone(),
            vault: vault.clone(),
            gateway: Arc::new(gateway),
            tuning,
        };
        Self {
            log,
            pool,
            vault,
            sandbox,
            server,
            buyer: AccountId(Uuid::new_v4()),
            seller: AccountId(Uuid::new_v4()),
            deps,
            sandbox_url,
            http: reqwest::Client::new(),
            end,
            _database: database,
        }
    }

    pub(crate) fn start(&self) -> Working {
        let stop = CancellationToken::new();
        let task = tokio::spawn(process_managers::run(self.deps.clone(), stop.clone()));
        Working { stop, task }
    }

    /// What another process works with: the same, over a connection and a cache of its own.
    pub(crate) fn replica(&self) -> Dependencies {
        Dependencies { log: open(&self.server), ..self.deps.clone() }
    }
}

fn open(server: &TestLog) -> EventLog {
    let settings =
        Settings { connection_string: server.connection_string(), build: "test".to_owned() };
    EventLog::new(settings).unwrap()
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn price() -> Money {
    Money { minor: 2000, currency: Currency::USD }
}

pub(crate) fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::new_v4()),
        fingerprint: None,
        correlation: Uuid::new_v4(),
        causation: Uuid::new_v4(),
        actor: Actor::Anonymous,
        trace: None,
        now: Utc::now(),
    }
}
