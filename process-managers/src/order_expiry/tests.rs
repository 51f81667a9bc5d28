use domain::id::{AccountId, PaymentId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{
    OrderCancelled, OrderCompleted, OrderExpired, OrderPaymentFailed, OrderPaymentStarted,
    OrderPlaced, OrderReinstated,
};
use domain::text::{Quantity, Title};
use uuid::Uuid;

use super::*;
use crate::process_manager::later;
use crate::process_manager::tests::{moment, recorded};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(4));

fn on(event: OrderEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("order-{ORDER}"), DomainEvent::Order(event)))
}

#[test]
fn an_order_is_due_when_its_time_is_over() {
    let price = Money { minor: 2000, currency: Currency::USD };
    let expires_at = later(moment(), Duration::from_secs(900));
    let placed = OrderEvent::OrderPlaced(OrderPlaced {
        buyer: AccountId(Uuid::from_u128(3)),
        ticket: TicketId(Uuid::from_u128(2)),
        title: Title::parse("Concert").unwrap(),
        quantity: Quantity::ONE,
        unit_price: price,
        total: price,
        expires_at,
    });
    let Some(Change::Add { key, due, task }) = on(placed) else { panic!("nothing to do") };
    assert_eq!((key, due, task.order), (ORDER.0, expires_at, ORDER));
}

#[test]
fn an_order_that_is_paid_or_gone_does_not_expire() {
    let by = AccountId(Uuid::from_u128(3));
    for over in [
        OrderEvent::OrderCompleted(OrderCompleted { payment: PAYMENT }),
        OrderEvent::OrderReinstated(OrderReinstated { payment: PAYMENT }),
        OrderEvent::OrderCancelled(OrderCancelled { by }),
        OrderEvent::OrderExpired(OrderExpired {}),
    ] {
        assert_eq!(on(over), Some(Change::Strike { key: ORDER.0 }));
    }
}

#[test]
fn a_payment_that_starts_or_fails_moves_no_timer() {
    assert_eq!(on(OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment: PAYMENT })), None);
    assert_eq!(on(OrderEvent::OrderPaymentFailed(OrderPaymentFailed { payment: PAYMENT })), None);
}
