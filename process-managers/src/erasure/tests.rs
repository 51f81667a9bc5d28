use domain::account::{ErasureRequested, PersonalDataErased, SessionRevoked};
use domain::id::{EmailClaimId, SessionId};
use uuid::Uuid;

use super::*;
use crate::process_manager::tests::{moment, recorded};

const ACCOUNT: AccountId = AccountId(Uuid::from_u128(1));
const GRACE: Duration = Duration::from_secs(5);

fn on(event: AccountEvent) -> Option<Change<Task>> {
    change(&recorded(&format!("account-{ACCOUNT}"), DomainEvent::Account(event)), GRACE)
}

#[test]
fn an_erasure_asked_for_is_finished_after_a_grace() {
    let claim = EmailClaimId("c1".to_owned());
    let Some(Change::Add { key, due, task: Task::Finish { account, .. } }) =
        on(AccountEvent::ErasureRequested(ErasureRequested { claim }))
    else {
        panic!("nothing to do")
    };
    assert_eq!((key, account), (ACCOUNT.0, ACCOUNT));
    assert_eq!(due, later(moment(), GRACE));
}

#[test]
fn who_is_erased_needs_nothing_more() {
    let erased = AccountEvent::PersonalDataErased(PersonalDataErased {});
    assert_eq!(on(erased), Some(Change::Strike { key: ACCOUNT.0 }));
}

#[test]
fn other_events_change_nothing() {
    let session = SessionId(Uuid::from_u128(4));
    assert_eq!(on(AccountEvent::SessionRevoked(SessionRevoked { session })), None);
}
