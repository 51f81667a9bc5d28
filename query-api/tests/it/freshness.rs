use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Position;
use domain::ticket::TicketCommand;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Shop, somebody, usd};

#[tokio::test]
async fn a_session_reads_its_own_writes() {
    let shop = Shop::open().await;
    let seller = somebody();
    let listed = shop.list(seller, "Concert", 1).await;
    let visitor = shop.site.visitor(seller);
    let path = format!("/api/tickets/{}", listed.ticket);
    let mut position = listed.position;
    for minor in 1_000..1_020 {
        let response = visitor.get_after(&path, position).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("ticketing-stale"), None);
        let seen = response.headers()["ticketing-position"].to_str().unwrap();
        assert!(seen.parse::<Position>().unwrap() >= position);
        let shown: serde_json::Value = response.json().await.unwrap();
        assert_eq!(shown["version"], minor - 1_000);
        let title = domain::text::Title::parse("Concert").unwrap();
        let edit = TicketCommand::Edit { by: seller, title, price: usd(minor) };
        position = shop.change(listed.ticket, edit).await;
    }
}

#[tokio::test]
async fn a_read_waits_two_seconds_at_most_and_then_says_that_it_is_stale() {
    let mut shop = Shop::open().await;
    let seller = somebody();
    let before = shop.list(seller, "Before", 1).await;
    shop.caught_up().await;
    shop.stop_projectors().await;
    let after = shop.list(seller, "After", 1).await;
    let visitor = shop.site.visitor(seller);

    let began = Instant::now();
    let response = visitor.get_after("/api/tickets", after.position).await;
    let took = began.elapsed();
    assert!((2..4).contains(&took.as_secs()), "{took:?}");
    assert_eq!(response.headers()["ticketing-stale"], "true");
    let shown: serde_json::Value = response.json().await.unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 1, "what there is");

    // It may be there: that it is not cannot be said.
    let path = format!("/api/tickets/{}", after.ticket);
    let response = visitor.get_after(&path, after.position).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(visitor.get(&path).await.status(), 404, "for whoever has not written it");

    // What was there all along is not waited for.
    let began = Instant::now();
    let response = visitor.get_after("/api/tickets", before.position).await;
    assert_eq!(response.headers().get("ticketing-stale"), None);
    assert!(began.elapsed() < Duration::from_secs(1));

    // A read that waits sees the write as soon as it is there.
    shop.start_projectors();
    let response = visitor.get_after("/api/tickets", after.position).await;
    assert_eq!(response.headers().get("ticketing-stale"), None);
    let shown: serde_json::Value = response.json().await.unwrap();
    assert_eq!(shown[0]["title"], json!("After"));
}

#[tokio::test]
async fn a_position_of_another_log_is_not_waited_for() {
    let shop = Shop::open().await;
    let seller = somebody();
    let listed = shop.list(seller, "Concert", 1).await;
    // As a browser still has it when the log was deleted to start anew.
    let old = Position { commit: u64::MAX / 4, prepare: u64::MAX / 4 };
    let began = Instant::now();
    let path = format!("/api/tickets/{}", listed.ticket);
    let response = shop.site.visitor(seller).get_after(&path, old).await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    // All that there is in this one is there.
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("ticketing-stale"), None);
}

/// Reads that wait while the read models come on, on several threads. Should they hold each other up,
/// the runtime's clock stands still as well, so somebody outside looks at it.
#[test]
fn reads_that_wait_at_once_do_not_wait_for_each_other() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(4).enable_all().build().unwrap();
        let reads = runtime.spawn(reads_while_the_read_models_come_on());
        let _nobody_waits = done.send(runtime.block_on(reads));
    });
    ended.recv_timeout(Duration::from_secs(60)).expect("every read is answered").unwrap();
}

async fn reads_while_the_read_models_come_on() {
    let shop = Shop::open().await;
    let seller = somebody();
    let listed = shop.list(seller, "Concert", 1).await;
    let visitor = Arc::new(shop.site.visitor(seller));
    let mut reads = JoinSet::new();
    for minor in 1_000..1_200 {
        let title = domain::text::Title::parse("Concert").unwrap();
        let edit = TicketCommand::Edit { by: seller, title, price: usd(minor) };
        let position = shop.change(listed.ticket, edit).await;
        for _ in 0..8 {
            let (visitor, path) = (Arc::clone(&visitor), format!("/api/tickets/{}", listed.ticket));
            reads.spawn(async move { visitor.get_after(&path, position).await.status() });
        }
    }
    while let Some(status) = reads.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}
