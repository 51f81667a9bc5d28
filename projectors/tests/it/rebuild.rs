//! Rebuilds: beside what readers see, resumable, proven, and reversible.

use std::time::Duration;

use embedded_log::testing::TestLog;
use eventlog::EventLog;
use local_services::testing::TestDatabase;
use projectors::{Error, Options, Rebuilt, Stage, rebuild, rollback};
use sqlx::PgPool;

use crate::support::{Market, Running, assert_verified, caught_up, client, database};

const TRY_AGAIN: Duration = Duration::from_millis(20);

struct Setting {
    client: EventLog,
    pool: PgPool,
    market: Market,
    _log: TestLog,
    _database: TestDatabase,
}

async fn setting(seed: u64) -> Setting {
    let (log, test_database) = tokio::join!(TestLog::start(), TestDatabase::create());
    let client = client(&log);
    let pool = database(test_database.url()).await;
    let market = Market::new(&client, seed);
    Setting { client, pool, market, _log: log, _database: test_database }
}

async fn builds(pool: &PgPool) -> Vec<(String, i32)> {
    let status = projectors::status(pool).await.unwrap();
    status.into_iter().map(|status| (status.name, status.build)).collect()
}

/// Schemas with tables of a projection.
async fn schemas(pool: &PgPool, name: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname, $1) ORDER BY nspname",
    )
    .bind(format!("{name}_v"))
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Indexes by name, with what they are on.
async fn indexes(pool: &PgPool, schema: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes \
         WHERE schemaname = $1 ORDER BY indexname",
    )
    .bind(schema)
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_rebuilt_while_people_buy_and_gone_back_from() {
    let Setting { client, pool, mut market, _log, _database } = setting(11).await;
    let running = Running::start(&client, &pool);
    market.bustle(100).await;
    let before = schemas(&pool, "tickets").await;
    let indexes_before = indexes(&pool, &before[0]).await;

    let keep = Options { keep_old: true, ..Options::default() };
    let mut ignore = |_| {};
    let (rebuilt, ()) =
        tokio::join!(rebuild(&client, &pool, &[], keep, &mut ignore), market.bustle(200));
    let rebuilt = rebuilt.unwrap();
    assert_eq!(rebuilt.len(), projectors::NAMES.len());
    assert!(rebuilt.iter().all(|it| it.switched_at.is_some() && it.proof.comparison.same()));
    assert!(builds(&pool).await.iter().all(|(_, build)| *build == 2));
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    assert_verified(&client, &pool).await;
    let after = schemas(&pool, "tickets").await;
    assert_eq!(after.len(), 2, "the old one is kept: {after:?}");
    assert_eq!(indexes(&pool, &after[1]).await, indexes_before);

    rollback(&client, &pool, "tickets", &mut |_| {}).await.unwrap();
    assert!(builds(&pool).await.contains(&("tickets".to_owned(), 1)));
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    assert_verified(&client, &pool).await;

    // Without being told to keep anything, the next one leaves only itself.
    let tickets = ["tickets".to_owned()];
    rebuild(&client, &pool, &tickets, Options::default(), &mut |_| {}).await.unwrap();
    assert_eq!(schemas(&pool, "tickets").await, [format!("{}_b3", before[0])]);
    let none = rollback(&client, &pool, "tickets", &mut |_| {}).await;
    assert!(matches!(none, Err(Error::NoFormer("tickets"))), "{none:?}");
    running.stop().await;
}

/// Ends a rebuild as a crash would when it comes to a stage.
async fn killed_at(setting: &Setting, reached: fn(Stage) -> bool) {
    let (seen, mut there) = tokio::sync::mpsc::channel::<()>(1);
    let mut tell = move |stage| {
        if reached(stage) {
            let _told_before = seen.try_send(());
        }
    };
    tokio::select! {
        biased;
        _ = there.recv() => {}
        outcome = rebuilt_in_the_end(setting, &mut tell) => panic!("it ended: {outcome:?}"),
    }
}

/// Postgres may not have noticed yet that the one before is gone.
async fn rebuilt_in_the_end(
    Setting { client, pool, .. }: &Setting,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Vec<Rebuilt> {
    loop {
        match rebuild(client, pool, &[], Options::default(), tell).await {
            Err(Error::Busy(_)) => tokio::time::sleep(TRY_AGAIN).await,
            outcome => return outcome.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_killed_goes_on_where_it_was() {
    let mut setting = setting(12).await;
    let running = Running::start(&setting.client, &setting.pool);
    setting.market.bustle(100).await;
    killed_at(&setting, |stage| matches!(stage, Stage::Filling(_))).await;
    setting.market.bustle(30).await;
    killed_at(&setting, |stage| stage == Stage::Indexing).await;
    setting.market.bustle(30).await;
    killed_at(&setting, |stage| matches!(stage, Stage::Proving(_))).await;
    killed_at(&setting, |stage| stage == Stage::Switching).await;
    setting.market.bustle(30).await;
    caught_up(&setting.client, &setting.pool).await;
    setting.market.assert_agrees(&setting.pool).await;

    let mut read = 0;
    let mut count = |stage| {
        if let Stage::Filling(progress) = stage {
            read = progress.events;
        }
    };
    rebuilt_in_the_end(&setting, &mut count).await;
    let head = setting.client.head().await.unwrap().unwrap();
    let all = setting.client.between(None, head, u64::MAX).await.unwrap().events;
    assert!(read < all / 2, "it has read {read} of {all} events again");
    caught_up(&setting.client, &setting.pool).await;
    setting.market.assert_agrees(&setting.pool).await;
    assert_verified(&setting.client, &setting.pool).await;
    assert_eq!(schemas(&setting.pool, "orders").await.len(), 1, "nothing is left behind");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rebuild_of_a_read_model_at_a_time_and_a_look_before_it_is_shown() {
    let Setting { client, pool, mut market, _log, _database } = setting(13).await;
    let running = Running::start(&client, &pool);
    market.bustle(100).await;
    let orders = ["orders".to_owned()];
    let (mut one, mut two) = (|_| {}, |_| {});
    let unswitched = Options { unswitched: true, ..Options::default() };
    let (one, two) = tokio::join!(
        rebuild(&client, &pool, &orders, unswitched, &mut one),
        rebuild(&client, &pool, &orders, unswitched, &mut two)
    );
    let busy = [&one, &two].iter().filter(|it| matches!(it, Err(Error::Busy("orders")))).count();
    assert!(busy == 1 && (one.is_ok() || two.is_ok()), "{one:?} {two:?}");
    assert!(builds(&pool).await.contains(&("orders".to_owned(), 1)));

    // What is behind is brought to the same place, so only what differs differs.
    market.bustle(50).await;
    caught_up(&client, &pool).await;
    let diff = projectors::diff(&client, &pool, "orders", 10).await.unwrap();
    assert!(diff.comparison.same(), "{diff:?}");
    let filled = schemas(&pool, "orders").await.pop().unwrap();
    let damage = format!("UPDATE {filled}.orders SET quantity = quantity + 1 WHERE version = 0");
    let damaged = sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&pool).await.unwrap();
    let diff = projectors::diff(&client, &pool, "orders", 1_000).await.unwrap();
    let differences = u64::try_from(diff.comparison.differences.len()).unwrap();
    assert!(differences > 0 && differences <= damaged.rows_affected());

    // And what is not proven is not shown.
    let unproven = rebuild(&client, &pool, &orders, Options::default(), &mut |_| {}).await;
    assert!(matches!(unproven, Err(Error::Unproven(_))), "{unproven:?}");
    assert!(builds(&pool).await.contains(&("orders".to_owned(), 1)));
    assert_eq!(schemas(&pool, "orders").await.len(), 1, "nor gone on with");
    rebuild(&client, &pool, &orders, Options::default(), &mut |_| {}).await.unwrap();
    assert!(builds(&pool).await.contains(&("orders".to_owned(), 2)));
    caught_up(&client, &pool).await;
    market.assert_agrees(&pool).await;
    let nothing = projectors::diff(&client, &pool, "tickets", 1).await;
    assert!(matches!(nothing, Err(Error::OneBuild("tickets"))), "{nothing:?}");
    running.stop().await;
}
