//! Gives the money of a paid order back when the seller asks for it.
//!
//! The money goes first: then, and only then, the units come free and the order says that it is
//! refunded. A bank that will not take the money back leaves `RefundFailed` in the log and the order
//! refunding; the task is tried again, and parked for a person when it fails for good.

use std::time::Duration;

use domain::id::{OrderId, PaymentId, RefundId};
use domain::money::Money;
use domain::order::{OrderCommand, OrderEvent, OrderPlaced, Status};
use domain::payment::{Outcome, PaymentEvent};
use domain::ticket::{TicketCommand, TicketRejection};
use domain::{Actor, Cause, DomainEvent, Order, Payment, Recorded, Ticket};
use eventlog::EventLog;
use serde::{Deserialize, Serialize};

use crate::Dependencies;
use crate::gateway::Gateways;
use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, decided,
};
use crate::repayment::Repayment;

/// How long to wait at most for what others do with the order's units.
const UNITS_WAIT_MAX: Duration = Duration::from_secs(5);

/// Takes refunds to their end.
pub struct RefundProcess {
    log: EventLog,
    gateways: Gateways,
}

/// Kept under the refund's id: give this back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub order: OrderId,
    pub payment: PaymentId,
    pub refund: RefundId,
    pub amount: Money,
    pub origin: Origin,
}

impl RefundProcess {
    #[must_use]
    pub fn new(deps: &Dependencies) -> Self {
        Self { log: deps.log.clone(), gateways: Gateways::new(deps) }
    }
}

impl ProcessManager for RefundProcess {
    const NAME: &'static str = "refund";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        change(recorded).into_iter().collect()
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        let state = self.log.load::<Order>(&task.order).await?.state;
        let asked = Status::Refunding { payment: task.payment, refund: task.refund };
        let Some(terms) = state.terms().filter(|_| state.status() == Some(&asked)) else {
            // Refunded by now.
            return Ok(());
        };
        let cause = |step: &str| task.origin.cause(Self::NAME, step, clock.now());
        self.give_back(&task, cause).await?;
        // A part of the money given back leaves the buyer with the units.
        if task.amount == terms.total {
            self.return_units(&task, terms, cause).await?;
        }
        let command = OrderCommand::RecordRefund { refund: task.refund };
        let executed =
            self.log.execute::<Order>(&task.order, command, &cause("record-refund")).await;
        decided(executed)?.map(|_| ()).map_err(TaskError::permanent)
    }
}

fn change(recorded: &Recorded<DomainEvent>) -> Option<Change<Task>> {
    let event = match &recorded.event {
        DomainEvent::Order(event) => event,
        // Where a person says that the money has gone back, whoever waits for it goes on.
        DomainEvent::Payment(PaymentEvent::RefundSucceeded(done))
            if matches!(recorded.metadata.actor, Actor::Person(_)) =>
        {
            return Some(Change::Hasten { key: done.refund.0 });
        }
        DomainEvent::Payment(_)
        | DomainEvent::Ticket(_)
        | DomainEvent::Account(_)
        | DomainEvent::EmailClaim(_)
        | DomainEvent::Notice(_) => return None,
    };
    match event {
        OrderEvent::OrderRefundRequested(asked) => {
            let task = Task {
                order: OrderId(aggregate_id(recorded)?),
                payment: asked.payment,
                refund: asked.refund,
                amount: asked.amount,
                origin: Origin::of(recorded),
            };
            Some(Change::Add { key: asked.refund.0, due: recorded.at, task })
        }
        OrderEvent::OrderRefunded(refunded) => Some(Change::Strike { key: refunded.refund.0 }),
        OrderEvent::OrderPlaced(_)
        | OrderEvent::OrderPaymentStarted(_)
        | OrderEvent::OrderPaymentFailed(_)
        | OrderEvent::OrderCompleted(_)
        | OrderEvent::OrderCancelled(_)
        | OrderEvent::OrderExpired(_)
        | OrderEvent::OrderReinstated(_)
        | OrderEvent::OrderPaymentTurnedAway(_) => None,
    }
}

impl RefundProcess {
    async fn give_back(&self, task: &Task, cause: impl Fn(&str) -> Cause) -> Result<(), TaskError> {
        let state = self.log.load::<Payment>(&task.payment).await?.state;
        let Payment::Initiated { intent, outcome, .. } = &state else {
            return Err(TaskError::permanent("the payment is not in the log"));
        };
        let Outcome::Captured { provider_ref } = outcome else {
            return Err(TaskError::permanent("the order is paid by a payment that took no money"));
        };
        let repayment = Repayment {
            log: &self.log,
            gateway: self.gateways.of(&intent.source),
            payment: task.payment,
            state: &state,
            refund: task.refund,
            amount: task.amount,
            captured: intent.amount,
            provider_ref,
        };
        repayment.pursue(cause).await
    }

    async fn return_units(
        &self,
        task: &Task,
        terms: &OrderPlaced,
        cause: impl Fn(&str) -> Cause,
    ) -> Result<(), TaskError> {
        let Task { order, refund, .. } = *task;
        let ask = async |command, step| {
            let cause = cause(step);
            decided(self.log.execute::<Ticket>(&terms.ticket, command, &cause).await)
        };
        // An order may be refunded before its units were marked as sold; only sold ones return.
        let sold = ask(TicketCommand::Sell { order }, "sell").await?;
        let quantity = terms.quantity;
        let returned = ask(TicketCommand::Return { order, quantity, refund }, "return").await?;
        match (sold, returned) {
            (_, Ok(_)) => Ok(()),
            // There is nothing left to return, and the money has gone back.
            (_, Err(TicketRejection::NotReserved | TicketRejection::NotFound)) => {
                tracing::error!(order.id = %order, "a refunded order had lost its units");
                Ok(())
            }
            (_, Err(TicketRejection::NotSold)) => Err(TaskError::Later {
                reason: "the units are not sold yet",
                within: UNITS_WAIT_MAX,
            }),
            (_, Err(refused)) => Err(TaskError::permanent(refused)),
        }
    }
}

#[cfg(test)]
mod tests;
