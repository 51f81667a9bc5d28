use local_services::testing::{TestDatabase, TestPostgres};

use crate::postgres::{execute, number};

#[tokio::test]
async fn databases_are_independent_and_empty() {
    let (one, two) = tokio::join!(TestDatabase::create(), TestDatabase::create());
    assert_ne!(one.url(), two.url());
    for database in [&one, &two] {
        execute(database.url(), "CREATE TABLE mine AS SELECT 1::bigint AS n").await.unwrap();
    }
    execute(one.url(), "UPDATE mine SET n = 2").await.unwrap();
    assert_eq!(number(two.url(), "SELECT n FROM mine").await, 1);
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    let keeps_the_server = TestDatabase::create().await;
    let gone = TestDatabase::create().await;
    let url = gone.url().to_owned();
    execute(&url, "SELECT 1").await.unwrap();
    drop(gone);
    if std::env::var_os(local_services::testing::DATABASE_URL_VARIABLE).is_some() {
        assert!(execute(&url, "SELECT 1").await.is_err());
    }
    execute(keeps_the_server.url(), "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_test_may_take_its_server_away_and_bring_it_back() {
    let mut postgres = TestPostgres::start().await;
    execute(postgres.url(), "CREATE TABLE kept ()").await.unwrap();
    postgres.stop().await;
    assert!(execute(postgres.url(), "SELECT 1").await.is_err());
    postgres.start_again().await;
    execute(postgres.url(), "SELECT * FROM kept").await.unwrap();
}
