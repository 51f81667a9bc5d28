use embedded_log::testing::TestLog;
use local_services::testing::TestDatabase;

use crate::support::{Market, Running, caught_up, client, database};

#[tokio::test]
async fn replicas_that_race_apply_nothing_twice() {
    let log = TestLog::start().await;
    let client = client(&log);
    let test_database = TestDatabase::create().await;
    let pool = database(test_database.url()).await;
    let mut market = Market::new(&client, 2);

    let one = Running::start(&client, &pool);
    let two = Running::start(&client, &pool);
    market.bustle(150).await;
    one.kill().await;
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    two.stop().await;
}
