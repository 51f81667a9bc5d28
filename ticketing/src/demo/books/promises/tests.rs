//! What the judge lets pass, and what not.

use domain::id::{AccountId, OrderId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderEvent, OrderPaymentTurnedAway, OrderPlaced};
use domain::payment::{PaymentEvent, PaymentInitiated, PaymentVoided};
use domain::text::{Quantity, Title};
use domain::{Aggregate, Order, Timestamp};
use uuid::Uuid;

use super::*;

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(2));
const BUYER: AccountId = AccountId(Uuid::from_u128(3));
const PRICE: Money = Money { minor: 2000, currency: Currency::USD };

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(second, 0).unwrap()
}

/// The log says at second 100 that the payment came to nothing.
fn called_off(source: &str) -> History {
    let intent = PaymentInitiated {
        order: ORDER,
        buyer: BUYER,
        amount: PRICE,
        source: source.to_owned(),
        provider_key: PAYMENT.to_string(),
    };
    let payment = Payment::default().evolve(&PaymentEvent::PaymentInitiated(intent));
    let payment = payment.evolve(&PaymentEvent::PaymentVoided(PaymentVoided {}));
    let mut history = History::default();
    history.payments.insert(PAYMENT, payment);
    history.came_to_nothing.insert(PAYMENT, at(100));
    history
}

/// The order's time is over at second 100, and the payment is turned away.
fn turned_away() -> History {
    let terms = OrderPlaced {
        buyer: BUYER,
        ticket: TicketId(Uuid::nil()),
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::ONE,
        unit_price: PRICE,
        total: PRICE,
        expires_at: at(100),
    };
    let turned_away = OrderPaymentTurnedAway { payment: PAYMENT };
    let order = Order::default().evolve(&OrderEvent::OrderPlaced(terms));
    let order = order.evolve(&OrderEvent::OrderPaymentTurnedAway(turned_away));
    let mut history = History::default();
    history.orders.insert(ORDER, (order, 1));
    history
}

fn at_provider(status: &str, captured_at: Option<i64>, canceled_at: Option<i64>) -> PaymentView {
    PaymentView {
        id: "pi_1".to_owned(),
        idempotency_key: None,
        amount: PRICE.minor,
        currency: "usd".to_owned(),
        status: status.to_owned(),
        metadata: [("payment".to_owned(), PAYMENT.to_string())].into(),
        refunded: 0,
        disputed: 0,
        fees: 0,
        created: 0,
        captured_at,
        canceled_at,
    }
}

/// What the judge says, from its last colon or comma on.
fn said(history: &History, provider: &[PaymentView]) -> Vec<String> {
    let mut books = Books::default();
    check(history, Some(provider), &mut books);
    let end = |line: String| line.rsplit([':', ',']).next().unwrap_or_default().trim().to_owned();
    books.disagreements.into_iter().map(end).collect()
}

#[test]
fn what_came_to_nothing_was_called_off_at_the_provider_before() {
    let history = called_off("tok_visa");
    let nothing: [&str; 0] = [];
    assert_eq!(said(&history, &[at_provider("canceled", None, Some(100))]), nothing);
    let later = at_provider("canceled", None, Some(101));
    assert_eq!(said(&history, &[later]), ["it was called off there only afterwards"]);
    for status in ["succeeded", "requires_action", "processing"] {
        let open = at_provider(status, None, None);
        assert_eq!(said(&history, &[open]), [format!("it is {status} there")]);
    }
    assert_eq!(said(&history, &[]), ["it is not known there"]);
    assert_eq!(said(&called_off(AT_THE_DOOR), &[]), nothing);
}

#[test]
fn who_paid_in_time_is_not_refused() {
    let history = turned_away();
    let paid = |second| at_provider("succeeded", Some(second), None);
    assert_eq!(said(&history, &[paid(99)]), ["and was refused"]);
    assert_eq!(said(&history, &[paid(100)]), [""; 0]);
}

#[test]
fn money_taken_after_all_and_orders_let_go_too_soon_are_named() {
    let mut history = History { taken_after_all: vec![PAYMENT], ..History::default() };
    history.too_soon.push("order 1 let go".to_owned());
    let mut books = Books::default();
    check(&history, None, &mut books);
    assert_eq!(books.disagreements.len(), 2);
}
