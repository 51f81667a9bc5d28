//! The read model that both crates fill from their events: a row for each ticket.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ticket::TicketEvent;

/// What a list of tickets shows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TicketRow {
    pub id: Uuid,
    pub title: String,
    pub price_minor: i64,
    pub currency: String,
    pub quantity: u32,
    pub reserved: u32,
}

impl TicketRow {
    pub fn take_in(&mut self, event: &TicketEvent) {
        match event {
            TicketEvent::TicketListed {
                ticket_id, title, price_minor, currency, quantity, ..
            } => {
                *self = Self {
                    id: *ticket_id,
                    title: title.clone(),
                    price_minor: *price_minor,
                    currency: currency.clone(),
                    quantity: *quantity,
                    reserved: 0,
                };
            }
            TicketEvent::TicketEdited { title, price_minor, currency, .. } => {
                self.title.clone_from(title);
                self.price_minor = *price_minor;
                self.currency.clone_from(currency);
            }
            TicketEvent::TicketReserved { quantity, .. } => {
                self.reserved = self.reserved.saturating_add(*quantity);
            }
        }
    }
}
