//! Sees to it that units and orders agree: units reserved for an order that nobody placed get their
//! order, and the units of an order that is over come free.
//!
//! Late money takes the units of such an order once more, and sells them, before it brings the
//! order back. If it may not, because another worker has turned it away meanwhile, the units are
//! left sold to nobody. So whenever units are reserved for an order that is over, and stay so, this
//! looks whether any payment may still bring the order back; if none may, they are taken back.

use std::time::Duration;

use domain::id::{OrderId, RefundId, TicketId};
use domain::order::{OrderCommand, OrderEvent, OrderPlaced, Status};
use domain::payment::Outcome;
use domain::text::Quantity;
use domain::ticket::{Hold, Listing, ReleaseReason, TicketCommand, TicketEvent, TicketRejection};
use domain::{DomainEvent, Order, Payment, Recorded, Ticket};
use eventlog::EventLog;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, decided, later,
};
use crate::tuning::Tuning;

/// How long to wait at most for a payment on its way to an order that is over.
const PAYMENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Reserving and placing are two appends to two streams, and so are cancelling and releasing: this
/// does the second one after a crash between them.
pub struct OrderPlacement {
    log: EventLog,
    grace: Duration,
}

/// Kept under the order's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Place the order for which units are reserved, unless that was done; if it is over, free them.
    Place { order: OrderId, ticket: TicketId, origin: Origin },
    /// Free the units of an order that is over.
    Release { order: OrderId, origin: Origin },
}

impl OrderPlacement {
    #[must_use]
    pub fn new(log: EventLog, tuning: &Tuning) -> Self {
        Self { log, grace: tuning.placement_grace }
    }
}

impl ProcessManager for OrderPlacement {
    const NAME: &'static str = "order-placement";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        change(recorded, self.grace).into_iter().collect()
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        match task {
            Task::Place { order, ticket, origin } => {
                self.place(order, ticket, &origin, clock).await
            }
            Task::Release { order, origin } => self.release(order, &origin, clock).await,
        }
    }
}

// === Reactions ===

fn change(recorded: &Recorded<DomainEvent>, grace: Duration) -> Option<Change<Task>> {
    match &recorded.event {
        DomainEvent::Ticket(event) => on_ticket(event, recorded, grace),
        DomainEvent::Order(event) => on_order(event, recorded),
        DomainEvent::Account(_)
        | DomainEvent::EmailClaim(_)
        | DomainEvent::Payment(_)
        | DomainEvent::Notice(_) => None,
    }
}

fn on_ticket(
    event: &TicketEvent,
    recorded: &Recorded<DomainEvent>,
    grace: Duration,
) -> Option<Change<Task>> {
    match event {
        TicketEvent::TicketReserved(reserved) => {
            let ticket = TicketId(aggregate_id(recorded)?);
            let order = reserved.order;
            let task = Task::Place { order, ticket, origin: Origin::of(recorded) };
            let due = later(recorded.metadata.occurred_at, grace);
            Some(Change::Add { key: order.0, due, task })
        }
        TicketEvent::TicketReleased(released) => Some(Change::Strike { key: released.order.0 }),
        TicketEvent::TicketListed(_)
        | TicketEvent::TicketEdited(_)
        | TicketEvent::TicketQuantityChanged(_)
        | TicketEvent::TicketWithdrawn(_)
        | TicketEvent::TicketSold(_)
        | TicketEvent::TicketReturned(_) => None,
    }
}

fn on_order(event: &OrderEvent, recorded: &Recorded<DomainEvent>) -> Option<Change<Task>> {
    let key = aggregate_id(recorded)?;
    match event {
        OrderEvent::OrderPlaced(_) | OrderEvent::OrderReinstated(_) => Some(Change::Strike { key }),
        OrderEvent::OrderCancelled(_) | OrderEvent::OrderExpired(_) => {
            let task = Task::Release { order: OrderId(key), origin: Origin::of(recorded) };
            Some(Change::Add { key, due: recorded.at, task })
        }
        OrderEvent::OrderPaymentStarted(_)
        | OrderEvent::OrderPaymentFailed(_)
        | OrderEvent::OrderCompleted(_)
        | OrderEvent::OrderPaymentTurnedAway(_)
        | OrderEvent::OrderRefundRequested(_)
        | OrderEvent::OrderRefunded(_) => None,
    }
}

// === Tasks ===

impl OrderPlacement {
    async fn place(
        &self,
        order: OrderId,
        ticket: TicketId,
        origin: &Origin,
        clock: Clock,
    ) -> Result<(), TaskError> {
        if self.log.load::<Order>(&order).await?.state.terms().is_some() {
            return self.release(order, origin, clock).await;
        }
        let loaded = self.log.load::<Ticket>(&ticket).await?;
        let listing = loaded.state.listing();
        let Some((listing, hold)) =
            listing.and_then(|listing| Some((listing, listing.holds.get(&order)?)))
        else {
            return Ok(());
        };
        let terms = terms(ticket, listing, hold)?;
        let cause = origin.cause(Self::NAME, "place", clock.now());
        // Refused only because the request has placed it after all, on its own terms.
        let _placed =
            decided(self.log.execute::<Order>(&order, OrderCommand::Place(terms), &cause).await)?;
        Ok(())
    }

    async fn release(
        &self,
        order: OrderId,
        origin: &Origin,
        clock: Clock,
    ) -> Result<(), TaskError> {
        let state = self.log.load::<Order>(&order).await?.state;
        let Some((terms, status)) = state.terms().zip(state.status()) else { return Ok(()) };
        let reason = match status {
            Status::Cancelled => ReleaseReason::Cancelled,
            Status::Expired => ReleaseReason::Expired,
            // Not over, or reinstated since: its units are its own.
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Complete { .. }
            | Status::Refunding { .. }
            | Status::Refunded { .. } => return Ok(()),
        };
        let cause = origin.cause(Self::NAME, "release", clock.now());
        let command = TicketCommand::Release { order, reason };
        let released = self.log.execute::<Ticket>(&terms.ticket, command, &cause).await;
        match decided(released)? {
            Err(TicketRejection::AlreadySold) => {
                self.take_back(order, &state, terms, origin, clock).await
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Units sold to an order that is over: money came late. Either it brings the order back, or
    /// nothing may do so any more, and the units are taken back.
    async fn take_back(
        &self,
        order: OrderId,
        state: &Order,
        terms: &OrderPlaced,
        origin: &Origin,
        clock: Clock,
    ) -> Result<(), TaskError> {
        for payment in state.not_turned_away() {
            match self.log.load::<Payment>(&payment).await?.state.outcome() {
                None | Some(Outcome::Failed { .. } | Outcome::Voided) => {}
                // Its own process brings the order back, or turns it away.
                Some(
                    Outcome::Undecided | Outcome::ActionRequired { .. } | Outcome::Captured { .. },
                ) => return Err(PAYMENT_SETTLED_FIRST),
            }
            // It came to nothing. Should its money come after all, it comes too late.
            let cause = origin.cause(Self::NAME, &format!("turn-away/{payment}"), clock.now());
            let command = OrderCommand::TurnAway { payment };
            let turned_away = self.log.execute::<Order>(&order, command, &cause).await;
            if decided(turned_away)?.is_err() {
                return Err(PAYMENT_SETTLED_FIRST);
            }
        }
        let cause = origin.cause(Self::NAME, "take-back", clock.now());
        // The same for every attempt, so that they come back once.
        let refund = RefundId(Uuid::new_v5(&order.0, b"order-over"));
        let command = TicketCommand::Return { order, quantity: terms.quantity, refund };
        let returned = decided(self.log.execute::<Ticket>(&terms.ticket, command, &cause).await)?;
        returned.map(|_| ()).map_err(TaskError::permanent)
    }
}

fn terms(ticket: TicketId, listing: &Listing, hold: &Hold) -> Result<OrderPlaced, TaskError> {
    let total = hold.unit_price.times(hold.units);
    Ok(OrderPlaced {
        buyer: hold.buyer,
        ticket,
        title: listing.title.clone(),
        quantity: Quantity::new(hold.units).map_err(TaskError::permanent)?,
        unit_price: hold.unit_price,
        total: total.ok_or_else(|| TaskError::permanent("the total is too large"))?,
        expires_at: hold.expires_at,
    })
}

const PAYMENT_SETTLED_FIRST: TaskError = TaskError::Later {
    reason: "a payment of the order is being settled",
    within: PAYMENT_WAIT_MAX,
};

#[cfg(test)]
mod tests;
