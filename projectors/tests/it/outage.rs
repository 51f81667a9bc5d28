use embedded_log::testing::TestLog;
use local_services::testing::TestPostgres;

use crate::support::{Market, Running, caught_up, client, database};

#[tokio::test]
async fn postgres_and_the_log_may_go_away_and_come_back() {
    let mut log = TestLog::start().await;
    let client = client(&log);
    let mut postgres = TestPostgres::start().await;
    let pool = database(postgres.url()).await;
    let mut market = Market::new(&client, 3);

    let running = Running::start(&client, &pool);
    market.bustle(50).await;
    postgres.stop().await;
    market.bustle(50).await;
    postgres.start_again().await;
    market.bustle(20).await;
    log.restart().await;
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    running.stop().await;
}
