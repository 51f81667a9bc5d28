use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::money::Currency;
use crate::testing::given;

fn seller() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

fn buyer() -> AccountId {
    AccountId(Uuid::from_u128(2))
}

fn order(number: u128) -> OrderId {
    OrderId(Uuid::from_u128(number))
}

fn refund() -> RefundId {
    RefundId(Uuid::from_u128(99))
}

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn units(units: u32) -> Quantity {
    Quantity::new(units).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn listed(quantity: u32) -> TicketEvent {
    TicketEvent::TicketListed(TicketListed {
        seller: seller(),
        title: title("Concert"),
        price: usd(2000),
        quantity: units(quantity),
        max_per_order: units(quantity.min(4)),
    })
}

fn reserved(number: u128, quantity: u32) -> TicketEvent {
    TicketEvent::TicketReserved(TicketReserved {
        order: order(number),
        buyer: buyer(),
        quantity: units(quantity),
        unit_price: usd(2000),
        expires_at: at(900),
    })
}

fn released(number: u128) -> TicketEvent {
    TicketEvent::TicketReleased(TicketReleased {
        order: order(number),
        reason: ReleaseReason::Cancelled,
    })
}

fn sold(number: u128) -> TicketEvent {
    TicketEvent::TicketSold(TicketSold { order: order(number) })
}

fn withdrawn() -> TicketEvent {
    TicketEvent::TicketWithdrawn(TicketWithdrawn { reason: "postponed".to_owned() })
}

fn list(price: i64) -> TicketCommand {
    TicketCommand::List {
        seller: seller(),
        title: title("Concert"),
        price: usd(price),
        quantity: units(1),
        max_per_order: units(1),
    }
}

fn edit(by: AccountId, price: Money) -> TicketCommand {
    TicketCommand::Edit { by, title: title("Opera"), price }
}

fn reserve(number: u128, quantity: u32) -> TicketCommand {
    TicketCommand::Reserve {
        order: order(number),
        buyer: buyer(),
        quantity: units(quantity),
        expires_at: at(900),
    }
}

fn release(number: u128) -> TicketCommand {
    TicketCommand::Release { order: order(number), reason: ReleaseReason::Cancelled }
}

fn give_back(quantity: u32) -> TicketCommand {
    TicketCommand::Return { order: order(1), quantity: units(quantity), refund: refund() }
}

// === Listing and editing ===

#[test]
fn a_ticket_is_listed_once() {
    given::<Ticket>([]).when(list(2000)).then([listed(1)]);
    given::<Ticket>([listed(1)]).when(list(2000)).then_refused(TicketRejection::AlreadyListed);
}

#[test]
fn a_ticket_is_not_free() {
    given::<Ticket>([]).when(list(0)).then_refused(TicketRejection::PriceNotPositive);
    given::<Ticket>([listed(1)])
        .when(edit(seller(), usd(0)))
        .then_refused(TicketRejection::PriceNotPositive);
}

#[test]
fn only_the_seller_changes_a_ticket() {
    let by = buyer();
    for command in [
        edit(by, usd(2500)),
        TicketCommand::ChangeQuantity { by, quantity: units(9) },
        TicketCommand::Withdraw { by, reason: String::new() },
    ] {
        given::<Ticket>([listed(2)]).when(command).then_refused(TicketRejection::NotSeller);
    }
}

#[test]
fn an_edit_changes_title_and_price() {
    given::<Ticket>([listed(2)]).when(edit(seller(), usd(2500))).then([TicketEvent::TicketEdited(
        TicketEdited { title: title("Opera"), price: usd(2500) },
    )]);
}

#[test]
fn an_edit_that_changes_nothing_is_already_so() {
    let edit = TicketCommand::Edit { by: seller(), title: title("Concert"), price: usd(2000) };
    given::<Ticket>([listed(2)]).when(edit).then_nothing();
}

#[test]
fn a_single_ticket_that_is_reserved_or_sold_is_not_edited() {
    let rejection = TicketRejection::ReservedCannotBeEdited;
    given::<Ticket>([listed(1), reserved(1, 1)])
        .when(edit(seller(), usd(2500)))
        .then_refused(rejection.clone());
    given::<Ticket>([listed(1), reserved(1, 1), sold(1)])
        .when(edit(seller(), usd(2500)))
        .then_refused(rejection);
    given::<Ticket>([listed(1), reserved(1, 1), released(1)]).when(edit(seller(), usd(2500))).then(
        [TicketEvent::TicketEdited(TicketEdited { title: title("Opera"), price: usd(2500) })],
    );
}

#[test]
fn a_single_ticket_that_came_back_is_edited_again() {
    let returned = TicketEvent::TicketReturned(TicketReturned {
        order: order(1),
        quantity: units(1),
        refund: refund(),
    });
    given::<Ticket>([listed(1), reserved(1, 1), sold(1), returned])
        .when(edit(seller(), usd(2500)))
        .then([TicketEvent::TicketEdited(TicketEdited {
            title: title("Opera"),
            price: usd(2500),
        })]);
}

#[test]
fn the_currency_stays_once_units_are_held() {
    let euros = Money { minor: 2500, currency: "eur".parse().unwrap() };
    given::<Ticket>([listed(2), reserved(1, 1)])
        .when(edit(seller(), euros))
        .then_refused(TicketRejection::CurrencyIsFixed);
}

#[test]
fn the_quantity_never_falls_below_what_is_held() {
    let change =
        |quantity| TicketCommand::ChangeQuantity { by: seller(), quantity: units(quantity) };
    given::<Ticket>([listed(5), reserved(1, 2), reserved(2, 1), sold(2)])
        .when(change(2))
        .then_refused(TicketRejection::LessThanHeld { held: 3 });
    given::<Ticket>([listed(5), reserved(1, 2), reserved(2, 1)])
        .when(change(3))
        .then([TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity: units(3) })]);
    given::<Ticket>([listed(5)]).when(change(5)).then_nothing();
}

// === Reserving ===

#[test]
fn a_reservation_freezes_the_price() {
    given::<Ticket>([listed(2)]).when(reserve(1, 2)).then([reserved(1, 2)]);
}

#[test]
fn what_is_held_is_not_reserved_again() {
    given::<Ticket>([listed(1), reserved(1, 1)])
        .when(reserve(2, 1))
        .then_refused(TicketRejection::NotEnoughLeft { left: 0 });
    given::<Ticket>([listed(3), reserved(1, 2)])
        .when(reserve(2, 2))
        .then_refused(TicketRejection::NotEnoughLeft { left: 1 });
}

#[test]
fn the_same_reservation_again_is_already_so() {
    given::<Ticket>([listed(2), reserved(1, 2)]).when(reserve(1, 2)).then_nothing();
    given::<Ticket>([listed(3), reserved(1, 2)])
        .when(reserve(1, 1))
        .then_refused(TicketRejection::ReservedOtherwise);
}

#[test]
fn one_order_takes_only_so_many() {
    given::<Ticket>([listed(9)])
        .when(reserve(1, 5))
        .then_refused(TicketRejection::TooManyForOneOrder { max: 4 });
}

#[test]
fn an_unlisted_ticket_is_not_there() {
    given::<Ticket>([]).when(reserve(1, 1)).then_refused(TicketRejection::NotFound);
    given::<Ticket>([]).when(release(1)).then_refused(TicketRejection::NotFound);
    given::<Ticket>([]).when(edit(seller(), usd(1))).then_refused(TicketRejection::NotFound);
}

#[test]
fn a_withdrawn_ticket_sells_no_more_but_honours_what_is_reserved() {
    let history = || [listed(2), reserved(1, 1), withdrawn()];
    given::<Ticket>(history()).when(reserve(2, 1)).then_refused(TicketRejection::Withdrawn);
    given::<Ticket>(history()).when(TicketCommand::Sell { order: order(1) }).then([sold(1)]);
    given::<Ticket>(history())
        .when(TicketCommand::Withdraw { by: seller(), reason: String::new() })
        .then_nothing();
}

// === Releasing, selling, giving back ===

#[test]
fn released_units_can_be_reserved_again() {
    given::<Ticket>([listed(1), reserved(1, 1)]).when(release(1)).then([released(1)]);
    given::<Ticket>([listed(1), reserved(1, 1), released(1)])
        .when(reserve(2, 1))
        .then([reserved(2, 1)]);
}

#[test]
fn releasing_twice_is_already_so() {
    given::<Ticket>([listed(1), reserved(1, 1), released(1)]).when(release(1)).then_nothing();
}

#[test]
fn sold_units_are_never_released() {
    given::<Ticket>([listed(1), reserved(1, 1), sold(1)])
        .when(release(1))
        .then_refused(TicketRejection::AlreadySold);
}

#[test]
fn only_what_is_reserved_is_sold_and_once() {
    let sell = || TicketCommand::Sell { order: order(1) };
    given::<Ticket>([listed(1)]).when(sell()).then_refused(TicketRejection::NotReserved);
    given::<Ticket>([listed(1), reserved(1, 1)]).when(sell()).then([sold(1)]);
    given::<Ticket>([listed(1), reserved(1, 1), sold(1)]).when(sell()).then_nothing();
}

#[test]
fn only_sold_units_come_back_and_once() {
    let returned = TicketEvent::TicketReturned(TicketReturned {
        order: order(1),
        quantity: units(2),
        refund: refund(),
    });
    given::<Ticket>([listed(2), reserved(1, 2)])
        .when(give_back(2))
        .then_refused(TicketRejection::NotSold);
    given::<Ticket>([listed(2), reserved(1, 2), sold(1)])
        .when(give_back(2))
        .then([returned.clone()]);
    given::<Ticket>([listed(3), reserved(1, 2), sold(1)])
        .when(give_back(3))
        .then_refused(TicketRejection::NotSold);
    given::<Ticket>([listed(2), reserved(1, 2), sold(1), returned])
        .when(give_back(2))
        .then_nothing();
}

// === Whatever is asked, in whatever order ===

fn any_command() -> impl Strategy<Value = TicketCommand> {
    let order = (1..6_u128).prop_map(order);
    let quantity = (1..6_u32).prop_map(units);
    prop_oneof![
        3 => (order.clone(), quantity.clone()).prop_map(|(order, quantity)| {
            TicketCommand::Reserve { order, buyer: buyer(), quantity, expires_at: at(900) }
        }),
        2 => order.clone().prop_map(|order| TicketCommand::Release {
            order,
            reason: ReleaseReason::Expired
        }),
        2 => order.clone().prop_map(|order| TicketCommand::Sell { order }),
        1 => (order, quantity.clone(), 1..4_u128).prop_map(|(order, quantity, refund)| {
            TicketCommand::Return { order, quantity, refund: RefundId(Uuid::from_u128(refund)) }
        }),
        1 => quantity.prop_map(|quantity| TicketCommand::ChangeQuantity { by: seller(), quantity }),
        1 => Just(edit(seller(), usd(2500))),
        1 => Just(TicketCommand::Withdraw { by: seller(), reason: String::new() }),
    ]
}

proptest! {
    #[test]
    fn reserved_and_sold_never_exceed_the_quantity(
        quantity in 1..8_u32,
        commands in prop::collection::vec(any_command(), 0..60),
    ) {
        let mut ticket = Ticket::default().evolve(&listed(quantity));
        for command in commands {
            let Ok(events) = ticket.decide(command) else { continue };
            prop_assert!(events.len() <= 1, "one accepted command is one version");
            for event in &events {
                ticket = ticket.evolve(event);
            }
            let listing = ticket.listing().unwrap();
            let held: u32 = listing.holds.values().map(|hold| hold.units).sum();
            prop_assert_eq!(held, listing.held);
            prop_assert!(held <= listing.quantity.get());
        }
    }

    #[test]
    fn a_repeated_command_changes_nothing_more(
        commands in prop::collection::vec(any_command(), 0..40),
    ) {
        let mut ticket = Ticket::default().evolve(&listed(5));
        for command in commands {
            let Ok(events) = ticket.decide(command.clone()) else { continue };
            for event in &events {
                ticket = ticket.evolve(event);
            }
            let again = ticket.decide(command);
            prop_assert!(again.as_ref().is_ok_and(Vec::is_empty) || again.is_err(), "{:?}", again);
        }
    }
}
