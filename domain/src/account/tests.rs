use uuid::Uuid;

use super::*;
use crate::testing::given;

fn sealed(text: &str) -> Sealed {
    Sealed(text.to_owned())
}

fn session(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn register() -> AccountCommand {
    AccountCommand::Register { email: sealed("e"), password: sealed("p") }
}

fn registered() -> AccountEvent {
    AccountEvent::AccountRegistered(AccountRegistered { email: sealed("e"), password: sealed("p") })
}

fn open(number: u128) -> AccountCommand {
    AccountCommand::OpenSession { session: session(number), now: at(0), expires_at: at(100) }
}

fn opened(number: u128, opened_at: i64, expires_at: i64) -> AccountEvent {
    AccountEvent::SessionOpened(SessionOpened {
        session: session(number),
        opened_at: at(opened_at),
        expires_at: at(expires_at),
    })
}

fn revoked(number: u128) -> AccountEvent {
    AccountEvent::SessionRevoked(SessionRevoked { session: session(number) })
}

#[test]
fn an_account_is_registered_once() {
    given::<Account>([]).when(register()).then([registered()]);
    given::<Account>([registered()])
        .when(register())
        .then_refused(AccountRejection::AlreadyRegistered);
}

#[test]
fn only_a_registered_account_has_sessions() {
    given::<Account>([]).when(open(1)).then_refused(AccountRejection::NotFound);
    given::<Account>([registered()]).when(open(1)).then([opened(1, 0, 100)]);
    given::<Account>([registered(), opened(1, 0, 100)]).when(open(1)).then_nothing();
}

#[test]
fn a_session_is_revoked_once_and_is_over() {
    let revoke = || AccountCommand::RevokeSession { session: session(1) };
    given::<Account>([registered(), opened(1, 0, 100)]).when(revoke()).then([revoked(1)]);
    given::<Account>([registered(), opened(1, 0, 100), revoked(1)]).when(revoke()).then_nothing();
    let account = Account::fold(&[registered(), opened(1, 0, 100), revoked(1)]);
    assert!(!account.has_session(session(1), at(50)));
}

#[test]
fn a_session_ends_at_its_time() {
    let account = Account::fold(&[registered(), opened(1, 0, 100)]);
    assert!(account.has_session(session(1), at(99)));
    assert!(!account.has_session(session(1), at(100)));
    assert!(!account.has_session(session(2), at(50)));
}

#[test]
fn sessions_that_are_over_are_forgotten() {
    let account = Account::fold(&[registered(), opened(1, 0, 100), opened(2, 100, 200)]);
    let Account::Registered { sessions, .. } = account else { panic!("not registered") };
    assert_eq!(sessions.into_keys().collect::<Vec<_>>(), [session(2)]);
}

#[test]
fn debug_shows_nothing_sealed() {
    assert_eq!(format!("{:?}", sealed("ann@example.com")), "Sealed(..)");
}
