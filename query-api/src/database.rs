//! The connections to Postgres, and what can go wrong with them.

mod connections;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{ColumnIndex, Decode, Executor, FromRow, PgPool, Postgres, Row, Type};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use web::ApiError;

use self::connections::Connections;

/// The most connections.
const CONNECTIONS_MAX: u32 = 16;
/// So many of them are read with at once. One listens to the projections; with one it is looked how
/// far they have come, and whether we are ready.
const READS_MAX: usize = 14;
/// The longest that a connection may take to be made; a read does not wait so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether there is a connection for the next read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest that a read takes, the wait for a connection included.
const READ_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Reading is all that these connections can do, and a statement that nobody waits for any more
/// ends: `statement_timeout` is [`READ_TIMEOUT`].
const SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = 2000";
/// Gives up all rights but to read the views, where whoever connects has more and may. A login that
/// has no more needs no other role.
const READ_VIEWS_ONLY: &str = "SELECT set_config('role', rolname, false) FROM pg_roles \
     WHERE rolname = 'ticketing_reader' AND pg_has_role(current_user, oid, 'MEMBER')";
/// When to ask again while Postgres is away.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The read models in Postgres. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    connections: Arc<Connections>,
}

/// Why the read models could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Postgres is away or overloaded, or nothing has been installed there yet: try again later.
    #[error("the read models are unavailable")]
    Unavailable(#[source] Arc<sqlx::Error>),
    #[error("the read models cannot be read")]
    Broken(#[source] Arc<sqlx::Error>),
}

impl Database {
    /// Connections of our own to where `pool` connects, made as they are needed.
    pub(crate) fn beside(pool: &PgPool) -> Self {
        let options = (*pool.connect_options()).clone();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECT_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SESSION)).await?;
                    if let Err(error) = connection.execute(sqlx::raw_sql(READ_VIEWS_ONLY)).await {
                        tracing::debug!("the role ticketing_reader cannot be taken: {error}");
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Self { connections: Arc::new(Connections::of(pool, READS_MAX)) }
    }

    /// Makes connections before they are asked for, one at a time, as long as all there are have
    /// work. A read that gives up takes the connection with it that was being made for it; on a
    /// machine so busy that all take longer than a read waits, there would never be any.
    pub(crate) async fn keep_connected(self, shutdown: CancellationToken) {
        let pool = self.pool();
        let keep = async {
            loop {
                if pool.num_idle() == 0 && pool.size() < CONNECTIONS_MAX {
                    // The reads tell that Postgres is away.
                    drop(pool.acquire().await);
                }
                sleep(LOOK_EVERY).await;
            }
        };
        shutdown.run_until_cancelled(keep).await;
    }

    /// For what is no read that somebody waits for.
    pub(crate) fn pool(&self) -> &PgPool {
        self.connections.pool()
    }

    /// All rows that a query gives, within the time limit of a read.
    pub(crate) async fn read<R>(
        &self,
        query: QueryAs<'_, Postgres, R, PgArguments>,
    ) -> Result<Vec<R>, ReadError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let reading = async {
            let mut connection = self.connections.take().await?;
            let rows = query.fetch_all(connection.get()).await?;
            connection.keep();
            Ok(rows)
        };
        let outcome = timeout(READ_TIMEOUT, reading).await;
        outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(ReadError::from)
    }
}

/// A column as what it stands for: what is stored is checked, never cast.
pub(crate) fn column<'r, S, T>(
    row: &'r PgRow,
    index: impl ColumnIndex<PgRow> + ToString + Copy,
) -> sqlx::Result<T>
where
    S: Decode<'r, Postgres> + Type<Postgres>,
    T: TryFrom<S>,
    T::Error: Error + Send + Sync + 'static,
{
    let stored: S = row.try_get(index)?;
    T::try_from(stored).map_err(|error| sqlx::Error::ColumnDecode {
        index: index.to_string(),
        source: error.into(),
    })
}

/// The columns of a row, one after another. To look each of them up by its name costs lists too much.
pub(crate) struct Columns<'r> {
    row: &'r PgRow,
    index: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r PgRow) -> Self {
        Self { row, index: 0 }
    }

    pub(crate) fn next<T>(&mut self) -> sqlx::Result<T>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row.try_get(self.step())
    }

    /// As what it stands for: what is stored is checked, never cast.
    pub(crate) fn next_as<S, T>(&mut self) -> sqlx::Result<T>
    where
        S: Decode<'r, Postgres> + Type<Postgres>,
        T: TryFrom<S>,
        T::Error: Error + Send + Sync + 'static,
    {
        column(self.row, self.step())
    }

    /// Past a column, whose index it gives.
    fn step(&mut self) -> usize {
        let index = self.index;
        self.index += 1;
        index
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        let passes = if let sqlx::Error::Database(error) = &error {
            error.code().is_some_and(|code| passes(&code))
        } else {
            matches!(
                &error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            )
        };
        let error = Arc::new(error);
        if passes { Self::Unavailable(error) } else { Self::Broken(error) }
    }
}

/// By SQLSTATE: connection, authorization, rolled back for others' sake, out of resources, lock
/// not to be had, operator at work (time-outs too), system error; and the views not being there,
/// as before the projectors' first start.
fn passes(code: &str) -> bool {
    const CLASSES: [&str; 7] = ["08", "28", "40", "53", "55", "57", "58"];
    const NOT_INSTALLED: [&str; 2] = ["42P01", "3F000"];
    code.get(..2).is_some_and(|class| CLASSES.contains(&class)) || NOT_INSTALLED.contains(&code)
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Unavailable(why) => {
                tracing::warn!("a read was not answered: {why}");
                Self::unavailable(RETRY_AFTER_SECONDS)
            }
            ReadError::Broken(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, try_join_all};
    use local_services::testing::TestDatabase;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;

    /// Another way to a port of this machine, on which everybody is kept waiting first.
    async fn slow_way_to(port: u16, wait: Duration) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut inbound, _)) = listener.accept().await {
                tokio::spawn(async move {
                    sleep(wait).await;
                    let mut outbound = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    // Ends with either side.
                    let _ended = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
                });
            }
        });
        own
    }

    #[tokio::test]
    async fn where_connecting_takes_longer_than_a_read_waits_there_is_a_connection_all_the_same() {
        let test_database = TestDatabase::create().await;
        let direct = PgPool::connect(test_database.url()).await.unwrap().connect_options();
        let port = slow_way_to(direct.get_port(), READ_TIMEOUT + Duration::from_secs(1)).await;
        let slowly = (*direct).clone().host("127.0.0.1").port(port);
        let database = Database::beside(&PgPoolOptions::new().connect_lazy_with(slowly));
        let shutdown = CancellationToken::new();
        tokio::spawn(database.clone().keep_connected(shutdown.clone()));
        let started = Instant::now();
        while one(&database).await.is_err() {
            assert!(started.elapsed() < 3 * CONNECT_TIMEOUT, "nobody is ever connected");
        }
        shutdown.cancel();
    }

    #[tokio::test]
    async fn the_connections_can_neither_write_nor_keep_the_database_busy() {
        let test_database = TestDatabase::create().await;
        let pool = PgPool::connect(test_database.url()).await.unwrap();
        let database = Database::beside(&pool);
        let written = sqlx::query("CREATE TABLE mine ()").execute(database.pool()).await;
        let code = written.unwrap_err().into_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "25006", "read-only");
        let slow = database.read::<(i32,)>(sqlx::query_as("SELECT 1 FROM pg_sleep(60)")).await;
        assert!(matches!(slow, Err(ReadError::Unavailable(_))), "{slow:?}");
        assert_eq!(one(&database).await.unwrap(), [(1,)], "what was not read then is not read now");
    }

    #[tokio::test]
    async fn more_reads_at_once_than_connections_wait_for_each_other() {
        let test_database = TestDatabase::create().await;
        let pool = PgPool::connect(test_database.url()).await.unwrap();
        let database = Database::beside(&pool);
        let slowly = "SELECT 1 FROM pg_sleep(0.05)";
        let reads = (0..4 * READS_MAX).map(|_| database.read::<(i32,)>(sqlx::query_as(slowly)));
        assert_eq!(try_join_all(reads).await.unwrap().len(), 4 * READS_MAX);
        // Nor are those left without one that are no reads.
        sqlx::query("SELECT 1").execute(database.pool()).await.unwrap();
        assert!(database.pool().size() <= CONNECTIONS_MAX);
    }

    #[tokio::test]
    async fn connections_that_have_been_cut_are_replaced() {
        let test_database = TestDatabase::create().await;
        let pool = PgPool::connect(test_database.url()).await.unwrap();
        let database = Database::beside(&pool);
        try_join_all((0..READS_MAX).map(|_| one(&database))).await.unwrap();
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query(cut).execute(&pool).await.unwrap();
        // Those that were used only just now may fail once each.
        let failed = join_all((0..READS_MAX).map(|_| one(&database))).await;
        let is_outage = |it: &Result<_, ReadError>| !matches!(it, Err(ReadError::Broken(_)));
        assert!(failed.iter().all(is_outage), "{failed:?}");
        for _ in 0..READS_MAX {
            assert_eq!(one(&database).await.unwrap(), [(1,)]);
        }
    }

    async fn one(database: &Database) -> Result<Vec<(i32,)>, ReadError> {
        database.read(sqlx::query_as("SELECT 1")).await
    }

    #[tokio::test]
    async fn who_may_do_more_gives_it_up() {
        let test_database = TestDatabase::create().await;
        let pool = PgPool::connect(test_database.url()).await.unwrap();
        projectors::install(&pool).await.unwrap();
        let database = Database::beside(&pool);
        let role: String =
            sqlx::query_scalar("SELECT current_user").fetch_one(database.pool()).await.unwrap();
        assert_eq!(role, "ticketing_reader");
    }

    #[test]
    fn an_outage_is_told_from_a_fault() {
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(matches!(sqlx::Error::Io(lost).into(), ReadError::Unavailable(_)));
        assert!(matches!(sqlx::Error::PoolTimedOut.into(), ReadError::Unavailable(_)));
        assert!(matches!(sqlx::Error::RowNotFound.into(), ReadError::Broken(_)));
        assert!(passes("57014") && passes("42P01"));
        assert!(!passes("42703") && !passes(""));
    }
}
