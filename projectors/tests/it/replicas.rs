//! Several replicas on one log and one Postgres: nothing is applied twice, and nothing skipped.

use embedded_log::testing::TestLog;
use local_services::testing::TestDatabase;
use sqlx::PgPool;

use crate::support::{Market, Running, assert_verified, caught_up, client, database};

/// How often another replica goes to work while the one before goes on too.
const TAKEOVERS: usize = 4;

#[tokio::test]
async fn replicas_that_race_apply_nothing_twice() {
    let log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 2);

    let replicas = [
        Running::start(&client, &pool),
        Running::start(&client, &pool),
        Running::start(&client, &pool),
    ];
    market.bustle(150).await;
    let [one, two, three] = replicas;
    one.kill().await;
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    two.kill().await;
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    assert_verified(&client, &pool).await;
    three.stop().await;
}

/// Ends the connections whose locks are leases, so that whoever stands by goes to work while the
/// other has not noticed yet.
async fn break_leases(pool: &PgPool) -> usize {
    let ended: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid) FROM pg_locks \
         WHERE locktype = 'advisory' AND pid <> pg_backend_pid() \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         GROUP BY pid",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    ended.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lost_in_mid_batch_costs_nothing() {
    let log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 5);
    let (one, two) = (Running::start(&client, &pool), Running::start(&client, &pool));
    let mut broken = 0;
    while broken < TAKEOVERS {
        market.bustle(20).await;
        broken += break_leases(&pool).await;
    }
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    assert_verified(&client, &pool).await;
    one.stop().await;
    two.stop().await;
}
