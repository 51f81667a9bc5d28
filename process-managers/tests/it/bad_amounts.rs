//! Amounts and currencies that no provider takes, and refunds of more than is left.

use chrono::Utc;
use domain::id::{OrderId, PaymentId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, Status};
use domain::payment::{
    ExternalRefundDetected, Outcome, PaymentCommand, PaymentInitiated, PaymentRejection,
    ProviderResult,
};
use domain::{Order, Payment};
use eventlog::ExecuteError;
use uuid::Uuid;

use crate::world::{LONG, World, cause, price};

async fn pay(world: &World, order: OrderId, amount: Money) -> PaymentId {
    let payment = PaymentId(Uuid::new_v4());
    let start = OrderCommand::StartPayment { payment, by: world.buyer, now: Utc::now() };
    world.execute::<Order>(&order, start).await;
    let intent = PaymentInitiated {
        order,
        buyer: world.buyer,
        amount,
        source: "tok_visa".to_owned(),
        provider_key: payment.to_string(),
    };
    world.execute::<Payment>(&payment, PaymentCommand::Initiate(intent)).await;
    payment
}

async fn refused(world: &World, payment: PaymentId, command: PaymentCommand) -> PaymentRejection {
    match world.log.execute::<Payment>(&payment, command, &cause()).await {
        Err(ExecuteError::Rejected(why)) => why,
        other => panic!("not refused: {:?}", other.map(|executed| executed.events)),
    }
}

#[tokio::test]
async fn what_no_provider_takes_fails_and_the_order_can_be_paid_all_the_same() {
    let world = World::new().await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let usd = |minor| Money { minor, currency: Currency::USD };
    let gold = Money { minor: 2000, currency: "xau".parse().unwrap() };
    let dinar = Money { minor: 2001, currency: "bhd".parse().unwrap() };
    for amount in
        [usd(i64::MAX), usd(i64::MIN), usd(0), usd(-1), usd(49), usd(100_000_000), gold, dinar]
    {
        let payment = pay(&world, order, amount).await;
        world.until_order(order, |status| *status == Status::Created).await;
        let state = world.payment(payment).await;
        let failed = matches!(state.outcome(), Some(Outcome::Failed { retryable: false, .. }));
        assert!(failed, "{amount}: {state:?}");
    }
    let payment = pay(&world, order, price()).await;
    world.until_sold(ticket, order, payment).await;
    assert_eq!(world.captured().len(), 1);
}

#[tokio::test]
async fn no_refund_is_larger_than_what_is_left_or_in_another_currency() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let payment = pay(&world, order, price()).await;
    let provider_ref = "pi_1".to_owned();
    let captured = PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref });
    world.execute::<Payment>(&payment, captured).await;
    let outside = ExternalRefundDetected {
        provider_ref: "re_1".to_owned(),
        amount: Money { minor: 500, ..price() },
    };
    world.execute::<Payment>(&payment, PaymentCommand::RecordExternalRefund(outside)).await;
    let refund = |minor, currency| PaymentCommand::Refund {
        refund: domain::id::RefundId(Uuid::new_v4()),
        amount: Money { minor, currency },
        provider_key: "key".to_owned(),
    };
    let eur: Currency = "eur".parse().unwrap();
    for (minor, currency) in [
        (1501, Currency::USD),
        (i64::MAX, Currency::USD),
        (i64::MIN, Currency::USD),
        (0, Currency::USD),
        (-1, Currency::USD),
        (1500, eur),
    ] {
        let why = refused(&world, payment, refund(minor, currency)).await;
        assert_eq!(why, PaymentRejection::RefundTooLarge, "{minor} {currency}");
    }
    world.execute::<Payment>(&payment, refund(1500, Currency::USD)).await;
}

#[tokio::test]
async fn sums_of_absurd_amounts_do_not_overflow() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let payment = pay(&world, order, price()).await;
    let provider_ref = "pi_1".to_owned();
    let captured = PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref });
    world.execute::<Payment>(&payment, captured).await;
    for number in 0..3 {
        let outside = ExternalRefundDetected {
            provider_ref: format!("re_{number}"),
            amount: Money { minor: i64::MAX, ..price() },
        };
        world.execute::<Payment>(&payment, PaymentCommand::RecordExternalRefund(outside)).await;
    }
    let provider_key = "key".to_owned();
    let refund = domain::id::RefundId(Uuid::new_v4());
    let one =
        PaymentCommand::Refund { refund, amount: Money { minor: 1, ..price() }, provider_key };
    assert_eq!(refused(&world, payment, one).await, PaymentRejection::RefundTooLarge);
    assert!(world.payment(payment).await.is_refunded());
}

#[tokio::test]
async fn nothing_is_recorded_of_a_payment_that_nobody_began() {
    let world = World::new().await;
    let payment = PaymentId(Uuid::new_v4());
    let provider_ref = "pi_1".to_owned();
    let captured = PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref });
    assert_eq!(refused(&world, payment, captured).await, PaymentRejection::NotFound);
}
