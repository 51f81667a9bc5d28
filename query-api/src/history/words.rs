//! Events in words, without anybody's identity.

use domain::order::OrderEvent;
use domain::ticket::{ReleaseReason, TicketEvent};
use domain::{Event, text::Quantity};

/// An event that a person can read.
pub(crate) trait InWords: Event {
    /// What happened.
    fn what(&self) -> String;

    /// The reason, where the event has one.
    fn why(&self) -> Option<String>;
}

impl InWords for TicketEvent {
    fn what(&self) -> String {
        match self {
            Self::TicketListed(it) => {
                format!("Listed “{}” at {}, {}", it.title, it.price, units(it.quantity))
            }
            Self::TicketEdited(it) => format!("Changed to “{}” at {}", it.title, it.price),
            Self::TicketQuantityChanged(it) => format!("Changed to {} in all", units(it.quantity)),
            Self::TicketWithdrawn(_) => "Withdrawn".to_owned(),
            Self::TicketReserved(it) => {
                let (units, price) = (units(it.quantity), it.unit_price);
                format!("{units} reserved at {price} each, to be paid until {}", it.expires_at)
            }
            Self::TicketReleased(_) => "What an order had reserved is free again".to_owned(),
            Self::TicketSold(_) => "What an order had reserved is sold".to_owned(),
            Self::TicketReturned(it) => format!("{} came back", units(it.quantity)),
        }
    }

    fn why(&self) -> Option<String> {
        match self {
            Self::TicketWithdrawn(it) => Some(it.reason.clone()),
            Self::TicketReleased(it) => Some(match it.reason {
                ReleaseReason::Cancelled => "The order was cancelled".to_owned(),
                ReleaseReason::Expired => "The order was not paid in time".to_owned(),
            }),
            Self::TicketSold(_) => Some("The order is paid".to_owned()),
            Self::TicketReturned(_) => Some("The order was refunded".to_owned()),
            Self::TicketListed(_)
            | Self::TicketEdited(_)
            | Self::TicketQuantityChanged(_)
            | Self::TicketReserved(_) => None,
        }
    }
}

impl InWords for OrderEvent {
    fn what(&self) -> String {
        match self {
            Self::OrderPlaced(it) => {
                let (title, units) = (&it.title, units(it.quantity));
                let (total, until) = (it.total, it.expires_at);
                format!("Placed: {units} of “{title}” for {total}, to be paid until {until}")
            }
            Self::OrderPaymentStarted(_) => "A payment began".to_owned(),
            Self::OrderPaymentFailed(_) => "The payment came to nothing".to_owned(),
            Self::OrderCompleted(_) => "Paid".to_owned(),
            Self::OrderCancelled(_) => "Cancelled".to_owned(),
            Self::OrderExpired(_) => "Expired".to_owned(),
            Self::OrderReinstated(_) => "Back again, and paid".to_owned(),
            Self::OrderPaymentTurnedAway(_) => "A payment goes back".to_owned(),
            Self::OrderRefundRequested(it) => format!("{} is to go back", it.amount),
            Self::OrderRefunded(_) => "The money has gone back".to_owned(),
        }
    }

    fn why(&self) -> Option<String> {
        match self {
            Self::OrderExpired(_) => Some("It was not paid in time".to_owned()),
            Self::OrderReinstated(_) => {
                Some("The money came late, and the units were still to be had".to_owned())
            }
            Self::OrderPaymentTurnedAway(_) => {
                Some("The money came when the order could not have it".to_owned())
            }
            Self::OrderRefundRequested(it) => Some(it.reason.clone()),
            Self::OrderPlaced(_)
            | Self::OrderPaymentStarted(_)
            | Self::OrderPaymentFailed(_)
            | Self::OrderCompleted(_)
            | Self::OrderCancelled(_)
            | Self::OrderRefunded(_) => None,
        }
    }
}

fn units(quantity: Quantity) -> String {
    match quantity.get() {
        1 => "1 unit".to_owned(),
        many => format!("{many} units"),
    }
}
