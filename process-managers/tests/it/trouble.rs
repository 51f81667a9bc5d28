//! Killed, or with the log away: nothing is lost and nothing doubled.

use std::time::Duration;

use domain::order::Status;
use serde_json::json;

use crate::world::{LONG, World, eventually};

#[tokio::test]
async fn process_managers_killed_again_and_again_settle_every_order_once() {
    let world = World::new().await;
    let ticket = world.list(20).await;
    let mut working = world.start();
    world.fault(json!({ "next": 8, "on": "confirm", "kind": "lost_answer" })).await;
    world.fault(json!({ "next": 8, "on": "create", "kind": "error_500" })).await;
    let mut orders = Vec::new();
    for number in 0..20 {
        let order = world.order(ticket, LONG).await;
        orders.push((order, world.pay(order, "tok_visa").await));
        if number % 4 == 3 {
            drop(working);
            working = world.start();
        }
    }
    for (order, payment) in orders {
        world.until_sold(ticket, order, payment).await;
    }
    world.until_idle().await;
    assert_eq!(world.captured().len(), 20);
    working.stop().await;
}

#[tokio::test]
async fn two_replicas_do_everything_once() {
    let world = World::new().await;
    let ticket = world.list(10).await;
    let replicas = [world.start(), world.start()];
    let mut orders = Vec::new();
    for _ in 0..10 {
        let order = world.order(ticket, LONG).await;
        orders.push((order, world.pay(order, "tok_visa").await));
    }
    for (order, payment) in orders {
        world.until_sold(ticket, order, payment).await;
    }
    world.until_idle().await;
    assert_eq!(world.captured().len(), 10);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn with_the_log_away_they_wait_and_go_on() {
    let mut world = World::new().await;
    let working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(500)).await;
    eventually("on the list", async || !world.tasks().await.is_empty()).await;
    world.server.stop().await;
    eventually("tried", async || world.tasks().await.iter().any(|task| task.2.is_some())).await;
    assert!(!working.is_over());
    world.server.restart().await;
    world.until_order(order, |status| *status == Status::Expired).await;
    world.until_released(ticket, order).await;
    working.stop().await;
}
