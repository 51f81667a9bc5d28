//! Paying at the door: the seller's word is what a bank's is otherwise.

use std::time::Duration;

use domain::id::{AccountId, RefundId};
use domain::order::{OrderCommand, Status};
use domain::payment::{AT_THE_DOOR, Outcome, PaymentCommand, ProviderResult, RefundResult};
use domain::{Actor, Order, Payment};
use uuid::Uuid;

use crate::world::{LONG, World, cause, eventually, price, tuning};

fn received() -> PaymentCommand {
    PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref: AT_THE_DOOR.to_owned() })
}

#[tokio::test]
async fn the_seller_s_word_completes_the_order_and_no_provider_hears_of_it() {
    let world = World::new().await;
    let _working = world.start();
    let (ticket, order, payment) = world.sale(AT_THE_DOOR).await;
    eventually("tried", async || !world.tasks().await.is_empty()).await;
    assert_eq!(world.payment(payment).await.outcome(), Some(&Outcome::Undecided));
    world.execute::<Payment>(&payment, received()).await;
    world.until_sold(ticket, order, payment).await;
    assert_eq!(world.sandbox.payments(), []);
}

#[tokio::test]
async fn who_does_not_come_to_the_door_in_time_loses_the_order() {
    let world = World::new().await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(800)).await;
    let payment = world.pay(order, AT_THE_DOOR).await;
    world.until_order(order, |status| *status == Status::Expired).await;
    assert_eq!(world.payment(payment).await.outcome(), Some(&Outcome::Voided));
    world.until_released(ticket, order).await;
    world.order(ticket, LONG).await;
}

#[tokio::test]
async fn money_goes_back_at_the_door_when_the_seller_says_so() {
    // So long that only the seller's word can be what it goes on for.
    let slow = Duration::from_secs(600);
    let world =
        World::tuned(process_managers::Tuning { retry_first: slow, retry_max: slow, ..tuning() })
            .await;
    let _working = world.start();
    let (ticket, order, payment) = world.sale(AT_THE_DOOR).await;
    world.execute::<Payment>(&payment, received()).await;
    world.until_sold(ticket, order, payment).await;
    let refund = RefundId(Uuid::new_v4());
    let reason = String::new();
    let ask = OrderCommand::RequestRefund { refund, amount: price(), reason };
    world.execute::<Order>(&order, ask).await;
    eventually("begun", async || world.payment(payment).await.refund(refund).is_some()).await;
    assert_eq!(world.status(order).await, Some(Status::Refunding { payment, refund }));
    let result = RefundResult::Succeeded { provider_ref: AT_THE_DOOR.to_owned() };
    let mut cause = cause();
    cause.actor = Actor::Person(AccountId(Uuid::new_v4()));
    let command = PaymentCommand::RecordRefund { refund, result };
    world.log.execute::<Payment>(&payment, command, &cause).await.unwrap();
    world.until_order(order, |status| *status == Status::Refunded { payment, refund }).await;
    world.until_idle().await;
    world.order(ticket, LONG).await;
}
