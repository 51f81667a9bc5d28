//! Units and orders agree, whatever was cut off in the middle.

use chrono::{TimeDelta, Utc};
use domain::Order;
use domain::order::{OrderCommand, Status};

use crate::world::{LONG, World, eventually, price};

#[tokio::test]
async fn a_request_that_died_between_reserving_and_placing_is_finished() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let expires_at = Utc::now() + TimeDelta::minutes(15);
    let order = world.reserve(ticket, expires_at).await;
    let _working = world.start();
    world.until_order(order, |status| *status == Status::Created).await;
    let placed = world.log.load::<Order>(&order).await.unwrap().state;
    let terms = placed.terms().unwrap();
    assert_eq!((terms.buyer, terms.ticket, terms.total), (world.buyer, ticket, price()));
    assert_eq!((terms.title.as_str(), terms.expires_at), ("Concert", expires_at));
}

#[tokio::test]
async fn an_order_placed_by_its_request_is_left_alone() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let before = world.log.load::<Order>(&order).await.unwrap();
    let _working = world.start();
    eventually("only the timer is left", async || {
        let tasks = world.tasks().await;
        tasks.len() == 1 && tasks[0].0 == "order-expiry"
    })
    .await;
    assert_eq!(world.log.load::<Order>(&order).await.unwrap(), before);
}

#[tokio::test]
async fn a_cancelled_order_frees_its_units_and_does_not_expire() {
    let world = World::new().await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    world.execute::<Order>(&order, OrderCommand::Cancel { by: world.buyer }).await;
    world.until_released(ticket, order).await;
    world.until_idle().await;
    assert_eq!(world.status(order).await, Some(Status::Cancelled));
    let next = world.order(ticket, LONG).await;
    assert!(world.hold(ticket, next).await.is_some());
}
