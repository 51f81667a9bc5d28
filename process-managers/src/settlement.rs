//! Money has been taken: the order gets it, or the buyer gets it back. Never both, never neither.
//!
//! When the order is gone (cancelled, expired, or free again) its units are taken once more and
//! **sold before the order is reinstated**. The other way round a release that is still on its way
//! for the earlier end of the order could free the units of a paid one; of sold units the ticket
//! refuses that for ever.
//!
//! Whether the order gets the money is chosen by the order, in one append: it is reinstated, or it
//! turns the payment away, and the one rules the other out for ever. So when a lease has run out
//! unnoticed and two settle the same payment, having found the units free and gone, one of them is
//! told, and looks at the order anew. The refund begins after the choice. Who dies between the two
//! leaves an order that has turned the payment away, and the next one goes on from there.
//!
//! Of two, one may then have sold units to an order that is over. The process of the orders' units
//! sees to those.

use std::time::Duration;

use domain::id::{OrderId, PaymentId, RefundId};
use domain::order::{OrderCommand, OrderPlaced, Status};
use domain::payment::PaymentInitiated;
use domain::ticket::{TicketCommand, TicketRejection};
use domain::{Cause, Order, Payment, Ticket};
use eventlog::EventLog;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::payment::PaymentProcess;
use crate::process_manager::{Clock, Origin, ProcessManager, TaskError, decided, later};
use crate::repayment::Repayment;

/// How often units that were taken are released again under our hands before we wait a little.
const SELL_ATTEMPTS_MAX: usize = 3;
/// How long to wait at most for what others do with the order.
const ORDER_WAIT_MAX: Duration = Duration::from_secs(5);

/// A captured payment, on its way to its order.
pub(crate) struct Settlement<'a> {
    pub(crate) log: &'a EventLog,
    pub(crate) gateway: &'a dyn Gateway,
    pub(crate) payment: PaymentId,
    /// As it is in the log.
    pub(crate) state: &'a Payment,
    pub(crate) intent: &'a PaymentInitiated,
    /// The provider's name of the payment.
    pub(crate) provider_ref: &'a str,
    pub(crate) origin: &'a Origin,
    pub(crate) clock: Clock,
    /// How long units that are taken again are reserved.
    pub(crate) hold: Duration,
}

/// Whether the order has its units.
enum Units {
    Sold,
    /// Others have them, or the ticket is not sold any more.
    Gone(TicketRejection),
}

impl Settlement<'_> {
    pub(crate) async fn settle(&self) -> Result<(), TaskError> {
        let order = self.log.load::<Order>(&self.intent.order).await?.state;
        let goes_back = self.state.refund(self.refund_id()).is_some();
        if goes_back || order.has_turned_away(self.payment) {
            return self.give_back().await;
        }
        let Order::Placed { terms, status, .. } = order else { return Err(self.no_order()) };
        match status {
            Status::AwaitingPayment { payment } if payment == self.payment => {
                self.complete(&terms).await
            }
            Status::AwaitingPayment { .. } => Err(TaskError::Later {
                reason: "the order waits for another payment",
                within: ORDER_WAIT_MAX,
            }),
            Status::Complete { payment } if payment == self.payment => self.sell_paid(&terms).await,
            Status::Refunding { payment, .. } | Status::Refunded { payment, .. }
                if payment == self.payment =>
            {
                Ok(())
            }
            Status::Complete { .. } | Status::Refunding { .. } | Status::Refunded { .. } => {
                self.turn_away().await
            }
            Status::Created | Status::Cancelled | Status::Expired => {
                match self.take_units(&terms).await? {
                    Units::Sold => self.reinstate().await,
                    Units::Gone(_) => self.turn_away().await,
                }
            }
        }
    }

    async fn complete(&self, terms: &OrderPlaced) -> Result<(), TaskError> {
        self.order(OrderCommand::Complete { payment: self.payment }, "complete").await?;
        self.sell_paid(terms).await
    }

    async fn reinstate(&self) -> Result<(), TaskError> {
        self.order(OrderCommand::Reinstate { payment: self.payment }, "reinstate").await
    }

    /// Sells the units of an order that is paid and has kept them all along.
    async fn sell_paid(&self, terms: &OrderPlaced) -> Result<(), TaskError> {
        match self.take_units(terms).await? {
            Units::Sold => Ok(()),
            Units::Gone(why) => {
                tracing::error!(order.id = %self.order_id(), "a paid order has lost its units");
                Err(TaskError::permanent(why))
            }
        }
    }

    /// Reserves the units unless the order has them, and sells them.
    async fn take_units(&self, terms: &OrderPlaced) -> Result<Units, TaskError> {
        for _ in 0..SELL_ATTEMPTS_MAX {
            let ticket = self.log.load::<Ticket>(&terms.ticket).await?;
            let listing = ticket.state.listing();
            if listing.is_none_or(|listing| !listing.holds.contains_key(&self.order_id())) {
                // Each time anew that the units are found free, so the step names the occasion.
                let revision = ticket.revision.map_or_else(String::new, |it| it.to_string());
                let cause = self.cause(&format!("reserve-again@{revision}"));
                let reserve = TicketCommand::Reserve {
                    order: self.order_id(),
                    buyer: terms.buyer,
                    quantity: terms.quantity,
                    expires_at: later(self.clock.now(), self.hold),
                };
                let reserved = self.log.execute::<Ticket>(&terms.ticket, reserve, &cause).await;
                if let Err(why) = decided(reserved)? {
                    return Ok(Units::Gone(why));
                }
            }
            let cause = self.cause("sell");
            let sell = TicketCommand::Sell { order: self.order_id() };
            let sold = self.log.execute::<Ticket>(&terms.ticket, sell, &cause).await;
            if decided(sold)?.is_ok() {
                return Ok(Units::Sold);
            }
        }
        Err(TaskError::Later { reason: "the units are being released", within: ORDER_WAIT_MAX })
    }

    /// Has the order rule out that this payment ever pays it; only then does the money go back.
    async fn turn_away(&self) -> Result<(), TaskError> {
        let command = OrderCommand::TurnAway { payment: self.payment };
        self.order(command, "turn-away").await?;
        tracing::warn!(
            payment.id = %self.payment, order.id = %self.order_id(),
            "money came for an order that cannot have it; it is given back",
        );
        self.give_back().await
    }

    /// Payments are begun for placed orders only, so the order was there once. Nothing is given
    /// back: an order that is not there cannot rule out that it comes, and is paid, afterwards.
    fn no_order(&self) -> TaskError {
        tracing::error!(
            payment.id = %self.payment, order.id = %self.order_id(),
            "money was taken for an order that is not in the log",
        );
        TaskError::permanent("the order is not in the log")
    }

    /// Has the payment give the money back, all of it. The order has turned it away before.
    async fn give_back(&self) -> Result<(), TaskError> {
        let refund = self.refund_id();
        let repayment = Repayment {
            log: self.log,
            gateway: self.gateway,
            payment: self.payment,
            refund,
            amount: self.intent.amount,
            state: self.state,
            captured: self.intent.amount,
            provider_ref: self.provider_ref,
        };
        repayment.pursue(|step| self.cause(step)).await
    }

    /// A refusal means that the order has changed since it was read: look at it anew.
    async fn order(&self, command: OrderCommand, step: &str) -> Result<(), TaskError> {
        let executed =
            self.log.execute::<Order>(&self.order_id(), command, &self.cause(step)).await;
        match decided(executed)? {
            Ok(_) => Ok(()),
            Err(_) => Err(TaskError::Later {
                reason: "the order has changed meanwhile",
                within: ORDER_WAIT_MAX,
            }),
        }
    }

    fn order_id(&self) -> OrderId {
        self.intent.order
    }

    /// The same for every attempt, so that all of them are one refund.
    fn refund_id(&self) -> RefundId {
        RefundId(Uuid::new_v5(&self.payment.0, b"order-gone"))
    }

    fn cause(&self, step: &str) -> Cause {
        self.origin.cause(PaymentProcess::NAME, step, self.clock.now())
    }
}
