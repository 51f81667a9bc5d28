//! A task that cannot be done is parked, and people say what becomes of it.

use domain::Order;
use domain::id::RefundId;
use domain::order::{OrderCommand, Status};
use process_managers::Tuning;
use process_managers::desk::{Desk, Entry, PROCESSES, Which};
use uuid::Uuid;

use crate::world::{LONG, World, eventually, price, tuning};

/// A refund that the provider refuses: a part was given back by hand.
async fn refused_refund(world: &World) -> RefundId {
    let (_, order, payment) = world.sale("tok_visa").await;
    world.until_order(order, |status| *status == Status::Complete { payment }).await;
    world.refund_by_hand(500).await;
    let refund = RefundId(Uuid::new_v4());
    let ask = OrderCommand::RequestRefund { refund, amount: price(), reason: String::new() };
    world.execute::<Order>(&order, ask).await;
    refund
}

async fn parked(desk: &Desk) -> Option<Entry> {
    desk.list(false, 100).await.unwrap().pop()
}

#[tokio::test]
async fn a_parked_task_is_listed_retried_skipped_and_comes_back_from_the_log() {
    let world = World::tuned(Tuning { refusals_max: 2, ..tuning() }).await;
    let desk = Desk::new(world.pool.clone());
    let _working = world.start();
    let refund = refused_refund(&world).await;
    eventually("parked", async || parked(&desk).await.is_some()).await;
    let first = parked(&desk).await.unwrap();
    assert_eq!((first.process.as_str(), first.key), ("refund", refund.0));
    let reason = first.last_error.unwrap();
    assert!(reason.contains("refuses") && reason.contains("500"), "{reason}");

    let which = Which { key: Some(refund.0), process: None };
    let other = Which { key: Some(Uuid::new_v4()), process: None };
    assert!(desk.retry(&other).await.unwrap().is_empty());
    assert_eq!(desk.retry(&which).await.unwrap().len(), 1);
    eventually("tried and parked anew", async || {
        parked(&desk).await.is_some_and(|again| again.parked_at > first.parked_at)
    })
    .await;

    let elsewhere = Which { process: Some("payment".to_owned()), ..which.clone() };
    assert!(desk.skip(&elsewhere).await.unwrap().is_empty());
    assert_eq!(desk.skip(&which).await.unwrap().len(), 1);
    assert!(parked(&desk).await.is_none());

    for process in PROCESSES {
        desk.rebuild(process).await.unwrap();
    }
    eventually("back, and parked", async || {
        parked(&desk).await.is_some_and(|again| again.key == refund.0)
    })
    .await;
    assert_eq!(world.captured()[0].refunded, 500);
}

#[tokio::test]
async fn lists_made_anew_beside_process_managers_at_work_do_nothing_twice() {
    let world = World::new().await;
    let desk = Desk::new(world.pool.clone());
    let replicas = [world.start(), world.start()];
    let ticket = world.list(8).await;
    let mut orders = Vec::new();
    for number in 0..8 {
        let order = world.order(ticket, LONG).await;
        orders.push((order, world.pay(order, "tok_visa").await));
        desk.rebuild(PROCESSES[number % PROCESSES.len()]).await.unwrap();
    }
    for (order, payment) in orders {
        world.until_sold(ticket, order, payment).await;
    }
    for process in PROCESSES {
        desk.rebuild(process).await.unwrap();
    }
    world.until_idle().await;
    assert_eq!(world.captured().len(), 8);
    assert!(world.captured().iter().all(|taken| taken.refunded == 0));
    drop(replicas);
}
