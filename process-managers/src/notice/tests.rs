use domain::money::{Currency, Money};

use super::*;
use crate::process_manager::tests::{moment, recorded};

fn notice(payment: Option<&str>) -> DomainEvent {
    DomainEvent::Notice(NoticeEvent::ProviderNoticeReceived(ProviderNoticeReceived {
        kind: "charge.refunded".to_owned(),
        payment: payment.map(str::to_owned),
        charge: None,
        refund: None,
        dispute: None,
        happened_at: moment(),
    }))
}

fn statement(taken: Taken) -> Statement {
    let key = Uuid::from_u128(1).to_string();
    let (refunds, disputes, fees) = (Vec::new(), Vec::new(), Vec::new());
    Statement { key, taken, refunds, disputes, fees }
}

#[test]
fn the_keys_of_one_payment_are_one_and_of_two_are_two() {
    let key = |name: &str| Uuid::new_v5(&NAMESPACE, name.as_bytes());
    assert_eq!(key("pi_1"), key("pi_1"));
    assert_ne!(key("pi_1"), key("pi_2"));
    // Stored: never changes.
    assert_eq!(key("pi_1").to_string(), "3f25fd58-21c4-565b-bf8e-5e7c048e54b9");
}

#[tokio::test]
async fn a_notice_that_names_a_payment_is_looked_at_at_once() {
    let pool = sqlx::PgPool::connect_lazy("postgres://nobody@localhost/none").unwrap();
    let process = process(pool);
    let changes = process.react(&recorded("webhook-evt_1", notice(Some("pi_1"))));
    let [Change::Add { task, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(task.payment, "pi_1");
    assert_eq!(process.react(&recorded("webhook-evt_1", notice(None))), []);
}

fn process(pool: sqlx::PgPool) -> NoticeProcess {
    let settings = eventlog::Settings {
        connection_string: "kurrentdb://localhost:1?tls=false".to_owned(),
        build: "test".to_owned(),
    };
    NoticeProcess {
        log: EventLog::new(settings).unwrap(),
        gateway: Arc::new(crate::door::Door),
        payments: DueList::new(pool, PaymentProcess::NAME),
    }
}

#[test]
fn another_amount_or_currency_than_was_asked_for_is_for_a_person() {
    let usd = |minor| Money { minor, currency: Currency::USD };
    let intent = PaymentInitiated {
        order: domain::id::OrderId(Uuid::from_u128(2)),
        buyer: domain::id::AccountId(Uuid::from_u128(3)),
        amount: usd(1999),
        source: "tok_visa".to_owned(),
        provider_key: String::new(),
    };
    let check = |taken| check_amount("pi_1", &statement(taken), &intent);
    assert!(check(Taken::Captured(Some(usd(1999)))).unwrap());
    assert!(!check(Taken::Open).unwrap());
    let euros = Money { currency: "eur".parse().unwrap(), ..usd(1999) };
    for taken in [None, Some(usd(1998)), Some(usd(i64::MAX)), Some(euros)] {
        let error = check(Taken::Captured(taken)).unwrap_err();
        assert!(matches!(&error, TaskError::Person(why) if why.contains("19.99")), "{error}");
    }
}
