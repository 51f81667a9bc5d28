//! Reserving, paying and expiring, in every order that can be: a model check with the very rules
//! that the program runs.
//!
//! The world is one ticket, its orders, their payments, and the provider as it really is. Every
//! request and every process is cut at each point where it may be interrupted: what it read may be
//! old when it acts, it may die there, and it may be asked again. The state is searched
//! exhaustively, so a promise that holds here holds for every interleaving of these few.

mod model;
mod process;
mod world;

use domain::order::{
    OrderCommand, OrderEvent, OrderExpired, OrderPaymentStarted, OrderReinstated, OrderRejection,
};
use domain::ticket::{TicketCommand, TicketEvent, TicketRejection, TicketReleased, TicketReserved};
use domain::{Aggregate, Order, Ticket};
use stateright::{Checker, HasDiscoveries, Model};

use self::model::Checkout;
use crate::rules::{Decided, Rules};

/// Two people want the last unit; the first of them may pay twice, the other once.
const LAST_UNIT: Checkout = Checkout {
    units: 1,
    payers: &[0, 0, 1],
    to_the_end: false,
    workers: 1,
    unruly: false,
    orders: Rules::REAL,
    tickets: Rules::REAL,
};
/// There is enough for both.
const ENOUGH: Checkout = Checkout { units: 2, payers: &[0, 1], to_the_end: true, ..LAST_UNIT };
/// Money comes that was called off, for two payments of one order while somebody else wants the
/// unit.
const LATE_MONEY: Checkout = Checkout { payers: &[0, 0], unruly: true, ..LAST_UNIT };
/// The same, for two orders.
const LATE_MONEY_OF_TWO: Checkout = Checkout { payers: &[0, 1], unruly: true, ..LAST_UNIT };

/// Two workers on one payment, as when a lease runs out unnoticed.
const LEASE_LOST: Checkout = Checkout { payers: &[0], to_the_end: true, workers: 2, ..LAST_UNIT };
/// The same, with money that was called off.
const LEASE_LOST_AND_LATE_MONEY: Checkout = Checkout { unruly: true, ..LEASE_LOST };

/// Searches everything; gives how many states there are.
#[track_caller]
fn promises_kept(checkout: Checkout) -> usize {
    let checker = checkout.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// Searches until this promise is broken.
#[track_caller]
fn broken(promise: &'static str, mutant: Checkout) {
    let found = HasDiscoveries::AnyOf([promise].into());
    let checker = mutant.checker().threads(2).finish_when(found).spawn_bfs().join();
    assert!(checker.discovery(promise).is_some(), "nobody has noticed the mutant");
}

#[test]
fn two_buyers_of_the_last_unit_in_every_interleaving() {
    let states = promises_kept(LAST_UNIT);
    assert!(states > 10_000, "only {states} states: the model has lost something");
}

#[test]
fn two_buyers_of_two_units_in_every_interleaving() {
    let states = promises_kept(ENOUGH);
    assert!(states > 1_000, "only {states} states: the model has lost something");
}

#[test]
fn money_that_comes_late_for_one_order_in_every_interleaving() {
    let states = promises_kept(LATE_MONEY);
    assert!(states > 1_000, "only {states} states: the model has lost something");
}

#[test]
fn money_that_comes_late_for_two_orders_in_every_interleaving() {
    let states = promises_kept(LATE_MONEY_OF_TWO);
    assert!(states > 1_000, "only {states} states: the model has lost something");
}

#[test]
fn two_workers_on_a_payment_in_every_interleaving() {
    let states = promises_kept(LEASE_LOST);
    assert!(states > 1_000, "only {states} states: the model has lost something");
}

#[test]
fn two_workers_on_late_money_in_every_interleaving() {
    let states = promises_kept(LEASE_LOST_AND_LATE_MONEY);
    assert!(states > 1_000, "only {states} states: the model has lost something");
}

// === Mutants: one guard removed, and some interleaving breaks a promise ===

#[test]
fn a_ticket_that_is_reserved_twice_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (
                Err(TicketRejection::NotEnoughLeft { .. }),
                TicketCommand::Reserve { order, buyer, quantity, expires_at },
            ) => {
                let unit_price = world::price();
                let reserved = TicketReserved { order, buyer, quantity, unit_price, expires_at };
                Ok(vec![TicketEvent::TicketReserved(reserved)])
            }
            (decided, _) => decided,
        }
    }
    let mutant = Checkout { tickets: Rules { decide, ..Rules::REAL }, ..LAST_UNIT };
    broken(model::NEVER_OVERSOLD, mutant);
}

#[test]
fn sold_units_that_are_released_are_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Err(TicketRejection::AlreadySold), TicketCommand::Release { order, reason }) => {
                Ok(vec![TicketEvent::TicketReleased(TicketReleased { order, reason })])
            }
            (decided, _) => decided,
        }
    }
    let mutant = Checkout { tickets: Rules { decide, ..Rules::REAL }, ..LATE_MONEY };
    broken(model::PAID_KEEPS_UNITS, mutant);
}

#[test]
fn an_order_that_expires_during_a_payment_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        match (state.decide(command.clone()), command) {
            (Err(OrderRejection::PaymentUnderWay { .. }), OrderCommand::Expire { .. }) => {
                Ok(vec![OrderEvent::OrderExpired(OrderExpired {})])
            }
            (decided, _) => decided,
        }
    }
    let mutant = Checkout { orders: Rules { decide, ..Rules::REAL }, ..LAST_UNIT };
    broken(model::NOT_OVER_WHILE_UNDECIDED, mutant);
}

#[test]
fn two_payments_at_once_are_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        match (state.decide(command.clone()), command) {
            (
                Err(OrderRejection::PaymentUnderWay { .. }),
                OrderCommand::StartPayment { payment, .. },
            ) => Ok(vec![OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment })]),
            (decided, _) => decided,
        }
    }
    let mutant = Checkout { orders: Rules { decide, ..Rules::REAL }, ..LAST_UNIT };
    broken(model::ONE_CHARGE, mutant);
}

#[test]
fn money_that_is_given_back_and_pays_is_noticed() {
    fn decide(state: &Order, command: OrderCommand) -> Decided<Order> {
        match (state.decide(command.clone()), command) {
            (Err(OrderRejection::PaymentTurnedAway), OrderCommand::Reinstate { payment }) => {
                Ok(vec![OrderEvent::OrderReinstated(OrderReinstated { payment })])
            }
            (decided, _) => decided,
        }
    }
    let mutant = Checkout { orders: Rules { decide, ..Rules::REAL }, ..LEASE_LOST_AND_LATE_MONEY };
    broken(model::NOT_BOTH, mutant);
}
