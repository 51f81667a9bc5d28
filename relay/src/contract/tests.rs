use domain::account::{AccountEvent, AccountRegistered, Sealed};
use domain::email_claim::{EmailClaimEvent, EmailClaimed};
use domain::event::{Actor, Metadata};
use domain::id::{AccountId, CommandId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::notice::{NoticeEvent, ProviderNoticeReceived};
use domain::order::{
    OrderCancelled, OrderCompleted, OrderEvent, OrderExpired, OrderPaymentFailed,
    OrderPaymentStarted, OrderPlaced, OrderRefundRequested, OrderRefunded, OrderReinstated,
};
use domain::payment::{
    PaymentActionRequired, PaymentCaptured, PaymentEvent, PaymentFailed, PaymentInitiated,
};
use domain::text::{Quantity, Title};
use domain::ticket::{
    ReleaseReason, TicketEdited, TicketEvent, TicketListed, TicketQuantityChanged, TicketReleased,
    TicketReserved, TicketReturned, TicketSold, TicketWithdrawn,
};
use domain::{Position, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::Partition;
use crate::message::Message;

/// Stands where something personal or internal would stand.
const CANARY: &str = "canary@example.com";
const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const OTHER: &str = "0198c0de-0000-7000-8000-000000000002";
const THIRD: &str = "0198c0de-0000-7000-8000-000000000003";

fn plain() -> Partition {
    Partition::all("S", 1).remove(0)
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn noon() -> Timestamp {
    "2026-03-01T12:00:00.250Z".parse().unwrap()
}

fn title() -> Title {
    Title::parse("Concert").unwrap()
}

fn recorded(event: DomainEvent) -> Recorded<DomainEvent> {
    let category = match &event {
        DomainEvent::Account(_) => "account",
        DomainEvent::EmailClaim(_) => "email",
        DomainEvent::Notice(_) => "webhook",
        DomainEvent::Ticket(_) => "ticket",
        DomainEvent::Order(_) => "order",
        DomainEvent::Payment(_) => "payment",
    };
    Recorded {
        event,
        event_type: "Test.v1".to_owned(),
        id: uuid(THIRD),
        stream: format!("{category}-{ID}"),
        revision: Revision(4),
        position: Position { commit: 120, prepare: 100 },
        metadata: Metadata {
            correlation: Uuid::nil(),
            causation: Uuid::nil(),
            actor: Actor::Process(CANARY.to_owned()),
            command: CommandId(Uuid::nil()),
            fingerprint: Some(CANARY.to_owned()),
            trace: Some(format!("00-{CANARY}\r\nTicketing-Ordinal: 7")),
            occurred_at: noon(),
            build: CANARY.to_owned(),
        },
        at: noon(),
    }
}

fn ticket_events() -> Vec<TicketEvent> {
    let (order, buyer) = (OrderId(uuid(OTHER)), AccountId(uuid(THIRD)));
    let (one, refund) = (Quantity::ONE, RefundId(uuid(THIRD)));
    vec![
        TicketEvent::TicketListed(TicketListed {
            seller: buyer,
            title: title(),
            price: usd(1999),
            quantity: one,
            max_per_order: one,
        }),
        TicketEvent::TicketEdited(TicketEdited { title: title(), price: usd(2000) }),
        TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity: one }),
        TicketEvent::TicketWithdrawn(TicketWithdrawn { reason: CANARY.to_owned() }),
        TicketEvent::TicketReserved(TicketReserved {
            order,
            buyer,
            quantity: one,
            unit_price: usd(1999),
            expires_at: noon(),
        }),
        TicketEvent::TicketReleased(TicketReleased { order, reason: ReleaseReason::Expired }),
        TicketEvent::TicketSold(TicketSold { order }),
        TicketEvent::TicketReturned(TicketReturned { order, quantity: one, refund }),
    ]
}

fn order_events() -> Vec<OrderEvent> {
    let (payment, refund) = (PaymentId(uuid(OTHER)), RefundId(uuid(THIRD)));
    vec![
        OrderEvent::OrderPlaced(OrderPlaced {
            buyer: AccountId(uuid(OTHER)),
            ticket: TicketId(uuid(THIRD)),
            title: title(),
            quantity: Quantity::new(2).unwrap(),
            unit_price: usd(1999),
            total: usd(3998),
            expires_at: noon(),
        }),
        OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment }),
        OrderEvent::OrderPaymentFailed(OrderPaymentFailed { payment }),
        OrderEvent::OrderCompleted(OrderCompleted { payment }),
        OrderEvent::OrderCancelled(OrderCancelled { by: AccountId(uuid(OTHER)) }),
        OrderEvent::OrderExpired(OrderExpired {}),
        OrderEvent::OrderReinstated(OrderReinstated { payment }),
        OrderEvent::OrderRefundRequested(OrderRefundRequested {
            refund,
            payment,
            amount: usd(1999),
            reason: CANARY.to_owned(),
        }),
        OrderEvent::OrderRefunded(OrderRefunded { refund }),
    ]
}

fn inner_events() -> Vec<DomainEvent> {
    let sealed = || Sealed(CANARY.to_owned());
    let registered = AccountRegistered { email: sealed(), password: sealed() };
    let initiated = PaymentInitiated {
        order: OrderId(uuid(OTHER)),
        buyer: AccountId(uuid(THIRD)),
        amount: usd(1999),
        source: CANARY.to_owned(),
        provider_key: CANARY.to_owned(),
    };
    let more = PaymentActionRequired { provider_ref: CANARY.to_owned(), client_secret: sealed() };
    let captured = PaymentCaptured { provider_ref: CANARY.to_owned() };
    let failed = PaymentFailed { code: CANARY.to_owned(), retryable: true };
    let noticed = ProviderNoticeReceived {
        kind: CANARY.to_owned(),
        payment: Some(CANARY.to_owned()),
        charge: None,
        refund: None,
        dispute: None,
        happened_at: noon(),
    };
    vec![
        DomainEvent::Account(AccountEvent::AccountRegistered(registered)),
        DomainEvent::EmailClaim(EmailClaimEvent::EmailClaimed(EmailClaimed {
            account: AccountId(uuid(OTHER)),
        })),
        DomainEvent::Payment(PaymentEvent::PaymentInitiated(initiated)),
        DomainEvent::Payment(PaymentEvent::PaymentActionRequired(more)),
        DomainEvent::Payment(PaymentEvent::PaymentCaptured(captured)),
        DomainEvent::Payment(PaymentEvent::PaymentFailed(failed)),
        DomainEvent::Notice(NoticeEvent::ProviderNoticeReceived(noticed)),
    ]
}

/// One of every event that may be public, and all that never are.
fn all_events() -> Vec<Recorded<DomainEvent>> {
    let tickets = ticket_events().into_iter().map(DomainEvent::Ticket);
    let orders = order_events().into_iter().map(DomainEvent::Order);
    tickets.chain(orders).chain(inner_events()).map(recorded).collect()
}

pub(super) fn public_events() -> Vec<PublicEvent> {
    all_events().iter().filter_map(|recorded| PublicEvent::of(recorded).unwrap()).collect()
}

fn body(event: DomainEvent) -> Value {
    serde_json::to_value(PublicEvent::of(&recorded(event)).unwrap().unwrap()).unwrap()
}

#[test]
fn a_reservation_is_told_in_full() {
    let reserved = ticket_events().into_iter().nth(4).map(DomainEvent::Ticket).unwrap();
    assert_eq!(
        body(reserved),
        json!({
            "ticketId": ID,
            "version": 4,
            "orderId": OTHER,
            "buyerId": THIRD,
            "quantity": 1,
            "unitPrice": { "amount": "19.99", "currency": "usd" },
            "expiresAt": "2026-03-01T12:00:00.250Z",
        })
    );
}

#[test]
fn an_event_without_particulars_tells_whose_and_which_version() {
    let expired = DomainEvent::Order(OrderEvent::OrderExpired(OrderExpired {}));
    assert_eq!(body(expired), json!({ "orderId": ID, "version": 4 }));
}

#[test]
fn every_event_of_a_ticket_is_public_so_its_versions_have_no_gaps() {
    for event in ticket_events() {
        assert!(is_public(&DomainEvent::Ticket(event)));
    }
}

#[test]
fn accounts_addresses_and_payments_stay_inside() {
    for event in inner_events() {
        assert!(!is_public(&event), "{event:?}");
    }
}

#[test]
fn nothing_personal_or_internal_goes_out() {
    for recorded in all_events() {
        let Some(event) = PublicEvent::of(&recorded).unwrap() else { continue };
        let message = Message::new(&plain(), &event, &recorded, 1).unwrap();
        let body = std::str::from_utf8(&message.body).unwrap();
        for text in [body, &message.subject, &format!("{:?}", message.headers)] {
            assert!(!text.contains("canary"), "{text}");
        }
    }
}

#[test]
fn a_message_is_a_cloud_event() {
    let mut recorded =
        recorded(ticket_events().into_iter().map(DomainEvent::Ticket).nth(6).unwrap());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    recorded.metadata.trace = Some(trace.to_owned());
    let event = PublicEvent::of(&recorded).unwrap().unwrap();
    let message = Message::new(&plain(), &event, &recorded, 12).unwrap();
    assert_eq!(message.subject, format!("ticketing.ticket.{ID}.sold"));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", THIRD),
        ("ce-type", "ticketing.ticket.sold.v1"),
        ("ce-source", "/ticketing"),
        ("ce-subject", ID),
        ("ce-time", "2026-03-01T12:00:00.250Z"),
        ("ce-datacontenttype", "application/json"),
        ("ce-dataschema", "urn:ticketing:schema:ticket.sold.v1"),
        ("traceparent", trace),
        ("Nats-Msg-Id", THIRD),
        ("Ticketing-Position", "120-100"),
        ("Ticketing-Ordinal", "12"),
        ("Ticketing-Filter", "1"),
    ] {
        assert_eq!(message.headers.get(name).map(|value| value.as_str()), Some(value), "{name}");
    }
}

#[test]
fn an_event_in_a_stream_of_another_name_is_refused() {
    let mut recorded = recorded(DomainEvent::Order(OrderEvent::OrderExpired(OrderExpired {})));
    for stream in ["order-.>", "order", "ticket-0198c0de-0000-7000-8000-000000000001"] {
        recorded.stream = stream.to_owned();
        assert!(PublicEvent::of(&recorded).is_err(), "{stream}");
    }
}
