use std::time::{Duration, Instant};

use domain::Position;
use domain::ticket::TicketCommand;
use serde_json::json;

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
