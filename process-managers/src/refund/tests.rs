use domain::money::Currency;
use domain::order::{OrderCompleted, OrderRefundRequested, OrderRefunded};
use uuid::Uuid;

use super::*;
use crate::process_manager::tests::{moment, recorded};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(2));
const REFUND: RefundId = RefundId(Uuid::from_u128(3));

fn on_order(event: OrderEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("order-{ORDER}"), DomainEvent::Order(event)))
}

#[test]
fn a_refund_that_is_asked_for_is_made_at_once() {
    let amount = Money { minor: 2000, currency: Currency::USD };
    let reason = String::new();
    let asked = OrderRefundRequested { refund: REFUND, payment: PAYMENT, amount, reason };
    let Some(Change::Add { key, due, task }) = on_order(OrderEvent::OrderRefundRequested(asked))
    else {
        panic!("nothing to do")
    };
    assert_eq!((key, due), (REFUND.0, moment()));
    assert_eq!((task.order, task.payment, task.refund), (ORDER, PAYMENT, REFUND));
    assert_eq!(task.amount, amount);
}

#[test]
fn a_refunded_order_needs_nothing_more() {
    let refunded = OrderEvent::OrderRefunded(OrderRefunded { refund: REFUND });
    assert_eq!(on_order(refunded), Some(Change::Strike { key: REFUND.0 }));
    let completed = OrderEvent::OrderCompleted(OrderCompleted { payment: PAYMENT });
    assert_eq!(on_order(completed), None);
}
