use domain::id::{AccountId, PaymentId};
use domain::money::{Currency, Money};
use domain::order::{OrderCancelled, OrderExpired, OrderPaymentStarted, OrderReinstated};
use domain::text::Title;
use domain::ticket::{TicketReleased, TicketReserved, TicketSold};
use uuid::Uuid;

use super::*;
use crate::process_manager::tests::{moment, recorded};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const TICKET: TicketId = TicketId(Uuid::from_u128(2));
const GRACE: Duration = Duration::from_secs(2);

fn on_ticket(event: TicketEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("ticket-{TICKET}"), DomainEvent::Ticket(event)), GRACE)
}

fn on_order(event: OrderEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("order-{ORDER}"), DomainEvent::Order(event)), GRACE)
}

fn price() -> Money {
    Money { minor: 2000, currency: Currency::USD }
}

#[test]
fn reserved_units_get_their_order_after_a_grace() {
    let event = TicketEvent::TicketReserved(TicketReserved {
        order: ORDER,
        buyer: AccountId(Uuid::from_u128(3)),
        quantity: Quantity::ONE,
        unit_price: price(),
        expires_at: moment(),
    });
    let Some(Change::Add { key, due, task: Task::Place { order, ticket, .. } }) = on_ticket(event)
    else {
        panic!("nothing to do")
    };
    assert_eq!((key, order, ticket), (ORDER.0, ORDER, TICKET));
    assert_eq!(due, later(moment(), GRACE));
}

#[test]
fn a_placed_order_needs_nothing_more() {
    let placed = OrderEvent::OrderPlaced(OrderPlaced {
        buyer: AccountId(Uuid::from_u128(3)),
        ticket: TICKET,
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::ONE,
        unit_price: price(),
        total: price(),
        expires_at: moment(),
    });
    assert_eq!(on_order(placed), Some(Change::Strike { key: ORDER.0 }));
}

#[test]
fn the_units_of_an_order_that_is_gone_are_released_at_once() {
    let by = AccountId(Uuid::from_u128(3));
    for gone in [
        OrderEvent::OrderCancelled(OrderCancelled { by }),
        OrderEvent::OrderExpired(OrderExpired {}),
    ] {
        let Some(Change::Add { key, due, task: Task::Release { order, .. } }) = on_order(gone)
        else {
            panic!("nothing to do")
        };
        assert_eq!((key, due, order), (ORDER.0, moment(), ORDER));
    }
}

#[test]
fn released_units_and_reinstated_orders_are_left_alone() {
    let struck = Some(Change::Strike { key: ORDER.0 });
    let released = TicketReleased { order: ORDER, reason: ReleaseReason::Expired };
    assert_eq!(on_ticket(TicketEvent::TicketReleased(released)), struck);
    let payment = PaymentId(Uuid::from_u128(4));
    assert_eq!(on_order(OrderEvent::OrderReinstated(OrderReinstated { payment })), struck);
}

#[test]
fn other_events_change_nothing() {
    assert_eq!(on_ticket(TicketEvent::TicketSold(TicketSold { order: ORDER })), None);
    let payment = PaymentId(Uuid::from_u128(4));
    assert_eq!(on_order(OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment })), None);
}
