use embedded_log::testing::TestLog;
use local_services::testing::TestDatabase;

use crate::support::{Market, Running, caught_up, client, database};

/// Eight of tickets, nine of orders.
const EVENT_KINDS: usize = 17;

#[tokio::test]
async fn the_tables_equal_the_fold_of_the_log_live_restarted_and_filled_from_the_start() {
    let log = TestLog::start().await;
    let client = client(&log);
    let (followed, filled) = (TestDatabase::create().await, TestDatabase::create().await);
    let live = database(followed.url()).await;
    let mut market = Market::new(&client, 1);

    // Live, in batches as small as they come; ended and killed on the way.
    let running = Running::start(&client, &live);
    market.bustle(150).await;
    running.stop().await;
    market.bustle(50).await;
    let running = Running::start(&client, &live);
    market.bustle(150).await;
    running.kill().await;
    let running = Running::start(&client, &live);
    market.bustle(150).await;
    caught_up(&client, &live).await;
    let (tickets, orders) = market.assert_agrees(&live).await;
    let kinds = market.kinds_seen();
    assert_eq!(kinds.len(), EVENT_KINDS, "not every kind has been tried: {kinds:?}");
    assert!(tickets > 10 && orders > 40, "{tickets} tickets and {orders} orders are too few");
    running.stop().await;

    // At once, in the largest batches.
    let fresh = database(filled.url()).await;
    let running = Running::start(&client, &fresh);
    caught_up(&client, &fresh).await;
    assert_eq!(market.assert_agrees(&fresh).await, (tickets, orders));
    running.stop().await;
}
