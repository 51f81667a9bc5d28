use domain::account::Sealed;
use domain::id::{AccountId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderExpired, OrderPlaced};
use domain::payment::{
    PaymentActionRequired, PaymentCaptured, PaymentFailed, PaymentVoided, RefundInitiated,
};
use domain::text::{Quantity, Title};
use uuid::Uuid;

use super::*;
use crate::process_manager::tests::{moment, recorded};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const BUYER: AccountId = AccountId(Uuid::from_u128(3));
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(4));
const GRACE: Duration = Duration::from_secs(60);
const LOOK_MAX: Duration = Duration::from_secs(60);

fn on_order(event: OrderEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("order-{ORDER}"), DomainEvent::Order(event)), GRACE)
}

fn on_payment(event: PaymentEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("payment-{PAYMENT}"), DomainEvent::Payment(event)), GRACE)
}

fn price() -> Money {
    Money { minor: 2000, currency: Currency::USD }
}

fn intent() -> PaymentInitiated {
    PaymentInitiated {
        order: ORDER,
        buyer: BUYER,
        amount: price(),
        source: "tok_visa".to_owned(),
        provider_key: PAYMENT.to_string(),
    }
}

#[test]
fn a_started_payment_without_intent_is_abandoned_after_a_grace() {
    let started = OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment: PAYMENT });
    let Some(Change::Add { key, due, task }) = on_order(started) else { panic!("nothing to do") };
    assert_eq!((key, due), (PAYMENT.0, later(moment(), GRACE)));
    assert!(matches!(task, Task::Abandon { payment: PAYMENT, order: ORDER, .. }), "{task:?}");
}

#[test]
fn an_intent_is_brought_to_the_provider_at_once() {
    let Some(Change::Add { key, due, task }) = on_payment(PaymentEvent::PaymentInitiated(intent()))
    else {
        panic!("nothing to do")
    };
    assert_eq!((key, due), (PAYMENT.0, moment()));
    assert!(matches!(task, Task::Ask { payment: PAYMENT, .. }), "{task:?}");
}

#[test]
fn a_decided_payment_is_settled_at_once() {
    for decided in [
        PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref: "pi_1".to_owned() }),
        PaymentEvent::PaymentFailed(PaymentFailed { code: "lost".to_owned(), retryable: false }),
        PaymentEvent::PaymentVoided(PaymentVoided {}),
    ] {
        let Some(Change::Add { key, due, task }) = on_payment(decided) else {
            panic!("nothing to do")
        };
        assert_eq!((key, due), (PAYMENT.0, moment()));
        assert!(matches!(task, Task::Settle { payment: PAYMENT, .. }), "{task:?}");
    }
}

#[test]
fn what_the_task_at_hand_goes_on_with_does_not_replace_it() {
    let action = PaymentActionRequired {
        provider_ref: "pi_1".to_owned(),
        client_secret: Sealed("sealed".to_owned()),
    };
    assert_eq!(on_payment(PaymentEvent::PaymentActionRequired(action)), None);
    let refund = RefundInitiated {
        refund: RefundId(Uuid::from_u128(5)),
        amount: price(),
        provider_key: "key".to_owned(),
    };
    assert_eq!(on_payment(PaymentEvent::RefundInitiated(refund)), None);
    assert_eq!(on_order(OrderEvent::OrderExpired(OrderExpired {})), None);
}

#[test]
fn only_an_order_that_waits_for_this_payment_is_charged() {
    let intent = intent();
    let terms = OrderPlaced {
        buyer: BUYER,
        ticket: TicketId(Uuid::from_u128(2)),
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::ONE,
        unit_price: price(),
        total: price(),
        expires_at: later(moment(), Duration::from_secs(30)),
    };
    let order = |status| {
        let (begun, turned_away) = Default::default();
        Order::Placed { terms: terms.clone(), status, begun, turned_away }
    };
    let asked = |order: &Order, bank_asked, now| {
        let asked = Asked { payment: PAYMENT, intent: &intent, initiated_at: moment(), bank_asked };
        question(order, &asked, Clock::showing(now), LOOK_MAX)
    };
    let waiting = order(Status::AwaitingPayment { payment: PAYMENT });
    assert!(matches!(asked(&waiting, false, moment()), Question::Charge { .. }));
    let Question::Look { again_within } = asked(&waiting, true, moment()) else {
        panic!("the bank has the word")
    };
    assert!(again_within <= Duration::from_secs(30), "{again_within:?}");

    let too_late = later(moment(), Duration::from_secs(30));
    let other = PaymentId(Uuid::from_u128(6));
    for (gone, now) in [
        (waiting, too_late),
        (order(Status::AwaitingPayment { payment: other }), moment()),
        (order(Status::Created), moment()),
        (order(Status::Cancelled), moment()),
        (order(Status::Expired), moment()),
        (order(Status::Complete { payment: other }), moment()),
        (Order::Unplaced, moment()),
    ] {
        assert!(matches!(asked(&gone, false, now), Question::Cancel), "{gone:?}");
        assert!(matches!(asked(&gone, true, now), Question::Cancel), "{gone:?}");
    }
}
