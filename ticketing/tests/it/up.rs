//! `ticketing up` and `ticketing demo`.

use local_services::testing::TestFolder;
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::Value;

use crate::program::{Program, address, free_address, orders, outcome, ticketing, until, up};
use crate::shopper::Shopper;

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_sold_and_everything_is_there_after_a_restart() {
    let data = TestFolder::new();
    let mut shop = Program::up(up(data.path())).await;
    assert!(shop.output().contains("sandbox"), "{}", shop.output());
    let url = address(data.path());
    let (ann, bob) = (Shopper::sign_up(&url, &url).await, Shopper::sign_up(&url, &url).await);
    let ticket = ann.list_ticket().await;
    let order = bob.buy(&ticket).await;

    // A session reads its own writes, at once.
    let (status, body) = bob.get(&format!("/api/orders/{order}")).await;
    assert_eq!((status, body["status"].as_str()), (StatusCode::OK, Some("complete")), "{body}");
    // Money taken, the order paid with it, and the provider's fee of 2.9 % and 30.
    let report = until("the ledger has followed", || async {
        let mut check = ticketing(["ledger", "check", "--json", "--data"]);
        check.arg(data.path());
        let checked = outcome(check).await;
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
        (report["entries"] == 3).then_some(report)
    })
    .await;
    assert_eq!(report["balances"]["provider"]["usd"], 1999 - 87);
    assert_eq!(report["balances"]["fees"]["usd"], 87);
    assert_eq!(report["balances"]["seller"]["usd"], -1999);
    assert_eq!(report["sums"]["usd"], 0);
    // Sold is sold.
    let (status, body) = ann.order(&ticket).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");

    shop.signal(Signal::SIGTERM);
    assert!(shop.ended().await.success(), "{}", shop.output());
    assert!(!data.path().join("running.json").exists());

    let mut shop = Program::up(up(data.path())).await;
    let again = bob.at(&address(data.path()));
    let (status, body) = again.get(&format!("/api/orders/{order}")).await;
    assert_eq!((status, body["status"].as_str()), (StatusCode::OK, Some("complete")), "{body}");
    shop.signal(Signal::SIGINT);
    assert!(shop.ended().await.success(), "{}", shop.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_demo_nothing_is_lost_or_doubled() {
    let data = TestFolder::new();
    // The same address before and after, as people keep coming back to it.
    let listen = free_address();
    let fixed = || {
        let mut command = ticketing(["up", "--metrics", "127.0.0.1:0", "--listen", &listen]);
        command.arg("--data").arg(data.path());
        command
    };
    let mut shop = Program::up(fixed()).await;

    let mut command = ticketing(["demo", "--tickets", "12", "--buyers", "12", "--seconds", "15"]);
    command.arg("--data").arg(data.path());
    let demo = tokio::spawn(outcome(command));
    for _ in 0..2 {
        let before = orders(data.path()).await.unwrap_or_default();
        until("more orders come in", || async {
            orders(data.path()).await.filter(|now| *now > before + 5)
        })
        .await;
        shop.kill().await;
        shop = Program::up(fixed()).await;
    }

    let demo = demo.await.unwrap();
    let said = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{said}\n{}", String::from_utf8_lossy(&demo.stderr));
    assert!(said.contains("everything agrees"), "{said}");
    shop.signal(Signal::SIGTERM);
    assert!(shop.ended().await.success(), "{}", shop.output());
}
