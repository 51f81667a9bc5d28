//! Which accounts move.

use std::collections::BTreeMap;

use domain::id::CommandId;
use domain::money::Currency;
use domain::order::{OrderCompleted, OrderPlaced, OrderRefundRequested};
use domain::payment::{
    DisputeClosed, DisputeOpened, ExternalRefundDetected, PaymentCaptured, PaymentInitiated,
    ProviderFeeCharged, RefundFailed, RefundInitiated, RefundSucceeded,
};
use domain::text::{Quantity, Title};
use domain::ticket::TicketListed;
use domain::{Actor, Metadata, Position, Revision, Timestamp};
use uuid::Uuid;

use super::*;

const ID: Uuid = Uuid::from_u128(1);

fn moment() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn refund() -> RefundId {
    RefundId(ID)
}

/// The balances after these events, without the accounts that are at zero.
fn after(events: impl IntoIterator<Item = DomainEvent>) -> BTreeMap<String, i64> {
    let (mut book, mut balances) = (Book::default(), BTreeMap::<String, i64>::new());
    for event in events {
        let category = match &event {
            DomainEvent::Ticket(_) => "ticket",
            DomainEvent::Order(_) => "order",
            DomainEvent::Payment(_) => "payment",
            DomainEvent::Account(_) | DomainEvent::EmailClaim(_) | DomainEvent::Notice(_) => {
                "account"
            }
        };
        let record = Recorded {
            event,
            event_type: "Test.v1".to_owned(),
            id: ID,
            stream: format!("{category}-{ID}"),
            revision: Revision(0),
            position: Position { commit: 1, prepare: 1 },
            metadata: Metadata {
                correlation: ID,
                causation: ID,
                actor: Actor::Anonymous,
                command: CommandId(ID),
                fingerprint: None,
                trace: None,
                occurred_at: moment(),
                build: "test".to_owned(),
            },
            at: moment(),
        };
        for Entry { debit, credit, amount, .. } in book.take(&record).unwrap() {
            *balances
                .entry(debit.to_string().split('/').next().unwrap().to_owned())
                .or_default() += amount.minor;
            *balances
                .entry(credit.to_string().split('/').next().unwrap().to_owned())
                .or_default() -= amount.minor;
        }
        assert_eq!(balances.values().sum::<i64>(), 0);
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

fn balances(expected: &[(&str, i64)]) -> BTreeMap<String, i64> {
    expected.iter().map(|(account, balance)| ((*account).to_owned(), *balance)).collect()
}

fn placed() -> Vec<DomainEvent> {
    placed_from("tok_visa")
}

fn placed_from(source: &str) -> Vec<DomainEvent> {
    let (quantity, title) = (Quantity::ONE, Title::parse("Concert").unwrap());
    let listed = TicketListed {
        seller: AccountId(ID),
        title: title.clone(),
        price: usd(2000),
        quantity,
        max_per_order: quantity,
    };
    let terms = OrderPlaced {
        buyer: AccountId(ID),
        ticket: TicketId(ID),
        title,
        quantity,
        unit_price: usd(2000),
        total: usd(2000),
        expires_at: moment(),
    };
    let intent = PaymentInitiated {
        order: OrderId(ID),
        buyer: AccountId(ID),
        amount: usd(2000),
        source: source.to_owned(),
        provider_key: ID.to_string(),
    };
    vec![
        DomainEvent::Ticket(TicketEvent::TicketListed(listed)),
        DomainEvent::Order(OrderEvent::OrderPlaced(terms)),
        DomainEvent::Payment(PaymentEvent::PaymentInitiated(intent)),
    ]
}

fn captured() -> Vec<DomainEvent> {
    captured_from("tok_visa")
}

fn captured_from(source: &str) -> Vec<DomainEvent> {
    let captured = PaymentCaptured { provider_ref: "pi_1".to_owned() };
    [placed_from(source), vec![DomainEvent::Payment(PaymentEvent::PaymentCaptured(captured))]]
        .concat()
}

fn completed() -> Vec<DomainEvent> {
    let completed = OrderCompleted { payment: PaymentId(ID) };
    [captured(), vec![DomainEvent::Order(OrderEvent::OrderCompleted(completed))]].concat()
}

fn payment(events: impl IntoIterator<Item = PaymentEvent>) -> Vec<DomainEvent> {
    events.into_iter().map(DomainEvent::Payment).collect()
}

fn initiated() -> PaymentEvent {
    let provider_key = ID.to_string();
    let refund = refund();
    PaymentEvent::RefundInitiated(RefundInitiated { refund, amount: usd(2000), provider_key })
}

fn succeeded() -> PaymentEvent {
    let provider_ref = "re_1".to_owned();
    PaymentEvent::RefundSucceeded(RefundSucceeded { refund: refund(), provider_ref })
}

fn failed() -> PaymentEvent {
    PaymentEvent::RefundFailed(RefundFailed { refund: refund(), code: "lost".to_owned() })
}

fn seen_outside(minor: i64) -> PaymentEvent {
    let provider_ref = "re_1".to_owned();
    let amount = usd(minor);
    PaymentEvent::ExternalRefundDetected(ExternalRefundDetected { provider_ref, amount })
}

fn opened() -> PaymentEvent {
    let (dispute, reason) = ("du_1".to_owned(), "fraudulent".to_owned());
    PaymentEvent::DisputeOpened(DisputeOpened { dispute, amount: usd(2000), reason })
}

fn closed(outcome: DisputeOutcome) -> PaymentEvent {
    let dispute = "du_1".to_owned();
    PaymentEvent::DisputeClosed(DisputeClosed { dispute, amount: usd(2000), outcome })
}

#[test]
fn money_taken_at_the_door_is_not_at_the_provider() {
    let taken = captured_from(AT_THE_DOOR);
    assert_eq!(after(taken.clone()), balances(&[("door", 2000), ("buyer", -2000)]));
    let back = payment([initiated(), succeeded()]);
    assert_eq!(after([taken, back].concat()), balances(&[]));
}

#[test]
fn money_is_the_buyers_until_an_order_has_it_and_then_the_sellers() {
    assert_eq!(after(placed()), balances(&[]));
    assert_eq!(after(captured()), balances(&[("provider", 2000), ("buyer", -2000)]));
    assert_eq!(after(completed()), balances(&[("provider", 2000), ("seller", -2000)]));
}

#[test]
fn a_refund_takes_it_from_the_seller_and_a_failed_one_leaves_it_owed() {
    let asked = OrderRefundRequested {
        refund: refund(),
        payment: PaymentId(ID),
        amount: usd(2000),
        reason: String::new(),
    };
    let mut history = completed();
    history.push(DomainEvent::Order(OrderEvent::OrderRefundRequested(asked)));
    assert_eq!(after(history.clone()), balances(&[("provider", 2000), ("buyer", -2000)]));
    history.extend(payment([initiated()]));
    assert_eq!(after(history.clone()), balances(&[("provider", 2000), ("refunds", -2000)]));
    let failed = [history.clone(), payment([failed()])].concat();
    assert_eq!(after(failed.clone()), balances(&[("provider", 2000), ("buyer", -2000)]));
    assert_eq!(after([failed, payment([succeeded()])].concat()), balances(&[]));
    assert_eq!(after([history, payment([succeeded()])].concat()), balances(&[]));
}

#[test]
fn a_refund_of_somebody_else_is_a_claim_on_the_buyer_unless_it_was_ours() {
    let outside = [completed(), payment([seen_outside(500)])].concat();
    let expected = [("provider", 1500), ("buyer", 500), ("seller", -2000)];
    assert_eq!(after(outside), balances(&expected));
    let ours = [captured(), payment([initiated(), seen_outside(2000), succeeded()])].concat();
    assert_eq!(after(ours), balances(&[]));
    let nothing = [completed(), payment([seen_outside(0)])].concat();
    assert_eq!(after(nothing), after(completed()));
}

#[test]
fn disputed_money_is_at_the_bank_and_comes_back_or_is_lost() {
    let of = |events: Vec<PaymentEvent>| after([completed(), payment(events)].concat());
    let seller = ("seller", -2000);
    assert_eq!(of(vec![opened()]), balances(&[("disputes", 2000), seller]));
    let won = balances(&[("provider", 2000), seller]);
    let lost = balances(&[("dispute-losses", 2000), seller]);
    assert_eq!(of(vec![opened(), closed(DisputeOutcome::Won)]), won);
    assert_eq!(of(vec![opened(), closed(DisputeOutcome::Lost)]), lost);
    assert_eq!(of(vec![closed(DisputeOutcome::Won), opened()]), won, "in disorder");
    let corrected = vec![closed(DisputeOutcome::Won), closed(DisputeOutcome::Lost), opened()];
    assert_eq!(of(corrected), lost);
}

#[test]
fn what_is_told_twice_moves_money_once() {
    let again = captured()[3..].to_vec();
    let refunds = payment([initiated(), succeeded(), succeeded(), failed()]);
    assert_eq!(after([captured(), again, refunds].concat()), balances(&[]));
}

#[test]
fn what_the_provider_keeps_is_a_fee_once_in_whatever_currency() {
    let fee = |name: &str, fee| {
        let provider_ref = name.to_owned();
        PaymentEvent::ProviderFeeCharged(ProviderFeeCharged { provider_ref, fee })
    };
    let kept = payment([fee("txn_1", usd(88)), fee("txn_1", usd(88)), fee("txn_2", usd(1500))]);
    let kept = [completed(), kept].concat();
    let expected = balances(&[("provider", 412), ("seller", -2000), ("fees", 1588)]);
    assert_eq!(after(kept.clone()), expected);
    let back = [kept, payment([fee("txn_3", usd(-1500)), fee("txn_4", usd(i64::MIN))])].concat();
    let expected = balances(&[("provider", 1912), ("seller", -2000), ("fees", 88)]);
    assert_eq!(after(back), expected);
}
