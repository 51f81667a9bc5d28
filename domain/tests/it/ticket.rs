//! Units, prices and versions of a ticket.

mod over;

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{AccountId, OrderId, RefundId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::{
    Hold, ReleaseReason, TicketCommand, TicketEdited, TicketEvent, TicketQuantityChanged,
    TicketRejection, TicketReleased, TicketReserved, TicketReturned, TicketWithdrawn,
};
use domain::{Aggregate, Ticket, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::rules::{Decided, Rules};
use crate::witness::{Step, Witness, caught, upheld};

fn person(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn seller() -> AccountId {
    person(1)
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn commands() -> impl Strategy<Value = Vec<TicketCommand>> {
    let order = (1..4_u128).prop_map(|number| OrderId(Uuid::from_u128(number)));
    let refund = (1..3_u128).prop_map(|number| RefundId(Uuid::from_u128(number)));
    let quantity = (1..4_u32).prop_map(|units| Quantity::new(units).unwrap());
    let by = prop_oneof![4 => Just(seller()), 1 => Just(person(2))];
    let command = prop_oneof![
        6 => (order.clone(), quantity.clone()).prop_map(|(order, quantity)| {
            let expires_at = Timestamp::UNIX_EPOCH;
            TicketCommand::Reserve { order, buyer: person(2), quantity, expires_at }
        }),
        3 => order.clone().prop_map(|order| {
            TicketCommand::Release { order, reason: ReleaseReason::Expired }
        }),
        4 => order.clone().prop_map(|order| TicketCommand::Sell { order }),
        3 => (order, quantity.clone(), refund).prop_map(|(order, quantity, refund)| {
            TicketCommand::Return { order, quantity, refund }
        }),
        2 => (by.clone(), quantity.clone()).prop_map(|(by, quantity)| {
            TicketCommand::ChangeQuantity { by, quantity }
        }),
        3 => (by.clone(), 1..4_i64).prop_map(|(by, price)| {
            TicketCommand::Edit { by, title: title("Opera"), price: usd(price) }
        }),
        1 => by.prop_map(|by| TicketCommand::Withdraw { by, reason: String::new() }),
    ];
    (quantity, prop::collection::vec(command, 0..40)).prop_map(|(quantity, mut commands)| {
        let list = TicketCommand::List {
            seller: seller(),
            title: title("Concert"),
            price: usd(2000),
            quantity,
            max_per_order: quantity,
        };
        commands.insert(0, list);
        commands
    })
}

// === reserved + sold <= quantity ===

#[derive(Default)]
struct Units {
    quantity: u32,
    held: BTreeMap<OrderId, u32>,
}

impl Witness for Units {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        for event in step.events() {
            match event {
                TicketEvent::TicketListed(listed) => self.quantity = listed.quantity.get(),
                TicketEvent::TicketQuantityChanged(changed) => {
                    self.quantity = changed.quantity.get();
                }
                TicketEvent::TicketReserved(reserved) => {
                    *self.held.entry(reserved.order).or_default() += reserved.quantity.get();
                }
                TicketEvent::TicketReleased(released) => {
                    self.held.remove(&released.order);
                }
                TicketEvent::TicketReturned(returned) => {
                    let held = self.held.entry(returned.order).or_default();
                    let left = held.checked_sub(returned.quantity.get());
                    *held = left.ok_or("more units came back than the order had")?;
                }
                _ => {}
            }
        }
        let held: u32 = self.held.values().sum();
        if held > self.quantity {
            return Err(format!("{held} units of {} are held", self.quantity));
        }
        let free = self.quantity - held;
        let available = step.after.available();
        if available > free {
            return Err(format!("{available} are offered where {free} are free"));
        }
        Ok(())
    }
}

#[test]
fn reserved_and_sold_never_exceed_the_quantity() {
    upheld::<Units>(commands());
}

#[test]
fn reserving_more_than_is_left_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (
                Err(TicketRejection::NotEnoughLeft { .. }),
                TicketCommand::Reserve { order, buyer, quantity, expires_at },
            ) => Ok(vec![TicketEvent::TicketReserved(TicketReserved {
                order,
                buyer,
                quantity,
                unit_price: usd(1),
                expires_at,
            })]),
            (decided, _) => decided,
        }
    }
    caught::<Units>(&Rules::deciding(decide), commands());
}

#[test]
fn a_quantity_below_what_is_held_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (
                Err(TicketRejection::LessThanHeld { .. }),
                TicketCommand::ChangeQuantity { quantity, .. },
            ) => Ok(vec![TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity })]),
            (decided, _) => decided,
        }
    }
    caught::<Units>(&Rules::deciding(decide), commands());
}

#[test]
fn units_that_are_sold_but_offered_again_are_noticed() {
    fn evolve(state: Ticket, event: &TicketEvent) -> Ticket {
        let state = state.evolve(event);
        match (state, event) {
            (Ticket::OnSale(mut listing), TicketEvent::TicketSold(sold)) => {
                listing.held -= listing.holds[&sold.order].units;
                Ticket::OnSale(listing)
            }
            (state, _) => state,
        }
    }
    caught::<Units>(&Rules::evolving(evolve), commands());
}

// === What is sold comes back only by a refund, and once ===

#[derive(Default)]
struct Sales {
    sold: BTreeSet<OrderId>,
    returned: BTreeSet<(OrderId, RefundId)>,
}

impl Witness for Sales {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        for event in step.events() {
            match event {
                TicketEvent::TicketSold(sold) => {
                    self.sold.insert(sold.order);
                }
                TicketEvent::TicketReleased(released) if self.sold.contains(&released.order) => {
                    return Err("sold units were released".to_owned());
                }
                TicketEvent::TicketReturned(returned) => {
                    if !self.sold.contains(&returned.order) {
                        return Err("units came back that were not sold".to_owned());
                    }
                    if !self.returned.insert((returned.order, returned.refund)) {
                        return Err("one refund brought units back twice".to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn sold_units_come_back_only_by_a_refund_and_once() {
    upheld::<Sales>(commands());
}

#[test]
fn a_release_of_sold_units_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Err(TicketRejection::AlreadySold), TicketCommand::Release { order, reason }) => {
                Ok(vec![TicketEvent::TicketReleased(TicketReleased { order, reason })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Sales>(&Rules::deciding(decide), commands());
}

#[test]
fn a_return_of_what_is_only_reserved_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Err(TicketRejection::NotSold), TicketCommand::Return { order, quantity, refund }) => {
                Ok(vec![TicketEvent::TicketReturned(TicketReturned { order, quantity, refund })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Sales>(&Rules::deciding(decide), commands());
}

#[test]
fn a_refund_that_brings_units_back_twice_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Ok(events), TicketCommand::Return { order, quantity, refund })
                if events.is_empty() =>
            {
                Ok(vec![TicketEvent::TicketReturned(TicketReturned { order, quantity, refund })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Sales>(&Rules::deciding(decide), commands());
}

// === A reservation's price is frozen ===

#[derive(Default)]
struct Prices {
    price: Option<Money>,
    agreed: BTreeMap<OrderId, Money>,
}

impl Witness for Prices {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        for event in step.events() {
            match event {
                TicketEvent::TicketListed(listed) => self.price = Some(listed.price),
                TicketEvent::TicketEdited(edited) => self.price = Some(edited.price),
                TicketEvent::TicketReserved(reserved) => {
                    if Some(reserved.unit_price) != self.price {
                        return Err("a price nobody asked for".to_owned());
                    }
                    let before = self.agreed.insert(reserved.order, reserved.unit_price);
                    if before.is_some_and(|before| before != reserved.unit_price) {
                        return Err("the price of a reservation has changed".to_owned());
                    }
                }
                TicketEvent::TicketReleased(released) => {
                    self.agreed.remove(&released.order);
                }
                _ => {}
            }
        }
        let held = step.after.listing().map(|listing| &listing.holds);
        let kept = self.agreed.iter().all(|(order, price)| {
            held.and_then(|held| held.get(order)).is_some_and(|hold| hold.unit_price == *price)
        });
        if kept { Ok(()) } else { Err("a reservation costs something else now".to_owned()) }
    }
}

#[test]
fn a_reservation_keeps_its_price() {
    upheld::<Prices>(commands());
}

#[test]
fn an_edit_that_reaches_reservations_is_noticed() {
    fn evolve(state: Ticket, event: &TicketEvent) -> Ticket {
        match (state.evolve(event), event) {
            (Ticket::OnSale(mut listing), TicketEvent::TicketEdited(edited)) => {
                let repriced = |hold| Hold { unit_price: edited.price, ..hold };
                let holds = listing.holds.into_iter();
                listing.holds = holds.map(|(order, hold)| (order, repriced(hold))).collect();
                Ticket::OnSale(listing)
            }
            (state, _) => state,
        }
    }
    caught::<Prices>(&Rules::evolving(evolve), commands());
}

#[test]
fn a_repeated_reservation_at_a_new_price_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        let price = state.listing().map(|listing| listing.price);
        match (state.decide(command.clone()), command, price) {
            (
                Ok(events),
                TicketCommand::Reserve { order, buyer, quantity, expires_at },
                Some(unit_price),
            ) if events.is_empty() => {
                let again = TicketReserved { order, buyer, quantity, unit_price, expires_at };
                Ok(vec![TicketEvent::TicketReserved(again)])
            }
            (decided, _, _) => decided,
        }
    }
    caught::<Prices>(&Rules::deciding(decide), commands());
}

// === Only the seller, and not what somebody already has ===

#[derive(Default)]
struct Editing;

impl Witness for Editing {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        let (TicketCommand::Edit { by, .. }
        | TicketCommand::ChangeQuantity { by, .. }
        | TicketCommand::Withdraw { by, .. }) = step.command
        else {
            return Ok(());
        };
        if step.events().is_empty() {
            return Ok(());
        }
        if *by != seller() {
            return Err("a stranger has changed a ticket".to_owned());
        }
        let listing = step.before.listing().unwrap();
        let edited = matches!(step.events(), [TicketEvent::TicketEdited(_), ..]);
        if edited && listing.quantity == Quantity::ONE && listing.held > 0 {
            return Err("a ticket was edited in its buyer's hands".to_owned());
        }
        Ok(())
    }
}

#[test]
fn only_the_seller_edits_and_not_a_single_ticket_that_is_held() {
    upheld::<Editing>(commands());
}

#[test]
fn an_edit_in_the_buyers_hands_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (
                Err(TicketRejection::ReservedCannotBeEdited),
                TicketCommand::Edit { title, price, .. },
            ) => Ok(vec![TicketEvent::TicketEdited(TicketEdited { title, price })]),
            (decided, _) => decided,
        }
    }
    caught::<Editing>(&Rules::deciding(decide), commands());
}

#[test]
fn a_stranger_who_withdraws_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Err(TicketRejection::NotSeller), TicketCommand::Withdraw { reason, .. }) => {
                Ok(vec![TicketEvent::TicketWithdrawn(TicketWithdrawn { reason })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Editing>(&Rules::deciding(decide), commands());
}

// === The revision of the stream is the version of the ticket ===

#[derive(Default)]
struct Versions;

impl Witness for Versions {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        match step.events().len() {
            0 if step.before != step.after => Err("changed without a version".to_owned()),
            0 | 1 => Ok(()),
            more => Err(format!("one command has made {more} versions")),
        }
    }
}

#[test]
fn one_accepted_command_is_one_version() {
    upheld::<Versions>(commands());
}

#[test]
fn a_command_that_makes_two_versions_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        let mut events = state.decide(command)?;
        if let [TicketEvent::TicketEdited(_)] = &*events {
            let quantity = Quantity::ONE;
            events.push(TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity }));
        }
        Ok(events)
    }
    caught::<Versions>(&Rules::deciding(decide), commands());
}
