//! Money that was taken though its order is gone: the order gets it if its units are still to be
//! had, else the buyer gets it back.

use domain::Payment;
use domain::order::Status;
use domain::payment::RefundState;

use crate::world::{LONG, World, eventually};

#[tokio::test]
async fn the_order_is_reinstated_when_its_units_are_free() {
    let world = World::new().await;
    let (ticket, order, payment) = world.taken_too_late().await;
    let _working = world.start();
    world.until_sold(ticket, order, payment).await;
    world.until_idle().await;
    let taken = world.captured();
    assert_eq!((taken.len(), taken[0].refunded), (1, 0));
}

#[tokio::test]
async fn a_release_still_on_its_way_does_not_free_the_units_of_a_reinstated_order() {
    let world = World::new().await;
    let ticket = world.list(12).await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        let order = world.order(ticket, LONG).await;
        let payment = world.pay(order, "tok_visa").await;
        world.charge_unrecorded(payment, order).await;
        world.end(order, payment).await;
        orders.push((order, payment));
    }
    let _working = world.start();
    world.until_idle().await;
    for (order, payment) in orders {
        world.until_sold(ticket, order, payment).await;
    }
    assert!(world.captured().iter().all(|taken| taken.refunded == 0));
}

#[tokio::test]
async fn the_money_goes_back_when_the_units_are_gone() {
    let world = World::new().await;
    let (ticket, order, payment) = world.taken_too_late().await;
    let other = world.order(ticket, LONG).await;
    let _working = world.start();
    eventually("given back", async || refunded(&world.payment(payment).await)).await;
    let taken = world.captured();
    assert_eq!((taken.len(), taken[0].refunded), (1, taken[0].amount));
    assert_eq!(world.status(order).await, Some(Status::Cancelled));
    assert!(world.hold(ticket, order).await.is_none());
    assert!(world.hold(ticket, other).await.is_some());
}

#[tokio::test]
async fn an_order_paid_twice_keeps_one_payment_and_gives_the_other_back() {
    let world = World::new().await;
    let ticket = world.list(2).await;
    let order = world.order(ticket, LONG).await;
    let first = world.pay(order, "tok_visa").await;
    world.charge_unrecorded(first, order).await;
    let fail = domain::order::OrderCommand::FailPayment { payment: first };
    world.execute::<domain::Order>(&order, fail).await;
    let second = world.pay(order, "tok_visa").await;
    world.charge_unrecorded(second, order).await;
    let _working = world.start();
    world.until_order(order, |status| matches!(status, Status::Complete { .. })).await;
    world.until_idle().await;
    let back: Vec<bool> =
        [world.payment(first).await, world.payment(second).await].iter().map(refunded).collect();
    assert_eq!(back.iter().filter(|back| **back).count(), 1, "{back:?}");
    let refunds: Vec<i64> = world.captured().iter().map(|taken| taken.refunded).collect();
    assert_eq!(refunds.iter().filter(|refund| **refund > 0).count(), 1, "{refunds:?}");
    let kept = if back[0] { second } else { first };
    assert_eq!(world.status(order).await, Some(Status::Complete { payment: kept }));
}

#[tokio::test]
async fn an_answer_lost_while_giving_back_gives_back_once() {
    let world = World::new().await;
    let (ticket, _, payment) = world.taken_too_late().await;
    let _other = world.order(ticket, LONG).await;
    for kind in ["lost_answer", "error_500"] {
        world.fault(serde_json::json!({ "next": 1, "on": "refund", "kind": kind })).await;
    }
    let _working = world.start();
    eventually("given back", async || refunded(&world.payment(payment).await)).await;
    let taken = world.captured();
    assert_eq!((taken.len(), taken[0].refunded), (1, taken[0].amount));
}

fn refunded(payment: &Payment) -> bool {
    let Payment::Initiated { refunds, .. } = payment else { return false };
    refunds.values().any(|refund| refund.state == RefundState::Succeeded)
}
