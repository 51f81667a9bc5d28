//! What the outside learns of an order.

use domain::Timestamp;
use domain::order::OrderEvent;
use serde::Serialize;
use uuid::Uuid;

use crate::contract::{Amount, Kind};

/// The `order.*` events. Attempts to pay stay inside, and so does the reason for a refund, which
/// somebody typed in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum OrderFact {
    /// A person holds units of a ticket for a limited time.
    Placed {
        buyer_id: Uuid,
        ticket_id: Uuid,
        #[cfg_attr(test, schemars(length(max = 200)))]
        title: String,
        #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
        quantity: u32,
        unit_price: Amount,
        total: Amount,
        expires_at: Timestamp,
    },
    /// It is paid.
    Completed { payment_id: Uuid },
    /// The buyer cancels it.
    Cancelled {},
    /// Its time is over.
    Expired {},
    /// Cancelled or expired, but its money came and its units were still there. Paid after all.
    Reinstated { payment_id: Uuid },
    /// It is to be refunded.
    RefundRequested { refund_id: Uuid, payment_id: Uuid, amount: Amount },
    /// The money is on its way back.
    Refunded { refund_id: Uuid },
}

impl OrderFact {
    pub(super) fn of(event: &OrderEvent) -> Option<Self> {
        Some(match event {
            OrderEvent::OrderPlaced(placed) => Self::Placed {
                buyer_id: placed.buyer.0,
                ticket_id: placed.ticket.0,
                title: placed.title.as_str().to_owned(),
                quantity: placed.quantity.get(),
                unit_price: placed.unit_price.into(),
                total: placed.total.into(),
                expires_at: placed.expires_at,
            },
            OrderEvent::OrderCompleted(completed) => {
                Self::Completed { payment_id: completed.payment.0 }
            }
            OrderEvent::OrderCancelled(_) => Self::Cancelled {},
            OrderEvent::OrderExpired(_) => Self::Expired {},
            OrderEvent::OrderReinstated(reinstated) => {
                Self::Reinstated { payment_id: reinstated.payment.0 }
            }
            OrderEvent::OrderRefundRequested(requested) => Self::RefundRequested {
                refund_id: requested.refund.0,
                payment_id: requested.payment.0,
                amount: requested.amount.into(),
            },
            OrderEvent::OrderRefunded(refunded) => Self::Refunded { refund_id: refunded.refund.0 },
            OrderEvent::OrderPaymentStarted(_)
            | OrderEvent::OrderPaymentFailed(_)
            | OrderEvent::OrderPaymentTurnedAway(_) => return None,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::order(match self {
            Self::Placed { .. } => "placed",
            Self::Completed { .. } => "completed",
            Self::Cancelled {} => "cancelled",
            Self::Expired {} => "expired",
            Self::Reinstated { .. } => "reinstated",
            Self::RefundRequested { .. } => "refund-requested",
            Self::Refunded { .. } => "refunded",
        })
    }
}
