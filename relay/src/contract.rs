//! The public contract: what the outside may know of a domain event, in shapes of its own, so that
//! the inside can change without it. Nothing personal, nothing of the payment provider.
//!
//! Every ticket event is public, so its `version` counts up without gaps. Some of an order's are
//! not (how it is being paid is nobody's business), so there `version` only rises. A change that
//! breaks a consumer is a new version of the event beside the old one, never a changed shape.
//!
//! `asyncapi.yaml` and `schemas/` are made from these types by tests, which also see to it that no
//! change of a schema breaks whoever reads by the old one:
//! `UPDATE_SNAPSHOTS=1 cargo test -p relay contract`.

#[cfg(test)]
mod compatible;
#[cfg(test)]
mod description;
mod money;
mod order;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod tests;
mod ticket;

use std::fmt;

use domain::{Aggregate, DomainEvent, Order, Recorded, Revision, Ticket};
use serde::Serialize;
use uuid::Uuid;

pub use money::Amount;
pub use order::OrderFact;
pub use ticket::TicketFact;

/// Which events are public; it counts up whenever that changes, and each message carries it: a
/// stream begun under one choice is not silently continued under another.
pub const FILTER: u32 = 1;

/// The contract in AsyncAPI 3.
pub const ASYNCAPI: &str = include_str!("../asyncapi.yaml");

/// The name of a public event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// `ticket` or `order`.
    pub aggregate: &'static str,
    /// What happened to it, as in `sold`.
    pub event: &'static str,
    /// Of the event's shape.
    pub version: u16,
}

impl Kind {
    const fn ticket(event: &'static str) -> Self {
        Self { aggregate: "ticket", event, version: 1 }
    }

    const fn order(event: &'static str) -> Self {
        Self { aggregate: "order", event, version: 1 }
    }

    /// The CloudEvents type, as in `ticketing.ticket.sold.v1`.
    #[must_use]
    pub fn type_name(self) -> String {
        format!("ticketing.{self}.v{}", self.version)
    }

    /// Names the JSON Schema of the event's body, as its `$id`.
    #[must_use]
    pub fn schema_id(self) -> String {
        format!("urn:ticketing:schema:{self}.v{}", self.version)
    }
}

/// Without the version: `ticket.sold`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.aggregate, self.event)
    }
}

/// A public event; it serialises to the body of its message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PublicEvent {
    #[serde(rename_all = "camelCase")]
    Ticket {
        ticket_id: Uuid,
        /// The ticket's version after the event, from 0.
        version: u64,
        #[serde(flatten)]
        fact: TicketFact,
    },
    #[serde(rename_all = "camelCase")]
    Order {
        order_id: Uuid,
        /// The order's version after the event, from 0; not every version is public.
        version: u64,
        #[serde(flatten)]
        fact: OrderFact,
    },
}

/// The stream of an event names no aggregate of that kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {id} lies in stream {stream}, which names no {category}")]
pub struct MisplacedEvent {
    pub id: Uuid,
    pub stream: String,
    pub category: &'static str,
}

impl PublicEvent {
    /// What the outside may know of a recorded event; none when it is nobody's business.
    ///
    /// # Errors
    /// [`MisplacedEvent`]: somebody wrote to the log past the domain.
    pub fn of(recorded: &Recorded<DomainEvent>) -> Result<Option<Self>, MisplacedEvent> {
        let Revision(version) = recorded.revision;
        Ok(match Fact::of(&recorded.event) {
            Some(Fact::Ticket(fact)) => {
                let ticket_id = id_of(recorded, Ticket::CATEGORY)?;
                Some(Self::Ticket { ticket_id, version, fact })
            }
            Some(Fact::Order(fact)) => {
                let order_id = id_of(recorded, Order::CATEGORY)?;
                Some(Self::Order { order_id, version, fact })
            }
            None => None,
        })
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ticket { fact, .. } => fact.kind(),
            Self::Order { fact, .. } => fact.kind(),
        }
    }

    #[must_use]
    pub fn aggregate_id(&self) -> Uuid {
        match self {
            Self::Ticket { ticket_id, .. } => *ticket_id,
            Self::Order { order_id, .. } => *order_id,
        }
    }
}

/// Whether an event of the domain is published.
#[must_use]
pub fn is_public(event: &DomainEvent) -> bool {
    Fact::of(event).is_some()
}

enum Fact {
    Ticket(TicketFact),
    Order(OrderFact),
}

impl Fact {
    fn of(event: &DomainEvent) -> Option<Self> {
        match event {
            DomainEvent::Ticket(event) => Some(Self::Ticket(TicketFact::of(event))),
            DomainEvent::Order(event) => OrderFact::of(event).map(Self::Order),
            DomainEvent::Account(_)
            | DomainEvent::EmailClaim(_)
            | DomainEvent::Payment(_)
            | DomainEvent::Notice(_) => None,
        }
    }
}

fn id_of(recorded: &Recorded<DomainEvent>, category: &'static str) -> Result<Uuid, MisplacedEvent> {
    let after_category = recorded.stream.strip_prefix(category);
    let id = after_category.and_then(|rest| rest.strip_prefix('-')).and_then(|id| id.parse().ok());
    id.ok_or_else(|| MisplacedEvent { id: recorded.id, stream: recorded.stream.clone(), category })
}
