//! Paid or released, never both, and never neither.

use std::time::Duration;

use chrono::Utc;
use domain::order::Status;
use domain::payment::Outcome;
use domain::{Payment, Timestamp};
use process_managers::Tuning;
use serde_json::json;

use crate::world::{DEADLINE, World, eventually, tuning};

#[tokio::test]
async fn an_unpaid_order_expires_within_a_second_of_its_time_and_frees_its_units() {
    // With the waits of production.
    let world = World::tuned(Tuning::default()).await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(1_500)).await;
    world.until_order(order, |status| *status == Status::Expired).await;
    let seen: Timestamp = Utc::now();
    world.until_released(ticket, order).await;
    let placed = world.log.load::<domain::Order>(&order).await.unwrap().state;
    let late = seen - placed.terms().unwrap().expires_at;
    assert!(late.num_milliseconds() >= 0 && late.num_milliseconds() <= 1_000, "{late}");
    world.until_idle().await;
}

#[tokio::test]
async fn timers_survive_a_restart() {
    let world = World::new().await;
    let killed = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(600)).await;
    eventually("on the list", async || !world.tasks().await.is_empty()).await;
    drop(killed);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.status(order).await, Some(Status::Created));
    let _working = world.start();
    world.until_order(order, |status| *status == Status::Expired).await;
    world.until_released(ticket, order).await;
}

#[tokio::test]
async fn a_payment_that_the_bank_still_asks_about_is_called_off_at_the_end() {
    let world = World::new().await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(1_500)).await;
    let payment = world.pay(order, "tok_threeDSecure2Required").await;
    let asked = |state: &Payment| matches!(state.outcome(), Some(Outcome::ActionRequired { .. }));
    world.log.wait_until(&payment, DEADLINE, asked).await.unwrap();
    world.until_order(order, |status| *status == Status::Expired).await;
    world.until_released(ticket, order).await;
    assert_eq!(world.payment(payment).await.outcome(), Some(&Outcome::Voided));
    assert_eq!(world.sandbox.payments()[0].status, "canceled");
    world.until_idle().await;
}

#[tokio::test]
async fn an_order_whose_time_ends_during_its_payment_is_paid_or_released() {
    let quick = Tuning { concurrency: 4, ..tuning() };
    let world = World::tuned(quick).await;
    let _working = world.start();
    let ticket = world.list(24).await;
    // Slow enough that the time of most orders ends while they wait or are being charged.
    world.fault(json!({ "next": 60, "kind": "slow_ms", "ms": 120 })).await;
    let mut orders = Vec::new();
    for _ in 0..24 {
        let order = world.order(ticket, Duration::from_millis(900)).await;
        orders.push((order, world.pay(order, "tok_visa").await));
    }
    let (mut paid, mut released) = (0, 0);
    for (order, payment) in orders {
        world
            .until_order(order, |status| {
                matches!(status, Status::Complete { .. } | Status::Expired)
            })
            .await;
        let taken = world
            .captured()
            .iter()
            .any(|taken| taken.metadata.values().any(|value| *value == payment.to_string()));
        if world.status(order).await == Some(Status::Expired) {
            world.until_released(ticket, order).await;
            assert!(!taken, "money was taken for an expired order");
            released += 1;
        } else {
            world.until_sold(ticket, order, payment).await;
            assert!(taken, "an order is complete without money");
            paid += 1;
        }
    }
    assert_eq!(paid + released, 24);
    assert_eq!(world.captured().len(), paid);
    world.until_idle().await;
}
