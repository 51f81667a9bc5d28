use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::TicketId;
use crate::money::Currency;
use crate::testing::given;
use crate::text::{Quantity, Title};

fn buyer() -> AccountId {
    AccountId(Uuid::from_u128(2))
}

fn stranger() -> AccountId {
    AccountId(Uuid::from_u128(3))
}

fn payment(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

fn refund(number: u128) -> RefundId {
    RefundId(Uuid::from_u128(number))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

/// Expires at second 900.
fn terms() -> OrderPlaced {
    OrderPlaced {
        buyer: buyer(),
        ticket: TicketId(Uuid::from_u128(7)),
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::new(2).unwrap(),
        unit_price: usd(2000),
        total: usd(4000),
        expires_at: at(900),
    }
}

fn placed() -> OrderEvent {
    OrderEvent::OrderPlaced(terms())
}

fn started(number: u128) -> OrderEvent {
    OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment: payment(number) })
}

fn failed(number: u128) -> OrderEvent {
    OrderEvent::OrderPaymentFailed(OrderPaymentFailed { payment: payment(number) })
}

fn completed() -> OrderEvent {
    OrderEvent::OrderCompleted(OrderCompleted { payment: payment(1) })
}

fn cancelled() -> OrderEvent {
    OrderEvent::OrderCancelled(OrderCancelled { by: buyer() })
}

fn expired() -> OrderEvent {
    OrderEvent::OrderExpired(OrderExpired {})
}

fn refund_requested() -> OrderEvent {
    OrderEvent::OrderRefundRequested(OrderRefundRequested {
        refund: refund(1),
        payment: payment(1),
        amount: usd(4000),
        reason: "ill".to_owned(),
    })
}

fn refunded() -> OrderEvent {
    OrderEvent::OrderRefunded(OrderRefunded { refund: refund(1) })
}

fn start(number: u128, now: i64) -> OrderCommand {
    OrderCommand::StartPayment { payment: payment(number), by: buyer(), now: at(now) }
}

fn complete(number: u128) -> OrderCommand {
    OrderCommand::Complete { payment: payment(number) }
}

fn cancel() -> OrderCommand {
    OrderCommand::Cancel { by: buyer() }
}

fn expire(now: i64) -> OrderCommand {
    OrderCommand::Expire { now: at(now) }
}

fn ask_refund(number: u128, minor: i64) -> OrderCommand {
    OrderCommand::RequestRefund {
        refund: refund(number),
        amount: usd(minor),
        reason: "ill".to_owned(),
    }
}

// === Placing ===

#[test]
fn an_order_is_placed_once_on_its_terms() {
    given::<Order>([]).when(OrderCommand::Place(terms())).then([placed()]);
    given::<Order>([placed()]).when(OrderCommand::Place(terms())).then_nothing();
    let other = OrderPlaced { total: usd(1), ..terms() };
    given::<Order>([placed()])
        .when(OrderCommand::Place(other))
        .then_refused(OrderRejection::PlacedOtherwise);
}

#[test]
fn an_order_never_placed_is_not_found() {
    for command in [start(1, 0), complete(1), cancel(), expire(900), ask_refund(1, 1)] {
        given::<Order>([]).when(command).then_refused(OrderRejection::NotFound);
    }
}

#[test]
fn another_persons_order_is_neither_paid_nor_cancelled() {
    given::<Order>([placed()])
        .when(OrderCommand::Cancel { by: stranger() })
        .then_refused(OrderRejection::NotBuyer);
    given::<Order>([placed()])
        .when(OrderCommand::StartPayment { payment: payment(1), by: stranger(), now: at(0) })
        .then_refused(OrderRejection::NotBuyer);
}

// === Paying ===

#[test]
fn an_order_has_at_most_one_active_payment() {
    given::<Order>([placed()]).when(start(1, 0)).then([started(1)]);
    given::<Order>([placed(), started(1)]).when(start(1, 0)).then_nothing();
    given::<Order>([placed(), started(1)])
        .when(start(2, 0))
        .then_refused(OrderRejection::PaymentUnderWay { payment: payment(1) });
}

#[test]
fn after_a_failed_payment_the_order_can_be_paid_by_another() {
    given::<Order>([placed(), started(1)])
        .when(OrderCommand::FailPayment { payment: payment(1) })
        .then([failed(1)]);
    given::<Order>([placed(), started(1), failed(1)]).when(start(2, 0)).then([started(2)]);
}

#[test]
fn a_failure_that_comes_late_does_not_touch_the_next_payment() {
    given::<Order>([placed(), started(1), failed(1), started(2)])
        .when(OrderCommand::FailPayment { payment: payment(1) })
        .then_nothing();
}

#[test]
fn only_the_active_payment_completes_an_order() {
    given::<Order>([placed(), started(1)]).when(complete(1)).then([completed()]);
    given::<Order>([placed(), started(1), completed()]).when(complete(1)).then_nothing();
    given::<Order>([placed(), started(1)])
        .when(complete(2))
        .then_refused(OrderRejection::OtherPayment);
    given::<Order>([placed(), started(1), completed()])
        .when(complete(2))
        .then_refused(OrderRejection::AlreadyPaid);
    given::<Order>([placed(), expired()]).when(complete(1)).then_refused(OrderRejection::Expired);
}

#[test]
fn a_paid_cancelled_or_expired_order_is_not_paid_again() {
    given::<Order>([placed(), started(1), completed()])
        .when(start(2, 0))
        .then_refused(OrderRejection::AlreadyPaid);
    given::<Order>([placed(), cancelled()])
        .when(start(1, 0))
        .then_refused(OrderRejection::Cancelled);
    given::<Order>([placed(), expired()]).when(start(1, 0)).then_refused(OrderRejection::Expired);
    given::<Order>([placed()]).when(start(1, 900)).then_refused(OrderRejection::Expired);
}

// === Cancelling and expiring ===

#[test]
fn an_open_order_is_cancelled_once() {
    given::<Order>([placed()]).when(cancel()).then([cancelled()]);
    given::<Order>([placed(), cancelled()]).when(cancel()).then_nothing();
}

#[test]
fn a_paid_order_is_never_cancelled() {
    given::<Order>([placed(), started(1), completed()])
        .when(cancel())
        .then_refused(OrderRejection::PaidCannotBeCancelled);
}

#[test]
fn an_order_whose_payment_is_undecided_neither_expires_nor_is_cancelled() {
    let under_way = OrderRejection::PaymentUnderWay { payment: payment(1) };
    given::<Order>([placed(), started(1)]).when(expire(9000)).then_refused(under_way.clone());
    given::<Order>([placed(), started(1)]).when(cancel()).then_refused(under_way);
}

#[test]
fn an_order_expires_at_its_time_and_not_before() {
    given::<Order>([placed()])
        .when(expire(899))
        .then_refused(OrderRejection::NotYetExpired { expires_at: at(900) });
    given::<Order>([placed()]).when(expire(900)).then([expired()]);
}

#[test]
fn expiring_a_cancelled_paid_or_expired_order_does_nothing() {
    given::<Order>([placed(), cancelled()]).when(expire(900)).then_nothing();
    given::<Order>([placed(), started(1), completed()]).when(expire(900)).then_nothing();
    given::<Order>([placed(), expired()]).when(expire(900)).then_nothing();
}

// === Coming back, and giving back ===

#[test]
fn a_gone_order_comes_back_only_by_reinstatement() {
    let reinstate = || OrderCommand::Reinstate { payment: payment(1) };
    let reinstated = || OrderEvent::OrderReinstated(OrderReinstated { payment: payment(1) });
    given::<Order>([placed(), expired()]).when(reinstate()).then([reinstated()]);
    given::<Order>([placed(), cancelled()]).when(reinstate()).then([reinstated()]);
    given::<Order>([placed(), expired(), reinstated()]).when(reinstate()).then_nothing();
    given::<Order>([placed(), expired(), reinstated()]).when(complete(1)).then_nothing();
}

#[test]
fn money_that_is_turned_away_never_pays_and_money_that_paid_is_never_turned_away() {
    let turn_away = |number| OrderCommand::TurnAway { payment: payment(number) };
    let turned_away =
        || OrderEvent::OrderPaymentTurnedAway(OrderPaymentTurnedAway { payment: payment(1) });
    let reinstate = |number| OrderCommand::Reinstate { payment: payment(number) };
    let reinstated = OrderEvent::OrderReinstated(OrderReinstated { payment: payment(2) });
    given::<Order>([placed(), expired()]).when(turn_away(1)).then([turned_away()]);
    let history = || [placed(), expired(), turned_away()];
    given::<Order>(history()).when(turn_away(1)).then_nothing();
    given::<Order>(history()).when(reinstate(1)).then_refused(OrderRejection::PaymentTurnedAway);
    given::<Order>(history()).when(reinstate(2)).then([reinstated]);
    given::<Order>([placed(), turned_away()])
        .when(start(1, 0))
        .then_refused(OrderRejection::PaymentTurnedAway);

    given::<Order>([placed(), started(1)])
        .when(turn_away(1))
        .then_refused(OrderRejection::PaymentUnderWay { payment: payment(1) });
    given::<Order>([placed(), started(1), completed()])
        .when(turn_away(1))
        .then_refused(OrderRejection::AlreadyPaid);
    given::<Order>([placed(), started(2)]).when(turn_away(1)).then([turned_away()]);
}

#[test]
fn a_paid_order_is_refunded_up_to_what_was_paid() {
    let paid = || [placed(), started(1), completed()];
    given::<Order>(paid()).when(ask_refund(1, 4000)).then([refund_requested()]);
    given::<Order>(paid()).when(ask_refund(1, 4001)).then_refused(OrderRejection::RefundTooLarge);
    given::<Order>(paid()).when(ask_refund(1, 0)).then_refused(OrderRejection::RefundTooLarge);
    given::<Order>([placed()]).when(ask_refund(1, 1)).then_refused(OrderRejection::NotPaid);
}

#[test]
fn a_refund_is_recorded_once_and_only_the_one_asked_for() {
    let record = |number| OrderCommand::RecordRefund { refund: refund(number) };
    let asked = || [placed(), started(1), completed(), refund_requested()];
    given::<Order>(asked()).when(record(1)).then([refunded()]);
    given::<Order>(asked()).when(record(2)).then_refused(OrderRejection::OtherRefund);
    given::<Order>(asked().into_iter().chain([refunded()])).when(record(1)).then_nothing();
}

// === Whatever is asked, in whatever order ===

fn any_command() -> impl Strategy<Value = OrderCommand> {
    let number = 1..4_u128;
    prop_oneof![
        Just(OrderCommand::Place(terms())),
        (number.clone(), 800..1000_i64).prop_map(|(number, now)| start(number, now)),
        number.clone().prop_map(|number| OrderCommand::FailPayment { payment: payment(number) }),
        number.clone().prop_map(complete),
        Just(cancel()),
        (800..1000_i64).prop_map(expire),
        number.clone().prop_map(|number| OrderCommand::Reinstate { payment: payment(number) }),
        number.clone().prop_map(|number| OrderCommand::TurnAway { payment: payment(number) }),
        number.clone().prop_map(|number| ask_refund(number, 4000)),
        number.prop_map(|number| OrderCommand::RecordRefund { refund: refund(number) }),
    ]
}

proptest! {
    #[test]
    fn an_order_is_completed_by_at_most_one_payment(
        commands in prop::collection::vec(any_command(), 0..60),
    ) {
        let mut order = Order::default();
        let mut paid_by = None;
        for command in commands {
            for event in order.decide(command).unwrap_or_default() {
                order = order.evolve(&event);
                if let OrderEvent::OrderCompleted(OrderCompleted { payment })
                | OrderEvent::OrderReinstated(OrderReinstated { payment }) = event
                {
                    prop_assert_eq!(paid_by.replace(payment), None, "paid twice");
                }
                let ended = matches!(event, OrderEvent::OrderCancelled(_) | OrderEvent::OrderExpired(_));
                prop_assert!(!(ended && paid_by.is_some()), "a paid order ended without a refund");
            }
        }
    }
}
