//! The rules of a ticket as far as the load needs them: list, edit, reserve. Both crates decide by
//! this one function, so what differs is only how they load and append.

use std::collections::HashMap;

use disintegrate::{Event, StateMutate, StateQuery};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Event)]
pub enum TicketEvent {
    TicketListed {
        #[id]
        ticket_id: Uuid,
        seller: Uuid,
        title: String,
        price_minor: i64,
        currency: String,
        quantity: u32,
        max_per_order: u32,
    },
    TicketEdited {
        #[id]
        ticket_id: Uuid,
        title: String,
        price_minor: i64,
        currency: String,
    },
    TicketReserved {
        #[id]
        ticket_id: Uuid,
        order: Uuid,
        buyer: Uuid,
        quantity: u32,
        unit_price_minor: i64,
        currency: String,
        expires_at: i64,
    },
}

/// The state of one ticket; with nothing listed yet, only its name.
#[derive(Clone, Debug, Default, Serialize, Deserialize, StateQuery)]
#[state_query(TicketEvent)]
pub struct Ticket {
    #[id]
    pub ticket_id: Uuid,
    listing: Option<Listing>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listing {
    seller: Uuid,
    title: String,
    price_minor: i64,
    currency: String,
    quantity: u32,
    max_per_order: u32,
    /// Units by order.
    holds: HashMap<Uuid, u32>,
    held: u32,
}

#[derive(Clone, Debug)]
pub enum TicketCommand {
    List {
        seller: Uuid,
        title: String,
        price_minor: i64,
        currency: String,
        quantity: u32,
        max_per_order: u32,
    },
    Edit {
        by: Uuid,
        title: String,
        price_minor: i64,
        currency: String,
    },
    Reserve {
        order: Uuid,
        buyer: Uuid,
        quantity: u32,
        expires_at: i64,
    },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketRejection {
    #[error("Ticket not found")]
    NotFound,
    #[error("this ticket is listed already")]
    AlreadyListed,
    #[error("only the seller may change a ticket")]
    NotSeller,
    #[error("Price must be greater than 0")]
    PriceNotPositive,
    #[error("Cannot edit a reserved ticket")]
    ReservedCannotBeEdited,
    #[error("the currency of a ticket that has been reserved stays as it is")]
    CurrencyIsFixed,
    #[error("Ticket is already reserved.")]
    NotEnoughLeft,
    #[error("too many units for one order")]
    TooManyForOneOrder,
    #[error("this order has another number of units reserved")]
    ReservedOtherwise,
}

impl Ticket {
    pub fn named(ticket_id: Uuid) -> Self {
        Self { ticket_id, listing: None }
    }

    pub fn decide(
        &self,
        ticket_id: Uuid,
        command: TicketCommand,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        match command {
            TicketCommand::List {
                seller,
                title,
                price_minor,
                currency,
                quantity,
                max_per_order,
            } => {
                if self.listing.is_some() {
                    return Err(TicketRejection::AlreadyListed);
                }
                price_is_positive(price_minor)?;
                Ok(vec![TicketEvent::TicketListed {
                    ticket_id,
                    seller,
                    title,
                    price_minor,
                    currency,
                    quantity,
                    max_per_order,
                }])
            }
            TicketCommand::Edit { by, title, price_minor, currency } => {
                let listing = self.listing.as_ref().ok_or(TicketRejection::NotFound)?;
                if listing.seller != by {
                    return Err(TicketRejection::NotSeller);
                }
                price_is_positive(price_minor)?;
                if listing.quantity == 1 && listing.held > 0 {
                    return Err(TicketRejection::ReservedCannotBeEdited);
                }
                if listing.held > 0 && listing.currency != currency {
                    return Err(TicketRejection::CurrencyIsFixed);
                }
                if listing.title == title && listing.price_minor == price_minor {
                    return Ok(Vec::new());
                }
                Ok(vec![TicketEvent::TicketEdited { ticket_id, title, price_minor, currency }])
            }
            TicketCommand::Reserve { order, buyer, quantity, expires_at } => {
                let listing = self.listing.as_ref().ok_or(TicketRejection::NotFound)?;
                listing.reserve(ticket_id, order, buyer, quantity, expires_at)
            }
        }
    }

    pub fn take_in(&mut self, event: TicketEvent) {
        match event {
            TicketEvent::TicketListed {
                ticket_id,
                seller,
                title,
                price_minor,
                currency,
                quantity,
                max_per_order,
            } => {
                self.ticket_id = ticket_id;
                let (holds, held) = (HashMap::new(), 0);
                self.listing = Some(Listing {
                    seller,
                    title,
                    price_minor,
                    currency,
                    quantity,
                    max_per_order,
                    holds,
                    held,
                });
            }
            TicketEvent::TicketEdited { title, price_minor, currency, .. } => {
                if let Some(listing) = &mut self.listing {
                    (listing.title, listing.price_minor) = (title, price_minor);
                    listing.currency = currency;
                }
            }
            TicketEvent::TicketReserved { order, quantity, .. } => {
                if let Some(listing) = &mut self.listing {
                    listing.held += quantity;
                    listing.holds.insert(order, quantity);
                }
            }
        }
    }
}

impl Listing {
    fn reserve(
        &self,
        ticket_id: Uuid,
        order: Uuid,
        buyer: Uuid,
        quantity: u32,
        expires_at: i64,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        if let Some(&units) = self.holds.get(&order) {
            let same = units == quantity;
            return if same { Ok(Vec::new()) } else { Err(TicketRejection::ReservedOtherwise) };
        }
        if quantity > self.max_per_order {
            return Err(TicketRejection::TooManyForOneOrder);
        }
        if quantity > self.quantity - self.held {
            return Err(TicketRejection::NotEnoughLeft);
        }
        Ok(vec![TicketEvent::TicketReserved {
            ticket_id,
            order,
            buyer,
            quantity,
            unit_price_minor: self.price_minor,
            currency: self.currency.clone(),
            expires_at,
        }])
    }
}

fn price_is_positive(price_minor: i64) -> Result<(), TicketRejection> {
    if price_minor > 0 { Ok(()) } else { Err(TicketRejection::PriceNotPositive) }
}

impl StateMutate for Ticket {
    fn mutate(&mut self, event: TicketEvent) {
        self.take_in(event);
    }
}
