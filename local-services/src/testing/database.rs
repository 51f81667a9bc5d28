use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;

use crate::testing::{DATABASE_URL_VARIABLE, TestPostgres};

const PREFIX: &str = "ticketing_test_";
/// No test runs so long, so what is older was left by one that was killed.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(3_600);

/// An empty database that only this test uses; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    server: Server,
}

/// Where the databases are made.
#[derive(Clone, Debug)]
struct Server {
    /// Its database for administration.
    admin: PgConnectOptions,
    /// If it is of this process alone; it ends with its last user.
    own: Option<Arc<TestPostgres>>,
}

impl TestDatabase {
    /// # Panics
    /// If there is no Postgres and none can be started.
    pub async fn create() -> Self {
        let server = Server::of_this_process().await;
        let name = format!("{PREFIX}{}_{:016x}", seconds_now(), rand::random::<u64>());
        let mut admin = connect(&server.admin).await;
        sweep(&mut admin).await;
        let created = admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
        created.unwrap_or_else(|error| panic!("cannot create a test database: {error}"));
        let url = server.admin.clone().database(&name).to_url_lossy().to_string();
        Self { url, name, server }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // An own server takes its databases along.
        if self.server.own.is_none() {
            drop_database(self.server.admin.clone(), self.name.clone());
        }
    }
}

impl Server {
    async fn of_this_process() -> Self {
        static OWN: Mutex<Weak<TestPostgres>> = Mutex::const_new(Weak::new());

        #[allow(
            clippy::disallowed_methods,
            reason = "tests have no command line to be told this by"
        )]
        if let Ok(url) = std::env::var(DATABASE_URL_VARIABLE) {
            return Self { admin: options(&url), own: None };
        }
        let mut own = OWN.lock().await;
        let server = match own.upgrade() {
            Some(server) => server,
            None => Arc::new(TestPostgres::start().await),
        };
        *own = Arc::downgrade(&server);
        Self { admin: options(server.url()), own: Some(server) }
    }
}

fn options(url: &str) -> PgConnectOptions {
    url.parse().unwrap_or_else(|error| panic!("not a Postgres address: {url}: {error}"))
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    let connection = PgConnection::connect_with(options).await;
    connection.unwrap_or_else(|error| panic!("cannot reach the tests' Postgres: {error}"))
}

/// A test's runtime may be gone when its database is dropped, so this brings its own.
fn drop_database(admin: PgConnectOptions, name: String) {
    let dropper = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let Ok(mut admin) = PgConnection::connect_with(&admin).await else { return };
            let _left_for_the_sweep = drop_now(&mut admin, &name).await;
        });
    });
    let _left_for_the_sweep = dropper.join();
}

async fn drop_now(admin: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(drop)).await.map(|_| ())
}

/// Databases of tests that were killed. Others may be sweeping too, so failures are no matter.
async fn sweep(admin: &mut PgConnection) {
    let names = sqlx::query_scalar::<_, String>(
        "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)",
    )
    .bind(PREFIX)
    .fetch_all(&mut *admin)
    .await
    .unwrap_or_default();
    let oldest = seconds_now().saturating_sub(LEFT_BEHIND_AFTER.as_secs());
    for name in names {
        let made = name[PREFIX.len()..].split('_').next().and_then(|seconds| seconds.parse().ok());
        if made.is_some_and(|made: u64| made < oldest) {
            let _swept_by_another = drop_now(admin, &name).await;
        }
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
