//! What happens at the provider without us: told by webhooks or found in its list, it comes to the
//! same.

use std::time::{Duration, Instant};

use domain::Order;
use domain::Payment;
use domain::id::{OrderId, PaymentId, RefundId};
use domain::money::Money;
use domain::order::{OrderCommand, Status};
use domain::payment::{DisputeState, Outcome, RefundState, TakenBack};
use process_managers::Tuning;
use serde_json::json;
use uuid::Uuid;

use crate::world::{LONG, World, eventually, price, tuning};

/// One whose provider's list is read all the time.
async fn reading() -> World {
    World::tuned(Tuning { reconcile_every: Duration::from_millis(50), ..tuning() }).await
}

async fn taken_back(world: &World, payment: PaymentId) -> TakenBack {
    world.payment(payment).await.taken_back().cloned().unwrap_or_default()
}

async fn dispute(world: &World, payment: PaymentId) -> Option<DisputeState> {
    let taken_back = taken_back(world, payment).await;
    taken_back.disputes().values().next().map(|dispute| dispute.state)
}

async fn ask_for_refund(world: &World, order: OrderId) -> RefundId {
    let refund = RefundId(Uuid::new_v4());
    let reason = "rain".to_owned();
    let ask = OrderCommand::RequestRefund { refund, amount: price(), reason };
    world.execute::<Order>(&order, ask).await;
    refund
}

#[tokio::test]
async fn all_of_it_given_back_in_the_dashboard_refunds_the_order_and_frees_its_unit() {
    let world = reading().await;
    let _working = world.start();
    let (ticket, order, payment) = world.sold("tok_visa").await;
    world.refund_by_hand(price().minor).await;
    world.until_order(order, |status| matches!(status, Status::Refunded { .. })).await;
    world.until_idle().await;
    assert_eq!(taken_back(&world, payment).await.refunded_minor(), price().minor);
    assert_eq!(world.captured()[0].refunded, price().minor);
    world.order(ticket, LONG).await;
}

#[tokio::test]
async fn of_what_a_part_was_given_back_in_the_dashboard_only_the_rest_goes_back() {
    let world = reading().await;
    let _working = world.start();
    let (ticket, order, payment) = world.sold("tok_visa").await;
    world.refund_by_hand(500).await;
    eventually("noticed", async || taken_back(&world, payment).await.refunded_minor() == 500).await;
    assert_eq!(world.status(order).await, Some(Status::Complete { payment }));
    let refund = ask_for_refund(&world, order).await;
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    world.until_idle().await;
    world.order(ticket, LONG).await;
    let Payment::Initiated { refunds, .. } = world.payment(payment).await else { panic!() };
    assert_eq!(refunds[&refund].amount, Money { minor: 1500, ..price() });
    assert_eq!(world.captured()[0].refunded, price().minor);
}

#[tokio::test]
async fn a_dispute_is_seen_and_while_it_is_open_no_money_goes_back() {
    let world = reading().await;
    let _working = world.start();
    let (_, order, payment) = world.sold("tok_visa").await;
    let name = world.captured()[0].id.clone();
    world.at_the_bank(&name, "dispute").await;
    eventually("seen", async || dispute(&world, payment).await == Some(DisputeState::Open)).await;
    let refund = ask_for_refund(&world, order).await;
    eventually("tried", async || {
        let waits = |(process, ..): &(String, _, _)| process == "refund";
        world.tasks().await.iter().any(waits)
    })
    .await;
    assert_eq!(world.status(order).await, Some(Status::Refunding { payment, refund }));
    assert_eq!(world.payment(payment).await.refund(refund), None);
    world.at_the_bank(&name, "win").await;
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    assert_eq!(dispute(&world, payment).await, Some(DisputeState::Won));
    assert_eq!(world.captured()[0].refunded, price().minor);
}

#[tokio::test]
async fn a_lost_dispute_leaves_nothing_to_give_back() {
    let world = reading().await;
    let _working = world.start();
    let (_, order, payment) = world.sold("tok_visa").await;
    let name = world.captured()[0].id.clone();
    world.at_the_bank(&name, "dispute").await;
    world.at_the_bank(&name, "lose").await;
    eventually("seen", async || dispute(&world, payment).await == Some(DisputeState::Lost)).await;
    assert_eq!(world.status(order).await, Some(Status::Complete { payment }));
    ask_for_refund(&world, order).await;
    assert!(world.parked().await.contains("by a dispute"));
    assert_eq!(world.captured()[0].refunded, 0);
}

#[tokio::test]
async fn a_bank_that_has_approved_is_not_waited_for() {
    let patient = Tuning {
        reconcile_every: Duration::from_millis(50),
        retry_first: Duration::from_secs(600),
        retry_max: Duration::from_secs(600),
        look_again_max: Duration::from_secs(600),
        ..tuning()
    };
    let world = World::tuned(patient).await;
    let _working = world.start();
    let (ticket, order, payment) = world.sale("tok_threeDSecure2Required").await;
    eventually("asked", async || {
        matches!(world.payment(payment).await.outcome(), Some(Outcome::ActionRequired { .. }))
    })
    .await;
    let name = world.sandbox.payments()[0].id.clone();
    world.bank_approves(&name).await;
    let began = Instant::now();
    world.until_sold(ticket, order, payment).await;
    assert!(began.elapsed() < Duration::from_secs(20), "only the list can have told so soon");
}

#[tokio::test]
async fn told_in_any_order_and_number_it_comes_to_the_same() {
    let kinds = ["payment_intent.succeeded", "charge.refunded", "refund.created"];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let world = World::new().await;
    let working = world.start();
    let mut sold = Vec::new();
    for _ in orders {
        sold.push(world.sold("tok_visa").await);
    }
    for (payment, told) in world.captured().iter().zip(orders) {
        world.refund_payment_by_hand(&payment.id, 2000).await;
        for kind in told {
            let event = format!("evt_{}_{kind}", payment.id);
            for _ in 0..=kind % 2 {
                world.told(&event, kinds[kind], &payment.id).await;
            }
        }
    }
    for (_, order, payment) in &sold {
        world.until_order(*order, |status| matches!(status, Status::Refunded { .. })).await;
        assert_eq!(taken_back(&world, *payment).await.refunds().len(), 1);
    }
    world.until_idle().await;
    for (ticket, ..) in sold {
        world.order(ticket, LONG).await;
    }
    assert!(world.captured().iter().all(|taken| taken.refunded == 2000));
    working.stop().await;
}

#[tokio::test]
async fn money_that_nobody_asked_for_is_for_a_person_and_others_payments_are_left() {
    let world = reading().await;
    let _working = world.start();
    let others = world.charge_past_us(&[("amount", "700"), ("currency", "usd")]).await;
    let unasked = Uuid::new_v4().to_string();
    let form = [("amount", "700"), ("currency", "usd"), ("metadata[payment]", &unasked)];
    let name = world.charge_past_us(&form).await;
    let why = world.parked().await;
    assert!(why.contains(&name) && why.contains("not in the log"), "{why}");
    eventually("others' too", async || world.log_has_notice_of(&others).await).await;
    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
}

#[tokio::test]
async fn another_amount_or_currency_under_our_name_is_for_a_person() {
    for (amount, currency, said) in [("700", "usd", "7.00 usd"), ("2000", "eur", "20.00 eur")] {
        let world = reading().await;
        let _working = world.start();
        let (_, order, payment) = world.sold("tok_visa").await;
        let key = payment.to_string();
        let form = [("amount", amount), ("currency", currency), ("metadata[payment]", &key)];
        world.charge_past_us(&form).await;
        let why = world.parked().await;
        assert!(why.contains(said) && why.contains("20.00 usd was asked for"), "{why}");
        assert_eq!(world.status(order).await, Some(Status::Complete { payment }));
    }
}

#[tokio::test]
async fn money_taken_twice_under_our_name_is_for_a_person() {
    let world = reading().await;
    let _working = world.start();
    let (_, _, payment) = world.sold("tok_visa").await;
    let key = payment.to_string();
    let form = [("amount", "2000"), ("currency", "usd"), ("metadata[payment]", key.as_str())];
    let second = world.charge_past_us(&form).await;
    let why = world.parked().await;
    assert!(why.contains(&second) && why.contains("a second time"), "{why}");
}

#[tokio::test]
async fn a_refund_that_the_bank_sends_back_is_for_a_person() {
    let world = reading().await;
    let _working = world.start();
    let (_, order, payment) = world.sold("tok_refundFail").await;
    let refund = ask_for_refund(&world, order).await;
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    assert!(world.parked().await.contains("sent refund re_"));
    let state = world.payment(payment).await.refund(refund).unwrap().state;
    assert_eq!(state, RefundState::Succeeded);
}

#[tokio::test]
async fn a_list_that_could_not_be_read_is_read_from_the_same_place() {
    let world = reading().await;
    let working = world.start();
    let (_, order, payment) = world.sold("tok_visa").await;
    world.fault(json!({ "next": 4, "on": "list", "kind": "error_500" })).await;
    world.refund_by_hand(500).await;
    eventually("noticed", async || taken_back(&world, payment).await.refunded_minor() == 500).await;
    // Another goes on where this one stopped, and what was lost with Postgres is read again.
    working.stop().await;
    let forget = "DELETE FROM process_managers.reconciler";
    sqlx::query(forget).execute(&world.pool).await.unwrap();
    let _working = world.start();
    world.refund_by_hand(1500).await;
    world.until_order(order, |status| matches!(status, Status::Refunded { .. })).await;
    assert_eq!(taken_back(&world, payment).await.refunds().len(), 2);
}

#[tokio::test]
async fn what_the_provider_keeps_of_a_payment_and_of_its_dispute_is_noted_once() {
    let world = reading().await;
    let _working = world.start();
    let (_, _, payment) = world.sold("tok_visa").await;
    let id = world.captured()[0].id.clone();
    let fees = async || match world.payment(payment).await {
        Payment::Initiated { fees, .. } => fees.len(),
        Payment::None => 0,
    };
    eventually("the fee is known", async || fees().await == 1).await;
    world.at_the_bank(&id, "dispute").await;
    world.at_the_bank(&id, "win").await;
    eventually("the dispute's too", async || fees().await == 2).await;
    world.until_idle().await;
    assert_eq!((world.captured()[0].fees, fees().await), (58 + 30 + 1_500, 2));
}
