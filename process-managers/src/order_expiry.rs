//! Ends orders whose time is over without a payment.
//!
//! While a payment is undecided the order waits: the payment's own process calls the payment off at
//! the provider once the order's time is over, so that it is either captured, and the order is
//! paid, or voided for good, and the order expires. Never both.

use std::time::Duration;

use domain::id::OrderId;
use domain::order::{OrderCommand, OrderEvent, OrderRejection, Status};
use domain::{DomainEvent, Order, Recorded};
use eventlog::EventLog;
use mutants::Mutant;
use serde::{Deserialize, Serialize};

use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, decided,
};

/// How long to wait at most for a payment that is being called off.
const PAYMENT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Ends orders at their time.
pub struct OrderExpiry {
    log: EventLog,
}

/// Kept under the order's id until the order is paid or gone: expire it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    order: OrderId,
    origin: Origin,
}

impl OrderExpiry {
    #[must_use]
    pub fn new(log: EventLog) -> Self {
        Self { log }
    }
}

impl ProcessManager for OrderExpiry {
    const NAME: &'static str = "order-expiry";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        change(recorded).into_iter().collect()
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        let Task { order, origin } = task;
        match self.log.load::<Order>(&order).await?.state.status() {
            Some(Status::Created) => {}
            Some(&Status::AwaitingPayment { payment }) if Mutant::ExpireUndecided.is_made() => {
                let cause = origin.cause(Self::NAME, "ignore-payment", clock.now());
                let command = OrderCommand::FailPayment { payment };
                let _freed = decided(self.log.execute::<Order>(&order, command, &cause).await)?;
            }
            Some(Status::AwaitingPayment { .. }) => return Err(PAYMENT_UNDECIDED),
            None
            | Some(
                Status::Complete { .. }
                | Status::Cancelled
                | Status::Expired
                | Status::Refunding { .. }
                | Status::Refunded { .. },
            ) => return Ok(()),
        }
        let now = clock.now();
        let cause = origin.cause(Self::NAME, "expire", now);
        let command = OrderCommand::Expire { now };
        match decided(self.log.execute::<Order>(&order, command, &cause).await)? {
            Err(OrderRejection::NotYetExpired { expires_at }) => Err(TaskError::Later {
                reason: "the time is not over",
                within: clock.until(expires_at),
            }),
            Err(OrderRejection::PaymentUnderWay { .. }) => Err(PAYMENT_UNDECIDED),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn change(recorded: &Recorded<DomainEvent>) -> Option<Change<Task>> {
    let DomainEvent::Order(event) = &recorded.event else { return None };
    let key = aggregate_id(recorded)?;
    match event {
        OrderEvent::OrderPlaced(terms) => {
            let task = Task { order: OrderId(key), origin: Origin::of(recorded) };
            Some(Change::Add { key, due: terms.expires_at, task })
        }
        OrderEvent::OrderCompleted(_)
        | OrderEvent::OrderCancelled(_)
        | OrderEvent::OrderExpired(_)
        | OrderEvent::OrderReinstated(_) => Some(Change::Strike { key }),
        OrderEvent::OrderPaymentStarted(_)
        | OrderEvent::OrderPaymentFailed(_)
        | OrderEvent::OrderPaymentTurnedAway(_)
        | OrderEvent::OrderRefundRequested(_)
        | OrderEvent::OrderRefunded(_) => None,
    }
}

const PAYMENT_UNDECIDED: TaskError =
    TaskError::Later { reason: "a payment is undecided", within: PAYMENT_WAIT_MAX };

#[cfg(test)]
mod tests;
