//! Sees to it that units and orders agree: units reserved for an order that nobody placed get their
//! order, and the units of an order that is gone come free.

use std::time::Duration;

use domain::id::{OrderId, TicketId};
use domain::order::{OrderCommand, OrderEvent, OrderPlaced, Status};
use domain::text::Quantity;
use domain::ticket::{Hold, Listing, ReleaseReason, TicketCommand, TicketEvent};
use domain::{DomainEvent, Order, Recorded, Ticket};
use eventlog::EventLog;
use serde::{Deserialize, Serialize};

use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, decided, later,
};
use crate::tuning::Tuning;

/// Reserving and placing are two appends to two streams, and so are cancelling and releasing: this
/// does the second one after a crash between them.
pub struct OrderPlacement {
    log: EventLog,
    grace: Duration,
}

/// Kept under the order's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Place the order for which units are reserved, unless that was done.
    Place { order: OrderId, ticket: TicketId, origin: Origin },
    /// Free the units of an order that is gone.
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
        DomainEvent::Account(_) | DomainEvent::EmailClaim(_) | DomainEvent::Payment(_) => None,
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
            return Ok(());
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
        let Order::Placed { terms, status, .. } = self.log.load::<Order>(&order).await?.state
        else {
            return Ok(());
        };
        let reason = match status {
            Status::Cancelled => ReleaseReason::Cancelled,
            Status::Expired => ReleaseReason::Expired,
            // Reinstated since: its units are its own again.
            Status::Created
            | Status::AwaitingPayment { .. }
            | Status::Complete { .. }
            | Status::Refunding { .. }
            | Status::Refunded { .. } => return Ok(()),
        };
        let cause = origin.cause(Self::NAME, "release", clock.now());
        let command = TicketCommand::Release { order, reason };
        // Refused only when the units were sold: money came late, and the order is reinstated.
        let _released = decided(self.log.execute::<Ticket>(&terms.ticket, command, &cause).await)?;
        Ok(())
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

#[cfg(test)]
mod tests;
