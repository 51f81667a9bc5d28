//! Things as they once were, by folding the log up to there.

use std::str::FromStr;

use domain::id::{OrderId, TicketId};
use domain::order::Status;
use domain::{Order as OrderAggregate, Position, Recorded, Ticket as TicketAggregate, Timestamp};
use eventlog::{Loaded, LogError};

use super::Past;
use crate::page::Cursor;
use crate::read_model::{Order, OrderStatus, Ticket};

/// A moment, or a place in the log. What happened just then belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsOf {
    Time(Timestamp),
    Position(Position),
}

/// The text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2026-01-31T12:00:00Z, or a position such as 1024-1024")]
pub(crate) struct InvalidAsOf;

impl FromStr for AsOf {
    type Err = InvalidAsOf;

    fn from_str(text: &str) -> Result<Self, InvalidAsOf> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        text.parse().map(Self::Time).map_err(|_| InvalidAsOf)
    }
}

impl AsOf {
    fn has<E>(self, recorded: &Recorded<E>) -> bool {
        match self {
            Self::Time(time) => recorded.metadata.occurred_at <= time,
            Self::Position(position) => recorded.position <= position,
        }
    }
}

/// Of the first event.
#[derive(Clone, Copy)]
struct Beginning {
    at: Timestamp,
    position: Position,
}

impl Past {
    /// None: there was no such ticket then.
    pub(crate) async fn ticket_at(
        &self,
        id: TicketId,
        as_of: AsOf,
    ) -> Result<Option<Ticket>, LogError> {
        let log = self.log.clone();
        let fold = async move {
            let mut began = None;
            let belongs = |recorded: &Recorded<_>| note(&mut began, recorded, as_of);
            let then = log.state_while::<TicketAggregate>(&id, belongs).await?;
            Ok(began.and_then(|began| ticket(id, &then, began)))
        };
        self.in_time(fold).await
    }

    /// None: there was no such order then.
    pub(crate) async fn order_at(
        &self,
        id: OrderId,
        as_of: AsOf,
    ) -> Result<Option<Order>, LogError> {
        let log = self.log.clone();
        let fold = async move {
            let mut began = None;
            let belongs = |recorded: &Recorded<_>| note(&mut began, recorded, as_of);
            let then = log.state_while::<OrderAggregate>(&id, belongs).await?;
            Ok(began.and_then(|began| order(id, &then, began)))
        };
        self.in_time(fold).await
    }
}

fn note<E>(began: &mut Option<Beginning>, recorded: &Recorded<E>, as_of: AsOf) -> bool {
    let belongs = as_of.has(recorded);
    if belongs {
        let beginning =
            Beginning { at: recorded.metadata.occurred_at, position: recorded.position };
        began.get_or_insert(beginning);
    }
    belongs
}

fn ticket(id: TicketId, then: &Loaded<TicketAggregate>, began: Beginning) -> Option<Ticket> {
    let listing = then.state.listing()?;
    let units = |sold: bool| -> u32 {
        let holds = listing.holds.values().filter(|hold| hold.sold == sold);
        holds.map(|hold| hold.units).sum()
    };
    let withdrawn = match &then.state {
        TicketAggregate::Withdrawn(_) => true,
        TicketAggregate::Unlisted | TicketAggregate::OnSale(_) => false,
    };
    Some(Ticket {
        id,
        seller: listing.seller,
        title: listing.title.to_string(),
        price: listing.price,
        quantity: listing.quantity.get(),
        reserved: units(false),
        sold: units(true),
        available: then.state.available(),
        max_per_order: listing.max_per_order.get(),
        withdrawn,
        order_id: listing.sole_order(),
        version: then.revision?.0,
        listed_at: began.at,
        listed: cursor(began.position)?,
        changed: cursor(then.position?)?,
    })
}

fn order(id: OrderId, then: &Loaded<OrderAggregate>, began: Beginning) -> Option<Order> {
    let (terms, status) = (then.state.terms()?, then.state.status()?);
    let payment = match status {
        Status::AwaitingPayment { payment }
        | Status::Complete { payment }
        | Status::Refunding { payment, .. }
        | Status::Refunded { payment, .. } => Some(*payment),
        Status::Created | Status::Cancelled | Status::Expired => None,
    };
    Some(Order {
        id,
        ticket: terms.ticket,
        buyer: terms.buyer,
        title: terms.title.to_string(),
        quantity: terms.quantity.get(),
        unit_price: terms.unit_price,
        total: terms.total,
        status: OrderStatus::from(status),
        payment,
        expires_at: terms.expires_at,
        version: then.revision?.0,
        placed_at: began.at,
        placed: cursor(began.position)?,
        changed: cursor(then.position?)?,
    })
}

fn cursor(position: Position) -> Option<Cursor> {
    position.try_into().ok()
}
