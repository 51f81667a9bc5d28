//! Every version of every event ever written lies in `tests/it/golden`, byte for byte. The files
//! are never changed; `cargo test -p eventlog -- --ignored` adds those that are missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use domain::account::{
    AccountEvent, AccountRegistered, ErasureRequested, Holder, PasswordChanged, PersonalDataErased,
    RefreshReused, Sealed, SessionOpened, SessionRevoked, TokenRefreshed,
};
use domain::email_claim::{EmailClaimEvent, EmailClaimed, EmailReleased};
use domain::id::{
    AccountId, CommandId, EmailClaimId, OrderId, PaymentId, RefreshId, RefundId, SessionId,
    TicketId,
};
use domain::money::{Currency, Money};
use domain::notice::{NoticeEvent, ProviderNoticeReceived};
use domain::order::{
    OrderCancelled, OrderCompleted, OrderEvent, OrderExpired, OrderPaymentFailed,
    OrderPaymentStarted, OrderPaymentTurnedAway, OrderPlaced, OrderRefundRequested, OrderRefunded,
    OrderReinstated,
};
use domain::payment::{
    DisputeClosed, DisputeOpened, DisputeOutcome, ExternalRefundDetected, PaymentActionRequired,
    PaymentCaptured, PaymentEvent, PaymentFailed, PaymentInitiated, PaymentVoided,
    ProviderFeeCharged, RefundFailed, RefundInitiated, RefundSucceeded,
};
use domain::text::{Quantity, Title};
use domain::ticket::{
    ReleaseReason, TicketEdited, TicketEvent, TicketListed, TicketQuantityChanged, TicketReleased,
    TicketReserved, TicketReturned, TicketSold, TicketWithdrawn,
};
use domain::{Actor, Timestamp};

use super::*;

const AT: &str = "2026-11-24T03:35:21.123456Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn title() -> Title {
    Title::parse("Orchestra, row 3 \"left\"").unwrap()
}

fn quantity(units: u32) -> Quantity {
    Quantity::new(units).unwrap()
}

fn account(n: u128) -> AccountId {
    AccountId(Uuid::from_u128(n))
}

fn ticket_events() -> Vec<TicketEvent> {
    let order = OrderId(Uuid::from_u128(0x0d));
    vec![
        TicketEvent::TicketListed(TicketListed {
            seller: account(1),
            title: title(),
            price: usd(1999),
            quantity: quantity(10),
            max_per_order: quantity(4),
        }),
        TicketEvent::TicketEdited(TicketEdited { title: title(), price: usd(2500) }),
        TicketEvent::TicketQuantityChanged(TicketQuantityChanged { quantity: quantity(12) }),
        TicketEvent::TicketWithdrawn(TicketWithdrawn { reason: "sold elsewhere".to_owned() }),
        TicketEvent::TicketReserved(TicketReserved {
            order,
            buyer: account(2),
            quantity: quantity(2),
            unit_price: usd(1999),
            expires_at: at(),
        }),
        TicketEvent::TicketReleased(TicketReleased { order, reason: ReleaseReason::Expired }),
        TicketEvent::TicketSold(TicketSold { order }),
        TicketEvent::TicketReturned(TicketReturned {
            order,
            quantity: quantity(1),
            refund: RefundId(Uuid::from_u128(0x0f)),
        }),
    ]
}

fn order_events() -> Vec<OrderEvent> {
    let payment = PaymentId(Uuid::from_u128(0x0e));
    let refund = RefundId(Uuid::from_u128(0x0f));
    vec![
        OrderEvent::OrderPlaced(OrderPlaced {
            buyer: account(2),
            ticket: TicketId(Uuid::from_u128(0x0c)),
            title: title(),
            quantity: quantity(2),
            unit_price: usd(1999),
            total: usd(3998),
            expires_at: at(),
        }),
        OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment }),
        OrderEvent::OrderPaymentFailed(OrderPaymentFailed { payment }),
        OrderEvent::OrderCompleted(OrderCompleted { payment }),
        OrderEvent::OrderCancelled(OrderCancelled { by: account(2) }),
        OrderEvent::OrderExpired(OrderExpired {}),
        OrderEvent::OrderReinstated(OrderReinstated { payment }),
        OrderEvent::OrderPaymentTurnedAway(OrderPaymentTurnedAway { payment }),
        OrderEvent::OrderRefundRequested(OrderRefundRequested {
            refund,
            payment,
            amount: usd(3998),
            reason: "the event was called off".to_owned(),
        }),
        OrderEvent::OrderRefunded(OrderRefunded { refund }),
    ]
}

fn payment_events() -> Vec<PaymentEvent> {
    let refund = RefundId(Uuid::from_u128(0x0f));
    vec![
        PaymentEvent::PaymentInitiated(PaymentInitiated {
            order: OrderId(Uuid::from_u128(0x0d)),
            buyer: account(2),
            amount: usd(3998),
            source: "tok_visa".to_owned(),
            provider_key: "key".to_owned(),
        }),
        PaymentEvent::PaymentActionRequired(PaymentActionRequired {
            provider_ref: "pi_1".to_owned(),
            client_secret: Sealed("v1.00".to_owned()),
        }),
        PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref: "pi_1".to_owned() }),
        PaymentEvent::PaymentFailed(PaymentFailed {
            code: "insufficient_funds".to_owned(),
            retryable: true,
        }),
        PaymentEvent::PaymentVoided(PaymentVoided {}),
        PaymentEvent::RefundInitiated(RefundInitiated {
            refund,
            amount: usd(3998),
            provider_key: "key".to_owned(),
        }),
        PaymentEvent::RefundSucceeded(RefundSucceeded { refund, provider_ref: "re_1".to_owned() }),
        PaymentEvent::RefundFailed(RefundFailed { refund, code: "expired_card".to_owned() }),
        PaymentEvent::ExternalRefundDetected(ExternalRefundDetected {
            provider_ref: "re_2".to_owned(),
            amount: usd(3998),
        }),
        PaymentEvent::DisputeOpened(DisputeOpened {
            dispute: "dp_1".to_owned(),
            amount: usd(3998),
            reason: "fraudulent".to_owned(),
        }),
        PaymentEvent::DisputeClosed(DisputeClosed {
            dispute: "dp_1".to_owned(),
            amount: usd(3998),
            outcome: DisputeOutcome::Lost,
        }),
        PaymentEvent::ProviderFeeCharged(ProviderFeeCharged {
            provider_ref: "txn_1".to_owned(),
            fee: usd(146),
        }),
    ]
}

fn account_events() -> Vec<AccountEvent> {
    let session = SessionId(Uuid::from_u128(0x0a));
    let refresh = RefreshId(Uuid::from_u128(0x0b));
    let password = Sealed("v1.02".to_owned());
    vec![
        AccountEvent::AccountRegistered(AccountRegistered {
            email: Sealed("v1.01".to_owned()),
            password: password.clone(),
        }),
        AccountEvent::PasswordChanged(PasswordChanged { password }),
        AccountEvent::SessionOpened(SessionOpened {
            session,
            opened_at: at(),
            expires_at: at(),
            holder: Holder::Browser,
        }),
        AccountEvent::TokenRefreshed(TokenRefreshed { session, refresh }),
        AccountEvent::RefreshReused(RefreshReused { session, refresh }),
        AccountEvent::SessionRevoked(SessionRevoked { session }),
        AccountEvent::ErasureRequested(ErasureRequested { claim: EmailClaimId("ab".repeat(32)) }),
        AccountEvent::PersonalDataErased(PersonalDataErased {}),
    ]
}

fn notice_events() -> Vec<NoticeEvent> {
    vec![NoticeEvent::ProviderNoticeReceived(ProviderNoticeReceived {
        kind: "charge.dispute.created".to_owned(),
        payment: Some("pi_1".to_owned()),
        charge: Some("ch_1".to_owned()),
        refund: None,
        dispute: Some("du_1".to_owned()),
        happened_at: at(),
    })]
}

fn email_claim_events() -> Vec<EmailClaimEvent> {
    vec![
        EmailClaimEvent::EmailClaimed(EmailClaimed { account: account(2) }),
        EmailClaimEvent::EmailReleased(EmailReleased { account: account(2) }),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

/// The types that lie in the folder.
pub(super) fn golden_types() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let names = files.map(|name| name.into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

pub(super) fn golden(event_type: &str) -> String {
    let path = folder().join(format!("{event_type}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.trim_end_matches('\n').to_owned()
}

fn encoded<E: Event>(event: &E) -> Encoded {
    encode(event, Uuid::nil(), Bytes::new()).unwrap()
}

fn encoded_all<E: Event>(events: &[E]) -> Vec<Encoded> {
    events.iter().map(encoded).collect()
}

/// The names of all events of an aggregate, as serde lists them when it meets one it does not know.
fn names<E: Event>() -> BTreeSet<String> {
    let unknown = serde_json::from_value::<E>(json!({ "type": "?", "data": null }));
    let message = unknown.unwrap_err().to_string();
    let (_, expected) = message.split_once("expected").unwrap();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Checks the samples of one aggregate against the files of all versions; gives their types.
fn check<E: Event>(samples: &[E]) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    let mut sampled = BTreeSet::new();
    for sample in samples {
        let Encoded { event_type, body, .. } = encoded(sample);
        assert_eq!(golden(&event_type), body.get(), "{event_type} is written as ever");
        let (name, newest) = name_and_version(&event_type).unwrap();
        for version in 1..=newest {
            let event_type = format!("{name}.v{version}");
            let read = lifted::<E>(&event_type, golden(&event_type).as_bytes()).unwrap();
            assert_eq!(read, *sample, "{event_type} is read as what it was");
            types.insert(event_type);
        }
        sampled.insert(name.to_owned());
    }
    assert_eq!(names::<E>(), sampled, "every event has a sample");
    types
}

#[test]
fn every_event_ever_written_is_read_and_today_s_are_written_as_ever() {
    let mut checked = check(&ticket_events());
    checked.extend(check(&order_events()));
    checked.extend(check(&payment_events()));
    checked.extend(check(&account_events()));
    checked.extend(check(&email_claim_events()));
    checked.extend(check(&notice_events()));
    assert_eq!(golden_types(), checked, "no file is without its event");
}

/// Sessions had no holder in version 1, when only browsers had them.
#[test]
fn a_session_of_version_1_is_a_browser_s() {
    let body = golden("SessionOpened.v1");
    let read = lifted::<AccountEvent>("SessionOpened.v1", body.as_bytes()).unwrap();
    let session = SessionId(Uuid::from_u128(0x0a));
    let holder = Holder::Browser;
    let opened = SessionOpened { session, opened_at: at(), expires_at: at(), holder };
    assert_eq!(read, AccountEvent::SessionOpened(opened));
    assert_eq!(encoded(&read).event_type, "SessionOpened.v2");
}

/// The golden file of version 2 has the one holder; this is the other.
#[test]
fn a_session_of_a_program_is_written_as_ever() {
    let (session, refresh) = (SessionId(Uuid::from_u128(1)), RefreshId(Uuid::from_u128(2)));
    let holder = Holder::Program { refresh };
    let opened = SessionOpened { session, opened_at: at(), expires_at: at(), holder };
    let written = encoded(&AccountEvent::SessionOpened(opened));
    assert!(
        written.body.get().ends_with(
            r#","holder":{"kind":"program","refresh":"00000000-0000-0000-0000-000000000002"}}"#
        ),
        "{}",
        written.body
    );
}

#[test]
fn a_version_of_tomorrow_is_refused_by_name() {
    let error = lifted::<AccountEvent>("SessionOpened.v3", b"{}").unwrap_err();
    assert_eq!(error, "this program knows SessionOpened only up to version 2");
}

#[test]
fn metadata_is_written_and_read_as_ever() {
    let cause = Cause {
        command: CommandId(Uuid::from_u128(1)),
        fingerprint: Some("ab".repeat(32)),
        correlation: Uuid::from_u128(2),
        causation: Uuid::from_u128(3),
        actor: Actor::Person(account(2)),
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        now: at(),
    };
    let written = encode_metadata(&cause, "0.1.0").unwrap();
    let expected = r#"{"correlation":"00000000-0000-0000-0000-000000000002","causation":"00000000-0000-0000-0000-000000000003","actor":{"kind":"person","id":"00000000-0000-0000-0000-000000000002"},"command":"00000000-0000-0000-0000-000000000001","fingerprint":"abababababababababababababababababababababababababababababababab","trace":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","occurred_at":"2026-11-24T03:35:21.123456Z","build":"0.1.0"}"#;
    assert_eq!(written, expected);
    let read: Metadata = serde_json::from_str(expected).unwrap();
    assert_eq!((read.command, read.occurred_at), (cause.command, cause.now));
}

#[test]
#[ignore = "writes the golden files that are missing; run it after adding an event or a version"]
fn write_the_missing_golden_files() {
    fs::create_dir_all(folder()).unwrap();
    let all = encoded_all(&ticket_events())
        .into_iter()
        .chain(encoded_all(&order_events()))
        .chain(encoded_all(&payment_events()))
        .chain(encoded_all(&account_events()))
        .chain(encoded_all(&email_claim_events()))
        .chain(encoded_all(&notice_events()));
    for Encoded { event_type, body, .. } in all {
        let path = folder().join(format!("{event_type}.json"));
        if !path.exists() {
            fs::write(path, format!("{}\n", body.get())).unwrap();
        }
    }
}
