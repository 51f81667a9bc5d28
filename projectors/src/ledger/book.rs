//! Which entries follow from which event.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::{AccountId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::Money;
use domain::order::OrderEvent;
use domain::payment::{AT_THE_DOOR, DisputeOutcome, PaymentEvent, ProviderFeeCharged};
use domain::ticket::TicketEvent;
use domain::{DomainEvent, Order, Payment, Recorded, Ticket};
use serde::{Deserialize, Serialize};

use super::entry::{Account, Entry};
use crate::stream::id_of;

/// What has to be remembered of earlier events to write the entries of later ones.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub(super) sellers: HashMap<TicketId, AccountId>,
    pub(super) orders: HashMap<OrderId, Sale>,
    pub(super) payments: HashMap<PaymentId, Paid>,
}

/// An order, as far as money goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sale {
    buyer: AccountId,
    seller: Option<AccountId>,
    total: Money,
}

/// A payment, as far as money goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Paid {
    buyer: AccountId,
    amount: Money,
    /// Taken by the seller, not by the provider.
    at_the_door: bool,
    captured: bool,
    refunds: BTreeMap<RefundId, Refund>,
    /// By the provider's name, until it turns out that one was ours.
    outside: BTreeMap<String, Money>,
    /// By the provider's name.
    disputes: BTreeMap<String, DisputeState>,
    /// The provider's names of what it kept.
    fees: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refund {
    amount: Money,
    state: RefundState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundState {
    Initiated,
    Succeeded,
    Failed,
}

/// From the weakest fact to the strongest, as the payment itself weighs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DisputeState {
    Open,
    Won,
    Lost,
}

impl Book {
    /// The entries that follow from an event, which comes after all that were taken before.
    ///
    /// # Errors
    /// When the event's stream is not named as streams of such events are.
    pub fn take(&mut self, record: &Recorded<DomainEvent>) -> sqlx::Result<Vec<Entry>> {
        let mut entries = match &record.event {
            DomainEvent::Ticket(TicketEvent::TicketListed(listed)) => {
                self.sellers.insert(id_of::<Ticket, _>(record)?, listed.seller);
                Vec::new()
            }
            DomainEvent::Order(event) => self.order(id_of::<Order, _>(record)?, event),
            DomainEvent::Payment(event) => self.payment(id_of::<Payment, _>(record)?, event),
            DomainEvent::Ticket(_)
            | DomainEvent::Account(_)
            | DomainEvent::EmailClaim(_)
            | DomainEvent::Notice(_) => Vec::new(),
        };
        // The provider may tell of refunds of nothing.
        entries.retain(|entry| entry.amount.minor > 0);
        Ok(entries)
    }

    fn order(&mut self, order: OrderId, event: &OrderEvent) -> Vec<Entry> {
        match event {
            OrderEvent::OrderPlaced(terms) => {
                let seller = self.sellers.get(&terms.ticket).copied();
                let sale = Sale { buyer: terms.buyer, seller, total: terms.total };
                self.orders.insert(order, sale);
                Vec::new()
            }
            OrderEvent::OrderCompleted(_) | OrderEvent::OrderReinstated(_) => {
                let Some(sale) = self.orders.get(&order) else { return Vec::new() };
                let (buyer, seller) = (Account::Buyer(sale.buyer), Account::Seller(sale.seller));
                vec![entry(buyer, seller, sale.total, "an order is paid")]
            }
            OrderEvent::OrderRefundRequested(asked) => {
                let Some(sale) = self.orders.get(&order) else { return Vec::new() };
                let (buyer, seller) = (Account::Buyer(sale.buyer), Account::Seller(sale.seller));
                vec![entry(seller, buyer, asked.amount, "a paid order is to be refunded")]
            }
            // No money moves, or the payment tells of it.
            OrderEvent::OrderPaymentStarted(_)
            | OrderEvent::OrderPaymentFailed(_)
            | OrderEvent::OrderCancelled(_)
            | OrderEvent::OrderExpired(_)
            | OrderEvent::OrderPaymentTurnedAway(_)
            | OrderEvent::OrderRefunded(_) => Vec::new(),
        }
    }

    fn payment(&mut self, payment: PaymentId, event: &PaymentEvent) -> Vec<Entry> {
        if let PaymentEvent::PaymentInitiated(intent) = event {
            let paid = Paid {
                buyer: intent.buyer,
                amount: intent.amount,
                at_the_door: intent.source == AT_THE_DOOR,
                captured: false,
                refunds: BTreeMap::new(),
                outside: BTreeMap::new(),
                disputes: BTreeMap::new(),
                fees: BTreeSet::new(),
            };
            self.payments.insert(payment, paid);
        }
        self.payments.get_mut(&payment).map_or_else(Vec::new, |paid| paid.take(event))
    }
}

impl Paid {
    fn take(&mut self, event: &PaymentEvent) -> Vec<Entry> {
        let buyer = Account::Buyer(self.buyer);
        match event {
            PaymentEvent::PaymentCaptured(_) if !self.captured => {
                self.captured = true;
                vec![entry(self.till(), buyer, self.amount, "money is taken")]
            }
            PaymentEvent::RefundInitiated(asked) => {
                self.put(asked.refund, asked.amount, RefundState::Initiated);
                vec![entry(buyer, Account::Refunds, asked.amount, "money is to go back")]
            }
            PaymentEvent::RefundSucceeded(done) => {
                self.refund_succeeded(done.refund, &done.provider_ref)
            }
            PaymentEvent::RefundFailed(failed) => match self.refunds.get_mut(&failed.refund) {
                Some(refund) if refund.state == RefundState::Initiated => {
                    refund.state = RefundState::Failed;
                    vec![entry(Account::Refunds, buyer, refund.amount, "money cannot go back")]
                }
                Some(_) | None => Vec::new(),
            },
            PaymentEvent::ExternalRefundDetected(seen) => {
                if self.outside.insert(seen.provider_ref.clone(), seen.amount).is_some() {
                    return Vec::new();
                }
                let why = "money was given back at the provider";
                vec![entry(buyer, Account::Provider, seen.amount, why)]
            }
            PaymentEvent::DisputeOpened(opened) => {
                self.dispute(&opened.dispute, opened.amount, DisputeState::Open)
            }
            PaymentEvent::DisputeClosed(closed) => {
                let state = match closed.outcome {
                    DisputeOutcome::Won => DisputeState::Won,
                    DisputeOutcome::Lost => DisputeState::Lost,
                };
                self.dispute(&closed.dispute, closed.amount, state)
            }
            PaymentEvent::ProviderFeeCharged(charged) => self.fee(charged),
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentActionRequired(_)
            | PaymentEvent::PaymentCaptured(_)
            | PaymentEvent::PaymentFailed(_)
            | PaymentEvent::PaymentVoided(_) => Vec::new(),
        }
    }

    /// Where its money is.
    fn till(&self) -> Account {
        if self.at_the_door { Account::Door } else { Account::Provider }
    }

    fn put(&mut self, refund: RefundId, amount: Money, state: RefundState) {
        self.refunds.insert(refund, Refund { amount, state });
    }

    fn refund_succeeded(&mut self, id: RefundId, provider_ref: &str) -> Vec<Entry> {
        let (buyer, till) = (Account::Buyer(self.buyer), self.till());
        let Some(refund) = self.refunds.get_mut(&id) else { return Vec::new() };
        let mut entries = Vec::new();
        // Noticed at the provider before its own answer came: it is one refund, not two.
        if let Some(amount) = self.outside.remove(provider_ref) {
            let why = "the refund at the provider was ours";
            entries.push(entry(Account::Provider, buyer, amount, why));
        }
        if refund.state == RefundState::Failed {
            let why = "money goes back after all";
            entries.push(entry(buyer, Account::Refunds, refund.amount, why));
        }
        if refund.state != RefundState::Succeeded {
            refund.state = RefundState::Succeeded;
            let why = "money has gone back";
            entries.push(entry(Account::Refunds, till, refund.amount, why));
        }
        entries
    }

    fn dispute(&mut self, id: &str, amount: Money, state: DisputeState) -> Vec<Entry> {
        let known = self.disputes.get(id).copied();
        if known.is_some_and(|known| known >= state) {
            return Vec::new();
        }
        self.disputes.insert(id.to_owned(), state);
        let where_it_is = |state: Option<DisputeState>| match state {
            None | Some(DisputeState::Won) => Account::Provider,
            Some(DisputeState::Open) => Account::Disputes,
            Some(DisputeState::Lost) => Account::DisputeLosses,
        };
        let (from, to) = (where_it_is(known), where_it_is(Some(state)));
        let why = match state {
            DisputeState::Open => "a buyer disputes a payment",
            DisputeState::Won => "a dispute is won",
            DisputeState::Lost => "a dispute is lost",
        };
        if from == to { Vec::new() } else { vec![entry(to, from, amount, why)] }
    }

    fn fee(&mut self, charged: &ProviderFeeCharged) -> Vec<Entry> {
        if !self.fees.insert(charged.provider_ref.clone()) {
            return Vec::new();
        }
        let fee = charged.fee;
        let Some(given_back) = fee.minor.checked_neg() else { return Vec::new() };
        if given_back > 0 {
            let fee = Money { minor: given_back, ..fee };
            return vec![entry(Account::Provider, Account::Fees, fee, "a fee is given back")];
        }
        vec![entry(Account::Fees, Account::Provider, fee, "the provider keeps a fee")]
    }
}

fn entry(debit: Account, credit: Account, amount: Money, why: &'static str) -> Entry {
    Entry { debit, credit, amount, why }
}

#[cfg(test)]
mod tests;
