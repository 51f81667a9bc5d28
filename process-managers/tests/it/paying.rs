//! From the intent in the log to a sold ticket, or to an order that can be paid again.

use std::time::Duration;

use domain::order::Status;
use domain::payment::Outcome;
use domain::{Order, Payment};
use process_managers::Tuning;
use serde_json::json;

use crate::world::{DEADLINE, LONG, World, tuning};

#[tokio::test]
async fn a_paid_order_is_complete_and_its_ticket_sold() {
    let world = World::new().await;
    let _working = world.start();
    world.sold("tok_visa").await;
    world.until_idle().await;
    assert_eq!(world.captured().len(), 1);
}

#[tokio::test]
async fn a_declined_payment_leaves_the_order_payable() {
    let world = World::new().await;
    let _working = world.start();
    let (ticket, order, declined) = world.sale("tok_chargeDeclinedInsufficientFunds").await;
    world.until_order(order, |status| *status == Status::Created).await;
    let Payment::Initiated { outcome, .. } = world.payment(declined).await else { panic!() };
    let failed = Outcome::Failed { code: "insufficient_funds".to_owned(), retryable: true };
    assert_eq!(outcome, failed);
    let paid = world.pay(order, "tok_visa").await;
    world.until_sold(ticket, order, paid).await;
    assert_eq!(world.captured().len(), 1);
}

#[tokio::test]
async fn a_source_that_the_provider_does_not_know_fails_the_payment() {
    let world = World::new().await;
    let _working = world.start();
    let (_, order, payment) = world.sale("tok_nonsense").await;
    world.until_order(order, |status| *status == Status::Created).await;
    let Payment::Initiated { outcome, .. } = world.payment(payment).await else { panic!() };
    assert!(matches!(outcome, Outcome::Failed { retryable: false, .. }), "{outcome:?}");
}

#[tokio::test]
async fn whatever_happens_to_the_answers_one_charge_is_made() {
    for (on, kind) in [
        ("create", "lost_answer"),
        ("create", "error_500"),
        ("create", "rate_limit"),
        ("confirm", "lost_answer"),
        ("confirm", "error_500"),
        ("confirm", "error_500_after"),
    ] {
        let world = World::new().await;
        let _working = world.start();
        world.fault(json!({ "next": 2, "on": on, "kind": kind })).await;
        world.sold("tok_visa").await;
        assert_eq!(world.captured().len(), 1, "{on} {kind}");
    }
}

#[tokio::test]
async fn a_payment_that_the_bank_asks_about_completes_once_the_buyer_has_proved_himself() {
    let quick = Tuning { look_again_max: Duration::from_millis(100), ..tuning() };
    let world = World::tuned(quick).await;
    let _working = world.start();
    let (ticket, order, payment) = world.sale("tok_threeDSecure2Required").await;
    let waits = |state: &Payment| matches!(state.outcome(), Some(Outcome::ActionRequired { .. }));
    let waiting = world.log.wait_until(&payment, DEADLINE, waits).await.unwrap().state;
    let Some(Outcome::ActionRequired { provider_ref, client_secret }) = waiting.outcome() else {
        panic!("{waiting:?}")
    };
    let secret = world.vault.open(world.buyer, "client_secret", client_secret).await.unwrap();
    assert!(secret.starts_with(provider_ref), "{secret}");
    assert_eq!(world.status(order).await, Some(Status::AwaitingPayment { payment }));
    world.bank_approves(provider_ref).await;
    world.until_sold(ticket, order, payment).await;
    assert_eq!(world.captured().len(), 1);
}

#[tokio::test]
async fn a_payment_whose_intent_never_came_frees_its_order_and_is_never_charged() {
    let quick = Tuning { initiation_grace: Duration::from_millis(200), ..tuning() };
    let world = World::tuned(quick).await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let payment = world.start_payment(order).await;
    world.until_order(order, |status| *status == Status::Created).await;
    // The request was only slow.
    world.initiate(payment, order, "tok_visa").await;
    let decided = |state: &Payment| matches!(state.outcome(), Some(Outcome::Voided));
    let voided = world.log.wait_until(&payment, DEADLINE, decided).await.unwrap().state;
    assert_eq!(voided.outcome(), Some(&Outcome::Voided));
    assert_eq!(world.captured().len(), 0);
    let paid = world.pay(order, "tok_visa").await;
    world.until_sold(ticket, order, paid).await;
}

#[tokio::test]
async fn the_whole_log_taken_again_changes_nothing() {
    let world = World::new().await;
    let working = world.start();
    let ticket = world.list(2).await;
    let order = world.order(ticket, LONG).await;
    let declined = world.pay(order, "tok_chargeDeclined").await;
    world.until_order(order, |status| *status == Status::Created).await;
    let paid = world.pay(order, "tok_visa").await;
    world.until_sold(ticket, order, paid).await;
    let gone = world.order(ticket, Duration::from_millis(50)).await;
    world.until_released(ticket, gone).await;
    world.until_idle().await;
    working.stop().await;
    let head = world.log.head().await.unwrap();

    sqlx::query("DELETE FROM follower.checkpoint").execute(&world.pool).await.unwrap();
    let _working = world.start();
    world.until_idle().await;
    assert_eq!(world.log.head().await.unwrap(), head);
    assert_eq!(world.captured().len(), 1);
    assert_eq!(world.status(order).await, Some(Status::Complete { payment: paid }));
    assert!(world.log.load::<Payment>(&declined).await.unwrap().revision.is_some());
    assert!(world.log.load::<Order>(&gone).await.unwrap().revision.is_some());
}
