//! The whole log, folded by the domain's own rules, and what in it should not have happened.

use std::collections::HashMap;

use anyhow::Context;
use domain::id::{OrderId, PaymentId, TicketId};
use domain::order::OrderEvent;
use domain::payment::{Outcome, PaymentEvent};
use domain::{Aggregate, DomainEvent, Order, Payment, Position, Recorded, Ticket, Timestamp};
use eventlog::{Delivery, EventLog};
use futures::StreamExt;

/// Tickets and orders with their revisions.
#[derive(Default)]
pub(super) struct History {
    pub(super) events: u64,
    pub(super) public_events: u64,
    pub(super) tickets: HashMap<TicketId, (Ticket, u64)>,
    pub(super) orders: HashMap<OrderId, (Order, u64)>,
    pub(super) payments: HashMap<PaymentId, Payment>,
    pub(super) oversold: u64,
    /// Orders that were let go while nobody knew whether their payment would take money.
    pub(super) too_soon: Vec<String>,
    /// Payments that came to nothing, and when the log first said so.
    pub(super) came_to_nothing: HashMap<PaymentId, Timestamp>,
    /// Payments that took money after the log had said that they came to nothing.
    pub(super) taken_after_all: Vec<PaymentId>,
}

impl History {
    pub(super) async fn read(log: &EventLog) -> anyhow::Result<Self> {
        let mut history = Self::default();
        let mut deliveries = Box::pin(log.subscribe(None::<Position>));
        while let Some(delivery) = deliveries.next().await {
            match delivery? {
                Delivery::Event(recorded) => {
                    let (_, id) = recorded.stream.split_once('-').context("a stream has an id")?;
                    history.events += 1;
                    history.public_events += u64::from(relay::contract::is_public(&recorded.event));
                    history.take(id, &recorded)?;
                }
                Delivery::Checkpoint(_) => {}
                Delivery::CaughtUp => break,
            }
        }
        Ok(history)
    }

    fn take(&mut self, id: &str, recorded: &Recorded<DomainEvent>) -> anyhow::Result<()> {
        let revision = recorded.revision.0;
        match &recorded.event {
            DomainEvent::Ticket(event) => {
                let entry = self.tickets.entry(id.parse()?).or_default();
                *entry = (std::mem::take(&mut entry.0).evolve(event), revision);
                if let Some(listing) = entry.0.listing() {
                    self.oversold += u64::from(listing.held.saturating_sub(listing.quantity.get()));
                }
            }
            DomainEvent::Order(event) => {
                if let OrderEvent::OrderPaymentFailed(failed) = event
                    && self.is_undecided(&failed.payment)
                {
                    let payment = failed.payment;
                    self.too_soon.push(format!("order {id} let go of payment {payment} undecided"));
                }
                let entry = self.orders.entry(id.parse()?).or_default();
                *entry = (std::mem::take(&mut entry.0).evolve(event), revision);
            }
            DomainEvent::Payment(event) => {
                let id = id.parse()?;
                self.take_ending(id, event, recorded.at);
                let payment = self.payments.entry(id).or_default();
                *payment = std::mem::take(payment).evolve(event);
            }
            DomainEvent::Account(_) | DomainEvent::EmailClaim(_) | DomainEvent::Notice(_) => {}
        }
        Ok(())
    }

    fn take_ending(&mut self, id: PaymentId, event: &PaymentEvent, at: Timestamp) {
        match event {
            PaymentEvent::PaymentFailed(_) | PaymentEvent::PaymentVoided(_) => {
                self.came_to_nothing.entry(id).or_insert(at);
            }
            PaymentEvent::PaymentCaptured(_) if self.came_to_nothing.contains_key(&id) => {
                self.taken_after_all.push(id);
            }
            PaymentEvent::PaymentCaptured(_)
            | PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentActionRequired(_)
            | PaymentEvent::RefundInitiated(_)
            | PaymentEvent::RefundSucceeded(_)
            | PaymentEvent::RefundFailed(_)
            | PaymentEvent::ExternalRefundDetected(_)
            | PaymentEvent::DisputeOpened(_)
            | PaymentEvent::DisputeClosed(_)
            | PaymentEvent::ProviderFeeCharged(_) => {}
        }
    }

    /// Whether the provider was asked for money and has not said that it takes none.
    fn is_undecided(&self, payment: &PaymentId) -> bool {
        match self.payments.get(payment).and_then(Payment::outcome) {
            Some(Outcome::Undecided | Outcome::ActionRequired { .. }) => true,
            Some(Outcome::Failed { .. } | Outcome::Voided | Outcome::Captured { .. }) | None => {
                false
            }
        }
    }
}
