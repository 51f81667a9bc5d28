//! Payments, ends and refunds of an order.

use std::collections::BTreeSet;

use domain::id::{AccountId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{
    OrderCancelled, OrderCommand, OrderCompleted, OrderEvent, OrderExpired, OrderPaymentStarted,
    OrderPlaced, OrderRefundRequested, OrderRefunded, OrderReinstated, OrderRejection, Status,
};
use domain::text::{Quantity, Title};
use domain::{Aggregate, Order, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::rules::{Decided, Rules};
use crate::witness::{Step, Witness, caught, upheld};

const EXPIRES_AT_SECOND: i64 = 900;
const TOTAL_MINOR: i64 = 4000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(second, 0).unwrap()
}

fn buyer() -> AccountId {
    AccountId(Uuid::from_u128(2))
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn terms() -> OrderPlaced {
    OrderPlaced {
        buyer: buyer(),
        ticket: TicketId(Uuid::from_u128(7)),
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::new(2).unwrap(),
        unit_price: usd(TOTAL_MINOR / 2),
        total: usd(TOTAL_MINOR),
        expires_at: at(EXPIRES_AT_SECOND),
    }
}

fn commands() -> impl Strategy<Value = Vec<OrderCommand>> {
    let payment = (1..4_u128).prop_map(|number| PaymentId(Uuid::from_u128(number)));
    let refund = (1..3_u128).prop_map(|number| RefundId(Uuid::from_u128(number)));
    let by = prop_oneof![
        4 => Just(buyer()),
        1 => Just(AccountId(Uuid::from_u128(3))),
    ];
    let now = (EXPIRES_AT_SECOND - 3..EXPIRES_AT_SECOND + 2).prop_map(at);
    let command = prop_oneof![
        4 => (payment.clone(), by.clone(), now.clone())
            .prop_map(|(payment, by, now)| OrderCommand::StartPayment { payment, by, now }),
        2 => payment.clone().prop_map(|payment| OrderCommand::FailPayment { payment }),
        3 => payment.clone().prop_map(|payment| OrderCommand::Complete { payment }),
        1 => by.prop_map(|by| OrderCommand::Cancel { by }),
        1 => now.prop_map(|now| OrderCommand::Expire { now }),
        2 => payment.clone().prop_map(|payment| OrderCommand::Reinstate { payment }),
        2 => payment.prop_map(|payment| OrderCommand::TurnAway { payment }),
        2 => (refund.clone(), 0..TOTAL_MINOR * 2).prop_map(|(refund, minor)| {
            OrderCommand::RequestRefund { refund, amount: usd(minor), reason: String::new() }
        }),
        2 => refund.prop_map(|refund| OrderCommand::RecordRefund { refund }),
    ];
    prop::collection::vec(command, 0..30).prop_map(|mut commands| {
        commands.insert(0, OrderCommand::Place(terms()));
        commands
    })
}

/// Decides as it should, and otherwise as the mutant says.
fn unless(
    decided: Decided<Order>,
    mutant: impl FnOnce(&OrderRejection) -> Option<OrderEvent>,
) -> Decided<Order> {
    decided.or_else(|rejection| mutant(&rejection).map(|event| vec![event]).ok_or(rejection))
}

// === At most one active payment, and at most one that pays ===

#[derive(Default)]
struct Payments {
    active: Option<PaymentId>,
    paid_by: Option<PaymentId>,
    over: bool,
    turned_away: BTreeSet<PaymentId>,
}

impl Witness for Payments {
    type Of = Order;

    fn see(&mut self, step: &Step<'_, Order>) -> Result<(), String> {
        for event in step.events() {
            match event {
                OrderEvent::OrderPaymentStarted(started) => {
                    if self.active.replace(started.payment).is_some() {
                        return Err("two payments are under way".to_owned());
                    }
                    if self.paid_by.is_some() || self.over {
                        return Err("a payment of an order that wants none".to_owned());
                    }
                }
                OrderEvent::OrderPaymentFailed(_) => self.active = None,
                OrderEvent::OrderCompleted(OrderCompleted { payment }) => {
                    if self.active.take() != Some(*payment) {
                        return Err("completed by a payment that was not active".to_owned());
                    }
                    self.pay(*payment)?;
                }
                OrderEvent::OrderReinstated(OrderReinstated { payment }) => self.pay(*payment)?,
                OrderEvent::OrderCancelled(_) | OrderEvent::OrderExpired(_) => self.over = true,
                OrderEvent::OrderPaymentTurnedAway(turned_away) => {
                    self.turned_away.insert(turned_away.payment);
                }
                _ => {}
            }
        }
        match self.paid_by.filter(|payment| self.turned_away.contains(payment)) {
            None => Ok(()),
            Some(_) => Err("paid by money that goes back".to_owned()),
        }
    }
}

impl Payments {
    fn pay(&mut self, payment: PaymentId) -> Result<(), String> {
        self.over = false;
        match self.paid_by.replace(payment) {
            None => Ok(()),
            Some(_) => Err("paid twice".to_owned()),
        }
    }
}

#[test]
fn an_order_has_one_payment_under_way_and_one_that_pays() {
    upheld::<Payments>(commands());
}

#[test]
fn a_second_payment_beside_the_first_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (
                OrderRejection::PaymentUnderWay { .. },
                OrderCommand::StartPayment { payment, .. },
            ) => Some(OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment })),
            _ => None,
        })
    }
    caught::<Payments>(&Rules::deciding(decide), commands());
}

#[test]
fn a_payment_of_a_cancelled_order_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::Cancelled, OrderCommand::StartPayment { payment, .. }) => {
                Some(OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment }))
            }
            _ => None,
        })
    }
    caught::<Payments>(&Rules::deciding(decide), commands());
}

#[test]
fn a_payment_that_completes_another_ones_order_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::OtherPayment, OrderCommand::Complete { payment }) => {
                Some(OrderEvent::OrderCompleted(OrderCompleted { payment }))
            }
            _ => None,
        })
    }
    caught::<Payments>(&Rules::deciding(decide), commands());
}

#[test]
fn paying_a_paid_order_again_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::AlreadyPaid, OrderCommand::Reinstate { payment }) => {
                Some(OrderEvent::OrderReinstated(OrderReinstated { payment }))
            }
            _ => None,
        })
    }
    caught::<Payments>(&Rules::deciding(decide), commands());
}

#[test]
fn an_order_that_comes_back_for_money_that_goes_back_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::PaymentTurnedAway, OrderCommand::Reinstate { payment }) => {
                Some(OrderEvent::OrderReinstated(OrderReinstated { payment }))
            }
            _ => None,
        })
    }
    caught::<Payments>(&Rules::deciding(decide), commands());
}

// === How an order ends ===

#[derive(Default)]
struct Ends;

impl Witness for Ends {
    type Of = Order;

    fn see(&mut self, step: &Step<'_, Order>) -> Result<(), String> {
        let Some(before) = step.before.status() else { return Ok(()) };
        let paid = matches!(
            before,
            Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. }
        );
        for event in step.events() {
            match event {
                OrderEvent::OrderCancelled(cancelled) if cancelled.by != buyer() => {
                    return Err("cancelled by a stranger".to_owned());
                }
                OrderEvent::OrderCancelled(_) | OrderEvent::OrderExpired(_) if paid => {
                    return Err("a paid order ended without a refund".to_owned());
                }
                OrderEvent::OrderCancelled(_) | OrderEvent::OrderExpired(_)
                    if matches!(before, Status::AwaitingPayment { .. }) =>
                {
                    return Err("ended while a payment is undecided".to_owned());
                }
                OrderEvent::OrderExpired(_) => {
                    let OrderCommand::Expire { now } = step.command else {
                        return Err("expired by the way".to_owned());
                    };
                    if *now < at(EXPIRES_AT_SECOND) {
                        return Err("expired too early".to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn an_order_ends_unpaid_undisturbed_and_not_early() {
    upheld::<Ends>(commands());
}

#[test]
fn an_order_that_expires_during_a_payment_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::PaymentUnderWay { .. }, OrderCommand::Expire { .. }) => {
                Some(OrderEvent::OrderExpired(OrderExpired {}))
            }
            _ => None,
        })
    }
    caught::<Ends>(&Rules::deciding(decide), commands());
}

#[test]
fn an_order_that_expires_early_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command), |rejection| match rejection {
            OrderRejection::NotYetExpired { .. } => Some(OrderEvent::OrderExpired(OrderExpired {})),
            _ => None,
        })
    }
    caught::<Ends>(&Rules::deciding(decide), commands());
}

#[test]
fn a_paid_order_that_is_cancelled_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::PaidCannotBeCancelled, OrderCommand::Cancel { by }) => {
                Some(OrderEvent::OrderCancelled(OrderCancelled { by }))
            }
            _ => None,
        })
    }
    caught::<Ends>(&Rules::deciding(decide), commands());
}

#[test]
fn a_stranger_who_cancels_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::NotBuyer, OrderCommand::Cancel { by }) => {
                Some(OrderEvent::OrderCancelled(OrderCancelled { by }))
            }
            _ => None,
        })
    }
    caught::<Ends>(&Rules::deciding(decide), commands());
}

// === Refunds ===

#[derive(Default)]
struct Refunds {
    asked: Option<RefundId>,
    asked_minor: i64,
    done: bool,
}

impl Witness for Refunds {
    type Of = Order;

    fn see(&mut self, step: &Step<'_, Order>) -> Result<(), String> {
        for event in step.events() {
            match event {
                OrderEvent::OrderRefundRequested(requested) => {
                    self.asked = Some(requested.refund);
                    self.asked_minor += requested.amount.minor;
                    let paid = matches!(step.before.status(), Some(Status::Complete { .. }));
                    if !paid || !(1..=TOTAL_MINOR).contains(&self.asked_minor) {
                        return Err("more goes back than was paid".to_owned());
                    }
                }
                OrderEvent::OrderRefunded(refunded) => {
                    if self.asked != Some(refunded.refund) || self.done {
                        return Err("a refund nobody asked for".to_owned());
                    }
                    self.done = true;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn no_more_goes_back_than_was_paid() {
    upheld::<Refunds>(commands());
}

fn request(state: &Order, command: OrderCommand) -> Option<OrderEvent> {
    let (
        Some(Status::Complete { payment } | Status::Refunding { payment, .. }),
        OrderCommand::RequestRefund { refund, amount, reason },
    ) = (state.status(), command)
    else {
        return None;
    };
    let requested = OrderRefundRequested { refund, payment: *payment, amount, reason };
    Some(OrderEvent::OrderRefundRequested(requested))
}

#[test]
fn a_refund_that_is_too_large_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match rejection {
            OrderRejection::RefundTooLarge => request(state, command),
            _ => None,
        })
    }
    caught::<Refunds>(&Rules::deciding(decide), commands());
}

#[test]
fn a_second_refund_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match rejection {
            OrderRejection::OtherRefund => request(state, command),
            _ => None,
        })
    }
    caught::<Refunds>(&Rules::deciding(decide), commands());
}

#[test]
fn a_refund_recorded_for_another_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        unless(state.decide(command.clone()), |rejection| match (rejection, command) {
            (OrderRejection::OtherRefund, OrderCommand::RecordRefund { refund }) => {
                Some(OrderEvent::OrderRefunded(OrderRefunded { refund }))
            }
            _ => None,
        })
    }
    caught::<Refunds>(&Rules::deciding(decide), commands());
}
