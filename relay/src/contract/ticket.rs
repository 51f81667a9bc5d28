//! What the outside learns of a ticket.

use domain::Timestamp;
use domain::ticket::{ReleaseReason, TicketEvent};
use serde::Serialize;
use uuid::Uuid;

use crate::contract::{Amount, Kind};

/// The `ticket.*` events. A withdrawal's reason is the seller's own words, so it stays inside.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum TicketFact {
    /// A person offers a ticket for sale.
    Listed {
        seller_id: Uuid,
        #[cfg_attr(test, schemars(length(max = 200)))]
        title: String,
        price: Amount,
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        quantity: u32,
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        max_per_order: u32,
    },
    /// Its title or price changes; what is reserved keeps its price.
    Edited {
        #[cfg_attr(test, schemars(length(max = 200)))]
        title: String,
        price: Amount,
    },
    /// There are more or fewer units of it.
    QuantityChanged {
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        quantity: u32,
    },
    /// It is sold no more; what is reserved may still be paid.
    Withdrawn {},
    /// Units are held for an order until `expiresAt`.
    Reserved {
        order_id: Uuid,
        buyer_id: Uuid,
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        quantity: u32,
        unit_price: Amount,
        expires_at: Timestamp,
    },
    /// Units that were held are free again.
    Released { order_id: Uuid, reason: Ended },
    /// The units held for the order are paid.
    Sold { order_id: Uuid },
    /// Units that were sold are free again, as the order was refunded.
    Returned {
        order_id: Uuid,
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        quantity: u32,
        refund_id: Uuid,
    },
}

/// Why a reservation ended without a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Cancelled,
    Expired,
}

impl TicketFact {
    pub(super) fn of(event: &TicketEvent) -> Self {
        match event {
            TicketEvent::TicketListed(listed) => Self::Listed {
                seller_id: listed.seller.0,
                title: listed.title.as_str().to_owned(),
                price: listed.price.into(),
                quantity: listed.quantity.get(),
                max_per_order: listed.max_per_order.get(),
            },
            TicketEvent::TicketEdited(edited) => {
                Self::Edited { title: edited.title.as_str().to_owned(), price: edited.price.into() }
            }
            TicketEvent::TicketQuantityChanged(changed) => {
                Self::QuantityChanged { quantity: changed.quantity.get() }
            }
            TicketEvent::TicketWithdrawn(_) => Self::Withdrawn {},
            TicketEvent::TicketReserved(reserved) => Self::Reserved {
                order_id: reserved.order.0,
                buyer_id: reserved.buyer.0,
                quantity: reserved.quantity.get(),
                unit_price: reserved.unit_price.into(),
                expires_at: reserved.expires_at,
            },
            TicketEvent::TicketReleased(released) => {
                Self::Released { order_id: released.order.0, reason: released.reason.into() }
            }
            TicketEvent::TicketSold(sold) => Self::Sold { order_id: sold.order.0 },
            TicketEvent::TicketReturned(returned) => Self::Returned {
                order_id: returned.order.0,
                quantity: returned.quantity.get(),
                refund_id: returned.refund.0,
            },
        }
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::ticket(match self {
            Self::Listed { .. } => "listed",
            Self::Edited { .. } => "edited",
            Self::QuantityChanged { .. } => "quantity-changed",
            Self::Withdrawn {} => "withdrawn",
            Self::Reserved { .. } => "reserved",
            Self::Released { .. } => "released",
            Self::Sold { .. } => "sold",
            Self::Returned { .. } => "returned",
        })
    }
}

impl From<ReleaseReason> for Ended {
    fn from(reason: ReleaseReason) -> Self {
        match reason {
            ReleaseReason::Cancelled => Self::Cancelled,
            ReleaseReason::Expired => Self::Expired,
        }
    }
}
