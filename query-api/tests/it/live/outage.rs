//! Postgres goes away under those who watch.

use domain::id::TicketId;
use embedded_log::testing::TestLog;
use local_services::testing::TestPostgres;
use sqlx::postgres::PgPoolOptions;

use super::socket::Socket;
use super::watching;
use crate::support::{Shop, Site, client, somebody};

#[tokio::test]
async fn with_postgres_away_nothing_comes_and_afterwards_everything_that_was_missed() {
    let test_log = TestLog::start().await;
    let log = client(&test_log);
    let mut postgres = TestPostgres::start().await;
    let pool = PgPoolOptions::new().connect(postgres.url()).await.unwrap();
    projectors::install(&pool).await.unwrap();
    let site = Site::serve(&pool, Some(&log)).await;
    let mut shop = Shop::of(site, log, pool);
    shop.start_projectors();

    let mut socket = Socket::greeted(&shop.site.nobody()).await;
    socket.subscribe("a", &watching("")).await;
    socket.ping().await;
    let first = shop.list(somebody(), "Before", 1).await.ticket;
    assert_eq!(named(&socket.next("a").await), first);

    postgres.stop().await;
    let mut missed = Vec::new();
    for number in 0..5 {
        missed.push(shop.list(somebody(), &format!("Meanwhile {number}"), 1).await.ticket);
    }
    postgres.start_again().await;
    for ticket in missed {
        assert_eq!(named(&socket.next("a").await), ticket);
    }
    let last = shop.list(somebody(), "After", 1).await.ticket;
    assert_eq!(named(&socket.next("a").await), last);
    shop.stop_projectors().await;
}

fn named(data: &serde_json::Value) -> TicketId {
    data["ticketChanged"]["ticket"]["id"].as_str().unwrap().parse().unwrap()
}
