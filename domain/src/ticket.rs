//! Something for sale, with a price and a number of units.

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use event::{
    ReleaseReason, TicketEdited, TicketEvent, TicketListed, TicketQuantityChanged, TicketReleased,
    TicketReserved, TicketReturned, TicketSold, TicketWithdrawn,
};

use imbl::OrdMap;

use crate::Timestamp;
use crate::aggregate::Aggregate;
use crate::id::{AccountId, OrderId, RefundId, TicketId};
use crate::money::Money;
use crate::text::{Quantity, Title};

/// One hold in memory, with its share of the map.
const HOLD_BYTES: usize = 2 * size_of::<(OrderId, Hold)>();

/// The state of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ticket {
    #[default]
    Unlisted,
    OnSale(Listing),
    /// Sells no more, but honours what is reserved.
    Withdrawn(Listing),
}

/// What is known of a ticket once it has been listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    pub seller: AccountId,
    pub title: Title,
    pub price: Money,
    pub quantity: Quantity,
    pub max_per_order: Quantity,
    /// By order: what is reserved for it or sold to it. Shared between clones of the state, for a
    /// popular ticket has a hundred thousand of them.
    pub holds: OrdMap<OrderId, Hold>,
    /// Units in `holds`, kept so that a rule need not add up every hold.
    pub held: u32,
}

/// The units one order has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    pub buyer: AccountId,
    pub units: u32,
    pub unit_price: Money,
    pub expires_at: Timestamp,
    pub sold: bool,
    /// Refunds whose units have come back already.
    pub returned: BTreeSet<RefundId>,
}

impl Ticket {
    /// The listing, on sale or withdrawn.
    #[must_use]
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Unlisted => None,
            Self::OnSale(listing) | Self::Withdrawn(listing) => Some(listing),
        }
    }

    /// Units that can be reserved now.
    #[must_use]
    pub fn available(&self) -> u32 {
        match self {
            Self::Unlisted | Self::Withdrawn(_) => 0,
            Self::OnSale(listing) => listing.free(),
        }
    }

    fn listed(&self) -> Result<&Listing, TicketRejection> {
        self.listing().ok_or(TicketRejection::NotFound)
    }

    fn on_sale(&self) -> Result<&Listing, TicketRejection> {
        match self {
            Self::Unlisted => Err(TicketRejection::NotFound),
            Self::Withdrawn(_) => Err(TicketRejection::Withdrawn),
            Self::OnSale(listing) => Ok(listing),
        }
    }

    fn change(self, change: impl FnOnce(Listing) -> Listing) -> Self {
        match self {
            Self::Unlisted => Self::Unlisted,
            Self::OnSale(listing) => Self::OnSale(change(listing)),
            Self::Withdrawn(listing) => Self::Withdrawn(change(listing)),
        }
    }
}

impl Listing {
    fn free(&self) -> u32 {
        self.quantity.get().saturating_sub(self.held)
    }

    /// The order that has a single-unit ticket.
    #[must_use]
    pub fn sole_order(&self) -> Option<OrderId> {
        if self.quantity != Quantity::ONE || self.held == 0 {
            return None;
        }
        // What has come back leaves its order with no units.
        let mut holders = self.holds.iter().filter(|(_, hold)| hold.units > 0);
        holders.next().map(|(order, _)| *order)
    }

    fn sold_by(&self, person: AccountId) -> Result<(), TicketRejection> {
        if self.seller == person { Ok(()) } else { Err(TicketRejection::NotSeller) }
    }
}

/// What can be asked of a ticket.
#[derive(Clone, Debug, PartialEq)]
pub enum TicketCommand {
    List {
        seller: AccountId,
        title: Title,
        price: Money,
        quantity: Quantity,
        max_per_order: Quantity,
    },
    Edit {
        by: AccountId,
        title: Title,
        price: Money,
    },
    ChangeQuantity {
        by: AccountId,
        quantity: Quantity,
    },
    Withdraw {
        by: AccountId,
        reason: String,
    },
    Reserve {
        order: OrderId,
        buyer: AccountId,
        quantity: Quantity,
        expires_at: Timestamp,
    },
    Release {
        order: OrderId,
        reason: ReleaseReason,
    },
    Sell {
        order: OrderId,
    },
    Return {
        order: OrderId,
        quantity: Quantity,
        refund: RefundId,
    },
}

/// Why a ticket refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketRejection {
    #[error("Ticket not found")]
    NotFound,
    #[error("this ticket is listed already")]
    AlreadyListed,
    #[error("only the seller may change a ticket")]
    NotSeller,
    #[error("Price must be greater than 0")]
    PriceNotPositive,
    #[error("this ticket has been withdrawn from sale")]
    Withdrawn,
    #[error("Cannot edit a reserved ticket")]
    ReservedCannotBeEdited,
    #[error("the currency of a ticket that has been reserved stays as it is")]
    CurrencyIsFixed,
    #[error("{held} units are reserved or sold, the quantity cannot be less")]
    LessThanHeld { held: u32 },
    #[error("Ticket is already reserved.")]
    NotEnoughLeft { left: u32 },
    #[error("at most {max} units an order")]
    TooManyForOneOrder { max: u32 },
    #[error("this order has another number of units reserved")]
    ReservedOtherwise,
    #[error("this order has no units of the ticket")]
    NotReserved,
    #[error("these units are sold; they come back only by a refund")]
    AlreadySold,
    #[error("these units are not sold")]
    NotSold,
}

impl Aggregate for Ticket {
    const CATEGORY: &'static str = "ticket";
    type Id = TicketId;
    type Command = TicketCommand;
    type Event = TicketEvent;
    type Rejection = TicketRejection;

    fn decide(&self, command: TicketCommand) -> Result<Vec<TicketEvent>, TicketRejection> {
        match command {
            TicketCommand::List { seller, title, price, quantity, max_per_order } => {
                self.list(TicketListed { seller, title, price, quantity, max_per_order })
            }
            TicketCommand::Edit { by, title, price } => self.edit(by, title, price),
            TicketCommand::ChangeQuantity { by, quantity } => self.change_quantity(by, quantity),
            TicketCommand::Withdraw { by, reason } => self.withdraw(by, reason),
            TicketCommand::Reserve { order, buyer, quantity, expires_at } => {
                self.reserve(order, buyer, quantity, expires_at)
            }
            TicketCommand::Release { order, reason } => self.release(order, reason),
            TicketCommand::Sell { order } => self.sell(order),
            TicketCommand::Return { order, quantity, refund } => {
                self.take_back(order, quantity, refund)
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        self.listing().map_or(0, |listing| listing.holds.len() * HOLD_BYTES)
    }

    fn evolve(self, event: &TicketEvent) -> Self {
        match event {
            TicketEvent::TicketListed(listed) => Self::OnSale(Listing::new(listed)),
            TicketEvent::TicketEdited(edited) => self.change(|listing| Listing {
                title: edited.title.clone(),
                price: edited.price,
                ..listing
            }),
            TicketEvent::TicketQuantityChanged(changed) => {
                self.change(|listing| Listing { quantity: changed.quantity, ..listing })
            }
            TicketEvent::TicketWithdrawn(_) => match self {
                Self::Unlisted => Self::Unlisted,
                Self::OnSale(listing) | Self::Withdrawn(listing) => Self::Withdrawn(listing),
            },
            TicketEvent::TicketReserved(reserved) => self.change(|listing| listing.hold(reserved)),
            TicketEvent::TicketReleased(released) => {
                self.change(|listing| listing.let_go(released.order))
            }
            TicketEvent::TicketSold(sold) => self.change(|listing| listing.mark_sold(sold.order)),
            TicketEvent::TicketReturned(returned) => {
                self.change(|listing| listing.put_back(returned))
            }
        }
    }
}

// === The rules ===

impl Ticket {
    fn list(&self, listed: TicketListed) -> Result<Vec<TicketEvent>, TicketRejection> {
        if self.listing().is_some() {
            return Err(TicketRejection::AlreadyListed);
        }
        price_is_positive(listed.price)?;
        Ok(vec![TicketEvent::TicketListed(listed)])
    }

    fn edit(
        &self,
        by: AccountId,
        title: Title,
        price: Money,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        let listing = self.listed()?;
        listing.sold_by(by)?;
        let listing = self.on_sale()?;
        price_is_positive(price)?;
        if listing.sole_order().is_some() {
            return Err(TicketRejection::ReservedCannotBeEdited);
        }
        if listing.held > 0 && listing.price.currency != price.currency {
            return Err(TicketRejection::CurrencyIsFixed);
        }
        if listing.title == title && listing.price == price {
            return Ok(Vec::new());
        }
        Ok(vec![TicketEvent::TicketEdited(TicketEdited { title, price })])
    }

    fn change_quantity(
        &self,
        by: AccountId,
        quantity: Quantity,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        let listing = self.listed()?;
        listing.sold_by(by)?;
        let listing = self.on_sale()?;
        if quantity.get() < listing.held {
            return Err(TicketRejection::LessThanHeld { held: listing.held });
        }
        if listing.quantity == quantity {
            return Ok(Vec::new());
        }
        Ok(vec![TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity })])
    }

    fn withdraw(&self, by: AccountId, reason: String) -> Result<Vec<TicketEvent>, TicketRejection> {
        self.listed()?.sold_by(by)?;
        match self {
            Self::Unlisted | Self::Withdrawn(_) => Ok(Vec::new()),
            Self::OnSale(_) => Ok(vec![TicketEvent::TicketWithdrawn(TicketWithdrawn { reason })]),
        }
    }

    fn reserve(
        &self,
        order: OrderId,
        buyer: AccountId,
        quantity: Quantity,
        expires_at: Timestamp,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        if let Some(hold) = self.listed()?.holds.get(&order) {
            let same = hold.units == quantity.get() && hold.buyer == buyer;
            return if same { Ok(Vec::new()) } else { Err(TicketRejection::ReservedOtherwise) };
        }
        let listing = self.on_sale()?;
        if quantity > listing.max_per_order {
            let max = listing.max_per_order.get();
            return Err(TicketRejection::TooManyForOneOrder { max });
        }
        let left = listing.free();
        if quantity.get() > left {
            return Err(TicketRejection::NotEnoughLeft { left });
        }
        let unit_price = listing.price;
        Ok(vec![TicketEvent::TicketReserved(TicketReserved {
            order,
            buyer,
            quantity,
            unit_price,
            expires_at,
        })])
    }

    fn release(
        &self,
        order: OrderId,
        reason: ReleaseReason,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        match self.listed()?.holds.get(&order) {
            None => Ok(Vec::new()),
            Some(hold) if hold.sold => Err(TicketRejection::AlreadySold),
            Some(_) => Ok(vec![TicketEvent::TicketReleased(TicketReleased { order, reason })]),
        }
    }

    fn sell(&self, order: OrderId) -> Result<Vec<TicketEvent>, TicketRejection> {
        match self.listed()?.holds.get(&order) {
            None => Err(TicketRejection::NotReserved),
            Some(hold) if hold.sold => Ok(Vec::new()),
            Some(_) => Ok(vec![TicketEvent::TicketSold(TicketSold { order })]),
        }
    }

    fn take_back(
        &self,
        order: OrderId,
        quantity: Quantity,
        refund: RefundId,
    ) -> Result<Vec<TicketEvent>, TicketRejection> {
        let hold = self.listed()?.holds.get(&order).ok_or(TicketRejection::NotReserved)?;
        if hold.returned.contains(&refund) {
            return Ok(Vec::new());
        }
        if !hold.sold || quantity.get() > hold.units {
            return Err(TicketRejection::NotSold);
        }
        Ok(vec![TicketEvent::TicketReturned(TicketReturned { order, quantity, refund })])
    }
}

fn price_is_positive(price: Money) -> Result<(), TicketRejection> {
    if price.minor > 0 { Ok(()) } else { Err(TicketRejection::PriceNotPositive) }
}

// === What each event changes ===

impl Listing {
    fn new(listed: &TicketListed) -> Self {
        Self {
            seller: listed.seller,
            title: listed.title.clone(),
            price: listed.price,
            quantity: listed.quantity,
            max_per_order: listed.max_per_order,
            holds: OrdMap::new(),
            held: 0,
        }
    }

    fn hold(mut self, reserved: &TicketReserved) -> Self {
        let hold = Hold {
            buyer: reserved.buyer,
            units: reserved.quantity.get(),
            unit_price: reserved.unit_price,
            expires_at: reserved.expires_at,
            sold: false,
            returned: BTreeSet::new(),
        };
        self.held = self.held.saturating_add(hold.units);
        self.holds.insert(reserved.order, hold);
        self
    }

    fn let_go(mut self, order: OrderId) -> Self {
        if let Some(hold) = self.holds.remove(&order) {
            self.held = self.held.saturating_sub(hold.units);
        }
        self
    }

    fn mark_sold(mut self, order: OrderId) -> Self {
        if let Some(hold) = self.holds.get_mut(&order) {
            hold.sold = true;
        }
        self
    }

    fn put_back(mut self, returned: &TicketReturned) -> Self {
        if let Some(hold) = self.holds.get_mut(&returned.order) {
            let units = returned.quantity.get().min(hold.units);
            hold.units = hold.units.saturating_sub(units);
            hold.returned.insert(returned.refund);
            self.held = self.held.saturating_sub(units);
        }
        self
    }
}
