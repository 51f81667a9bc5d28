//! The process that takes a payment to its end, step by step: it reads, and some time later acts.

use domain::order::{Order, Status};
use domain::payment::{Outcome, Payment, RefundState};

use super::world::{Attempt, World, order_id, payment_id};

/// What a process has decided to do, by what it read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Hand {
    #[default]
    Empty,
    Charge,
    CallOff,
    FreeOrder,
    Complete,
    ReserveAgain(Then),
    Sell(Then),
    Reinstate,
    TurnAway,
    Refund,
    PayBack,
    RecordRefund,
}

/// Why units are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// The order is paid already.
    Done,
    /// The order was gone and comes back.
    Reinstate,
}

impl World {
    /// What the process of this payment would do next; empty when nothing is left to do.
    pub(crate) fn next_task(&self, basket: usize, number: usize) -> Hand {
        let attempt = &self.attempts[number];
        let order = &self.baskets[basket].order;
        let waits = matches!(
            order.status(),
            Some(Status::AwaitingPayment { payment }) if *payment == payment_id(number)
        );
        match &*attempt.payment {
            // The request died before the intent, or is only slow: nobody can tell.
            Payment::None if attempt.started && waits => Hand::FreeOrder,
            Payment::None => Hand::Empty,
            Payment::Initiated { outcome, .. } => match outcome {
                Outcome::Undecided if waits && !self.late => Hand::Charge,
                Outcome::ActionRequired { .. } if waits && !self.late => Hand::Empty,
                Outcome::Undecided | Outcome::ActionRequired { .. } => Hand::CallOff,
                Outcome::Failed { .. } | Outcome::Voided if waits => Hand::FreeOrder,
                Outcome::Failed { .. } | Outcome::Voided => Hand::Empty,
                Outcome::Captured { .. } => self.settle(basket, number, order, attempt),
            },
        }
    }

    /// The money is taken: the order gets it, or the buyer gets it back.
    fn settle(&self, basket: usize, number: usize, order: &Order, attempt: &Attempt) -> Hand {
        let Payment::Initiated { refunds, .. } = &*attempt.payment else { return Hand::Empty };
        match refunds.values().next().map(|refund| refund.state) {
            Some(RefundState::Succeeded) => return Hand::Empty,
            Some(RefundState::Initiated | RefundState::Failed) => return Hand::PayBack,
            None => {}
        }
        if order.has_turned_away(payment_id(number)) {
            return Hand::Refund;
        }
        match order.status() {
            None => Hand::Empty,
            Some(Status::AwaitingPayment { payment }) if *payment == payment_id(number) => {
                Hand::Complete
            }
            Some(Status::AwaitingPayment { .. }) => Hand::Empty,
            Some(Status::Complete { payment }) if *payment == payment_id(number) => {
                let hold = self.ticket.listing().and_then(|it| it.holds.get(&order_id(basket)));
                if hold.is_some_and(|hold| hold.sold) {
                    Hand::Empty
                } else {
                    self.take_units(basket, Then::Done)
                }
            }
            Some(Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. }) => {
                Hand::TurnAway
            }
            Some(Status::Created | Status::Cancelled | Status::Expired) => {
                self.take_units(basket, Then::Reinstate)
            }
        }
    }

    pub(crate) fn take_units(&self, basket: usize, then: Then) -> Hand {
        let listing = self.ticket.listing();
        if listing.is_some_and(|listing| listing.holds.contains_key(&order_id(basket))) {
            Hand::Sell(then)
        } else {
            Hand::ReserveAgain(then)
        }
    }
}
