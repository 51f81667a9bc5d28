//! Disputes in answers.

use async_graphql::{ID, SimpleObject};
use domain::Timestamp;

use super::money::Money;
use crate::read_model::{Dispute, DisputeStatus};

/// What a buyer of one's ticket contests at the bank.
#[derive(SimpleObject)]
#[graphql(name = "Dispute")]
pub(crate) struct DisputeNode {
    /// The payment provider's name of it.
    id: ID,
    order_id: ID,
    ticket_id: ID,
    amount: Money,
    /// The provider's word for why.
    reason: Option<String>,
    status: DisputeStatus,
    opened_at: Timestamp,
    /// When the bank had decided.
    decided_at: Option<Timestamp>,
}

impl From<Dispute> for DisputeNode {
    fn from(dispute: Dispute) -> Self {
        Self {
            id: dispute.id.into(),
            order_id: dispute.order.into(),
            ticket_id: dispute.ticket.into(),
            amount: dispute.amount.into(),
            reason: dispute.reason,
            status: dispute.status,
            opened_at: dispute.opened_at,
            decided_at: dispute.decided_at,
        }
    }
}
