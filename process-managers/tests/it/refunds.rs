//! From the seller's wish to the money at the buyer's and units that can be sold again.

use domain::id::{OrderId, PaymentId, RefundId};
use domain::money::Money;
use domain::order::{OrderCommand, Status};
use domain::payment::RefundState;
use domain::{Order, Payment};
use process_managers::Tuning;
use serde_json::json;
use uuid::Uuid;

use crate::world::{LONG, World, eventually, price, tuning};

async fn ask(world: &World, order: OrderId, minor: i64) -> RefundId {
    let refund = RefundId(Uuid::new_v4());
    let amount = Money { minor, ..price() };
    let ask = OrderCommand::RequestRefund { refund, amount, reason: "rain".to_owned() };
    world.execute::<Order>(&order, ask).await;
    refund
}

async fn state(world: &World, payment: PaymentId, refund: RefundId) -> Option<RefundState> {
    let Payment::Initiated { refunds, .. } = world.payment(payment).await else { return None };
    refunds.get(&refund).map(|refund| refund.state)
}

#[tokio::test]
async fn the_money_goes_back_and_the_units_can_be_sold_again() {
    let world = World::new().await;
    let _working = world.start();
    let (ticket, order, payment) = world.sold("tok_visa").await;
    let refund = ask(&world, order, price().minor).await;
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    assert_eq!(state(&world, payment, refund).await, Some(RefundState::Succeeded));
    assert_eq!(world.captured()[0].refunded, price().minor);
    world.until_idle().await;
    world.order(ticket, LONG).await;
}

#[tokio::test]
async fn a_part_of_the_money_goes_back_once_and_the_units_stay() {
    for kind in ["lost_answer", "error_500", "rate_limit"] {
        let world = World::new().await;
        let _working = world.start();
        let (ticket, order, payment) = world.sold("tok_visa").await;
        world.fault(json!({ "next": 2, "on": "refund", "kind": kind })).await;
        let refund = ask(&world, order, 500).await;
        world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
        world.until_idle().await;
        assert_eq!(world.captured()[0].refunded, 500, "{kind}");
        assert_eq!(world.hold(ticket, order).await.unwrap().units, 1, "{kind}");
    }
}

#[tokio::test]
async fn process_managers_killed_again_and_again_refund_once() {
    let world = World::tuned(Tuning { concurrency: 2, ..tuning() }).await;
    let mut working = world.start();
    let mut paid_orders = Vec::new();
    for _ in 0..8 {
        paid_orders.push(world.sold("tok_visa").await);
    }
    world.fault(json!({ "next": 4, "on": "refund", "kind": "lost_answer" })).await;
    world.fault(json!({ "next": 20, "on": "list_refunds", "kind": "slow_ms", "ms": 20 })).await;
    let mut refunds = Vec::new();
    for (number, (_, order, _)) in paid_orders.iter().enumerate() {
        refunds.push(ask(&world, *order, if number % 2 == 0 { 2000 } else { 700 }).await);
        drop(working);
        working = world.start();
    }
    for ((_, order, payment), refund) in paid_orders.into_iter().zip(refunds) {
        world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    }
    world.until_idle().await;
    let mut back: Vec<i64> = world.captured().iter().map(|taken| taken.refunded).collect();
    back.sort_unstable();
    assert_eq!(back, [700, 700, 700, 700, 2000, 2000, 2000, 2000]);
    working.stop().await;
}

#[tokio::test]
async fn a_refund_that_the_provider_refuses_is_seen_and_stays_on_the_list() {
    let world = World::new().await;
    let _working = world.start();
    let (_, order, payment) = world.sold("tok_visa").await;
    // Somebody gave a part back by hand: all of it cannot be given back any more.
    world.refund_by_hand(500).await;
    let refund = ask(&world, order, price().minor).await;
    eventually("seen", async || state(&world, payment, refund).await == Some(RefundState::Failed))
        .await;
    assert_eq!(world.status(order).await, Some(Status::Refunding { payment, refund }));
    assert!(world.tasks().await.iter().any(|(process, ..)| process == "refund"));
    assert_eq!(world.captured()[0].refunded, 500);
}

#[tokio::test]
async fn all_of_it_given_back_by_hand_is_the_refund_that_was_asked_for() {
    let world = World::new().await;
    let _working = world.start();
    let (_, order, payment) = world.sold("tok_visa").await;
    world.refund_by_hand(price().minor).await;
    let refund = ask(&world, order, price().minor).await;
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    assert_eq!(world.captured()[0].refunded, price().minor);
}
