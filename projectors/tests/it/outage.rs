//! Postgres and the log restarted under load: nothing is applied twice, and nothing skipped.

use embedded_log::testing::TestLog;
use local_services::testing::{TestDatabase, TestPostgres};
use tokio_util::sync::CancellationToken;

use crate::support::{Market, Running, assert_verified, caught_up, client, database};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_restarted_under_load() {
    let log = TestLog::start().await;
    let client = client(&log);
    let mut postgres = TestPostgres::start().await;
    let pool = database(postgres.url()).await;
    let mut market = Market::new(&client, 3);
    let (one, two) = (Running::start(&client, &pool), Running::start(&client, &pool));
    let restarts = async {
        for _ in 0..2 {
            postgres.stop().await;
            postgres.start_again().await;
        }
    };
    tokio::join!(restarts, market.bustle(200));
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    assert_verified(&client, &pool).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_restarted_under_load() {
    let mut log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 6);
    let (one, two) = (Running::start(&client, &pool), Running::start(&client, &pool));
    let enough = CancellationToken::new();
    let bustle = async {
        while !enough.is_cancelled() {
            market.bustle_through_outages(20).await;
        }
    };
    let restarts = async {
        for _ in 0..3 {
            log.restart().await;
        }
        enough.cancel();
    };
    tokio::join!(bustle, restarts);
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    assert_verified(&client, &pool).await;
    one.stop().await;
    two.stop().await;
}
