//! A person's hold on units of a ticket, for a limited time, then paid for.
//!
//! Money may come when the order is gone. Then the order alone says whether it comes back for it
//! (`Reinstate`) or not (`TurnAway`): the one rules the other out, so that of two who work on the
//! same payment, one cannot pay the order while the other gives the money back.

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use event::{
    OrderCancelled, OrderCompleted, OrderEvent, OrderExpired, OrderPaymentFailed,
    OrderPaymentStarted, OrderPaymentTurnedAway, OrderPlaced, OrderRefundRequested, OrderRefunded,
    OrderReinstated,
};

use crate::Timestamp;
use crate::aggregate::Aggregate;
use crate::id::{AccountId, OrderId, PaymentId, RefundId};
use crate::money::Money;

/// The state of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    #[default]
    Unplaced,
    Placed {
        terms: OrderPlaced,
        status: Status,
        /// Every payment that was begun for it.
        begun: BTreeSet<PaymentId>,
        /// Payments whose money goes back; they never pay this order.
        turned_away: BTreeSet<PaymentId>,
    },
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Created,
    AwaitingPayment { payment: PaymentId },
    Complete { payment: PaymentId },
    Cancelled,
    Expired,
    Refunding { payment: PaymentId, refund: RefundId },
    Refunded { payment: PaymentId, refund: RefundId },
}

impl Status {
    /// The word for it on the wire and in the read models.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AwaitingPayment { .. } => "awaiting_payment",
            Self::Complete { .. } => "complete",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunding { .. } => "refunding",
            Self::Refunded { .. } => "refunded",
        }
    }
}

impl Order {
    /// What was agreed, once the order has been placed.
    #[must_use]
    pub fn terms(&self) -> Option<&OrderPlaced> {
        match self {
            Self::Unplaced => None,
            Self::Placed { terms, .. } => Some(terms),
        }
    }

    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Unplaced => None,
            Self::Placed { status, .. } => Some(status),
        }
    }

    /// The payments that may still bring it back when it is over; none more are begun then.
    pub fn not_turned_away(&self) -> impl Iterator<Item = PaymentId> {
        let begun = match self {
            Self::Unplaced => None,
            Self::Placed { begun, .. } => Some(begun),
        };
        begun.into_iter().flatten().copied().filter(|payment| !self.has_turned_away(*payment))
    }

    /// The payments whose money goes back, whatever becomes of the order.
    pub fn turned_away(&self) -> impl Iterator<Item = PaymentId> {
        let turned_away = match self {
            Self::Unplaced => None,
            Self::Placed { turned_away, .. } => Some(turned_away),
        };
        turned_away.into_iter().flatten().copied()
    }

    /// Whether the money of this payment goes back, whatever becomes of the order.
    #[must_use]
    pub fn has_turned_away(&self, payment: PaymentId) -> bool {
        match self {
            Self::Unplaced => false,
            Self::Placed { turned_away, .. } => turned_away.contains(&payment),
        }
    }

    fn placed(&self) -> Result<(&OrderPlaced, &Status), OrderRejection> {
        match self {
            Self::Unplaced => Err(OrderRejection::NotFound),
            Self::Placed { terms, status, .. } => Ok((terms, status)),
        }
    }

    fn with(mut self, payment: PaymentId) -> Self {
        match &mut self {
            Self::Unplaced => {}
            Self::Placed { begun, .. } => {
                begun.insert(payment);
            }
        }
        self
    }

    fn without(mut self, payment: PaymentId) -> Self {
        match &mut self {
            Self::Unplaced => {}
            Self::Placed { turned_away, .. } => {
                turned_away.insert(payment);
            }
        }
        self
    }

    fn with_status(mut self, next: Status) -> Self {
        match &mut self {
            Self::Unplaced => {}
            Self::Placed { status, .. } => *status = next,
        }
        self
    }
}

/// What can be asked of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderCommand {
    Place(OrderPlaced),
    StartPayment {
        payment: PaymentId,
        by: AccountId,
        now: Timestamp,
    },
    FailPayment {
        payment: PaymentId,
    },
    Complete {
        payment: PaymentId,
    },
    Cancel {
        by: AccountId,
    },
    Expire {
        now: Timestamp,
    },
    Reinstate {
        payment: PaymentId,
    },
    /// The money of this payment is to go back, for the order cannot have it.
    TurnAway {
        payment: PaymentId,
    },
    RequestRefund {
        refund: RefundId,
        amount: Money,
        reason: String,
    },
    RecordRefund {
        refund: RefundId,
    },
}

/// Why an order refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRejection {
    #[error("Order not found")]
    NotFound,
    #[error("this order has been placed on other terms")]
    PlacedOtherwise,
    /// Answered as "not found": whose order it is, is nobody else's business.
    #[error("Order not found")]
    NotBuyer,
    #[error("Cannot pay for a cancelled order")]
    Cancelled,
    #[error("Cannot pay for an expired order")]
    Expired,
    #[error("this order has been paid already")]
    AlreadyPaid,
    #[error("a payment of this order is under way")]
    PaymentUnderWay { payment: PaymentId },
    #[error("this is not the payment the order waits for")]
    OtherPayment,
    #[error("the money of this payment goes back")]
    PaymentTurnedAway,
    #[error("a paid order cannot be cancelled, only refunded")]
    PaidCannotBeCancelled,
    #[error("the order expires only at {expires_at}")]
    NotYetExpired { expires_at: Timestamp },
    #[error("this order has not been paid")]
    NotPaid,
    #[error("a refund cannot be more than was paid")]
    RefundTooLarge,
    #[error("another refund of this order is under way")]
    OtherRefund,
}

impl Aggregate for Order {
    const CATEGORY: &'static str = "order";
    type Id = OrderId;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = OrderRejection;

    fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderRejection> {
        match command {
            OrderCommand::Place(terms) => self.place(terms),
            OrderCommand::StartPayment { payment, by, now } => self.start_payment(payment, by, now),
            OrderCommand::FailPayment { payment } => self.fail_payment(payment),
            OrderCommand::Complete { payment } => self.complete(payment),
            OrderCommand::Cancel { by } => self.cancel(by),
            OrderCommand::Expire { now } => self.expire(now),
            OrderCommand::Reinstate { payment } => self.reinstate(payment),
            OrderCommand::TurnAway { payment } => self.turn_away(payment),
            OrderCommand::RequestRefund { refund, amount, reason } => {
                self.request_refund(refund, amount, reason)
            }
            OrderCommand::RecordRefund { refund } => self.record_refund(refund),
        }
    }

    fn evolve(self, event: &OrderEvent) -> Self {
        match event {
            OrderEvent::OrderPlaced(terms) => {
                let (begun, turned_away) = (BTreeSet::new(), BTreeSet::new());
                Self::Placed { terms: terms.clone(), status: Status::Created, begun, turned_away }
            }
            OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment }) => {
                self.with_status(Status::AwaitingPayment { payment: *payment }).with(*payment)
            }
            OrderEvent::OrderPaymentFailed(_) => self.with_status(Status::Created),
            OrderEvent::OrderCompleted(OrderCompleted { payment })
            | OrderEvent::OrderReinstated(OrderReinstated { payment }) => {
                self.with_status(Status::Complete { payment: *payment })
            }
            OrderEvent::OrderCancelled(_) => self.with_status(Status::Cancelled),
            OrderEvent::OrderExpired(_) => self.with_status(Status::Expired),
            OrderEvent::OrderRefundRequested(OrderRefundRequested { payment, refund, .. }) => {
                self.with_status(Status::Refunding { payment: *payment, refund: *refund })
            }
            OrderEvent::OrderPaymentTurnedAway(OrderPaymentTurnedAway { payment }) => {
                self.without(*payment)
            }
            OrderEvent::OrderRefunded(_) => match self.status().cloned() {
                Some(Status::Refunding { payment, refund }) => {
                    self.with_status(Status::Refunded { payment, refund })
                }
                None
                | Some(
                    Status::Created
                    | Status::AwaitingPayment { .. }
                    | Status::Complete { .. }
                    | Status::Cancelled
                    | Status::Expired
                    | Status::Refunded { .. },
                ) => self,
            },
        }
    }
}

// === The rules ===

impl Order {
    fn place(&self, terms: OrderPlaced) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.terms() {
            None => Ok(vec![OrderEvent::OrderPlaced(terms)]),
            Some(placed) if *placed == terms => Ok(Vec::new()),
            Some(_) => Err(OrderRejection::PlacedOtherwise),
        }
    }

    fn start_payment(
        &self,
        payment: PaymentId,
        by: AccountId,
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, OrderRejection> {
        let (terms, status) = self.placed()?;
        if terms.buyer != by {
            return Err(OrderRejection::NotBuyer);
        }
        match status {
            Status::AwaitingPayment { payment: active } if *active == payment => Ok(Vec::new()),
            Status::AwaitingPayment { payment: active } => {
                Err(OrderRejection::PaymentUnderWay { payment: *active })
            }
            Status::Created if self.has_turned_away(payment) => {
                Err(OrderRejection::PaymentTurnedAway)
            }
            Status::Created if now >= terms.expires_at => Err(OrderRejection::Expired),
            Status::Created => {
                Ok(vec![OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment })])
            }
            Status::Cancelled => Err(OrderRejection::Cancelled),
            Status::Expired => Err(OrderRejection::Expired),
            Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. } => {
                Err(OrderRejection::AlreadyPaid)
            }
        }
    }

    /// A payment that is no longer the active one has failed without any effect on the order.
    fn fail_payment(&self, payment: PaymentId) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.placed()?.1 {
            Status::AwaitingPayment { payment: active } if *active == payment => {
                Ok(vec![OrderEvent::OrderPaymentFailed(OrderPaymentFailed { payment })])
            }
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Cancelled
            | Status::Expired
            | Status::Complete { .. }
            | Status::Refunding { .. }
            | Status::Refunded { .. } => Ok(Vec::new()),
        }
    }

    fn complete(&self, payment: PaymentId) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.placed()?.1 {
            Status::AwaitingPayment { payment: active } if *active == payment => {
                Ok(vec![OrderEvent::OrderCompleted(OrderCompleted { payment })])
            }
            Status::Complete { payment: paid }
            | Status::Refunding { payment: paid, .. }
            | Status::Refunded { payment: paid, .. } => {
                if *paid == payment {
                    Ok(Vec::new())
                } else {
                    Err(OrderRejection::AlreadyPaid)
                }
            }
            Status::Created | Status::AwaitingPayment { .. } => Err(OrderRejection::OtherPayment),
            Status::Cancelled => Err(OrderRejection::Cancelled),
            Status::Expired => Err(OrderRejection::Expired),
        }
    }

    fn cancel(&self, by: AccountId) -> Result<Vec<OrderEvent>, OrderRejection> {
        let (terms, status) = self.placed()?;
        if terms.buyer != by {
            return Err(OrderRejection::NotBuyer);
        }
        match status {
            Status::Created => Ok(vec![OrderEvent::OrderCancelled(OrderCancelled { by })]),
            Status::AwaitingPayment { payment } => {
                Err(OrderRejection::PaymentUnderWay { payment: *payment })
            }
            Status::Cancelled | Status::Expired => Ok(Vec::new()),
            Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. } => {
                Err(OrderRejection::PaidCannotBeCancelled)
            }
        }
    }

    /// An order that is no longer open has nothing left to expire.
    fn expire(&self, now: Timestamp) -> Result<Vec<OrderEvent>, OrderRejection> {
        let (terms, status) = self.placed()?;
        match status {
            Status::Created if now < terms.expires_at => {
                Err(OrderRejection::NotYetExpired { expires_at: terms.expires_at })
            }
            Status::Created => Ok(vec![OrderEvent::OrderExpired(OrderExpired {})]),
            Status::AwaitingPayment { payment } => {
                Err(OrderRejection::PaymentUnderWay { payment: *payment })
            }
            Status::Cancelled
            | Status::Expired
            | Status::Complete { .. }
            | Status::Refunding { .. }
            | Status::Refunded { .. } => Ok(Vec::new()),
        }
    }

    /// Money has arrived for an order that no longer waits for it; the units are reserved again.
    fn reinstate(&self, payment: PaymentId) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.placed()?.1 {
            Status::Created | Status::Cancelled | Status::Expired
                if self.has_turned_away(payment) =>
            {
                Err(OrderRejection::PaymentTurnedAway)
            }
            Status::Created | Status::Cancelled | Status::Expired => {
                Ok(vec![OrderEvent::OrderReinstated(OrderReinstated { payment })])
            }
            Status::Complete { payment: paid } if *paid == payment => Ok(Vec::new()),
            Status::AwaitingPayment { payment: active } => {
                Err(OrderRejection::PaymentUnderWay { payment: *active })
            }
            Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. } => {
                Err(OrderRejection::AlreadyPaid)
            }
        }
    }

    /// Refused once this payment pays the order, or while the order waits for it.
    fn turn_away(&self, payment: PaymentId) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.placed()?.1 {
            Status::AwaitingPayment { payment: own } if *own == payment => {
                Err(OrderRejection::PaymentUnderWay { payment })
            }
            Status::Complete { payment: own }
            | Status::Refunding { payment: own, .. }
            | Status::Refunded { payment: own, .. }
                if *own == payment =>
            {
                Err(OrderRejection::AlreadyPaid)
            }
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Complete { .. }
            | Status::Cancelled
            | Status::Expired
            | Status::Refunding { .. }
            | Status::Refunded { .. } => {
                if self.has_turned_away(payment) {
                    return Ok(Vec::new());
                }
                let turned_away = OrderPaymentTurnedAway { payment };
                Ok(vec![OrderEvent::OrderPaymentTurnedAway(turned_away)])
            }
        }
    }

    fn request_refund(
        &self,
        refund: RefundId,
        amount: Money,
        reason: String,
    ) -> Result<Vec<OrderEvent>, OrderRejection> {
        let (terms, status) = self.placed()?;
        match status {
            Status::Complete { payment } => {
                let fits = amount.currency == terms.total.currency
                    && (1..=terms.total.minor).contains(&amount.minor);
                if !fits {
                    return Err(OrderRejection::RefundTooLarge);
                }
                Ok(vec![OrderEvent::OrderRefundRequested(OrderRefundRequested {
                    refund,
                    payment: *payment,
                    amount,
                    reason,
                })])
            }
            Status::Refunding { refund: other, .. } | Status::Refunded { refund: other, .. } => {
                if *other == refund {
                    Ok(Vec::new())
                } else {
                    Err(OrderRejection::OtherRefund)
                }
            }
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Cancelled
            | Status::Expired => Err(OrderRejection::NotPaid),
        }
    }

    fn record_refund(&self, refund: RefundId) -> Result<Vec<OrderEvent>, OrderRejection> {
        match self.placed()?.1 {
            Status::Refunding { refund: asked, .. } if *asked == refund => {
                Ok(vec![OrderEvent::OrderRefunded(OrderRefunded { refund })])
            }
            Status::Refunded { refund: done, .. } if *done == refund => Ok(Vec::new()),
            Status::Refunding { .. } | Status::Refunded { .. } => Err(OrderRejection::OtherRefund),
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Complete { .. }
            | Status::Cancelled
            | Status::Expired => Err(OrderRejection::NotPaid),
        }
    }
}
