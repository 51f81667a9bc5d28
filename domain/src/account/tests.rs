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
    AccountCommand::OpenSession {
        verified: sealed("p"),
        session: session(number),
        now: at(0),
        expires_at: at(100),
    }
}

fn opened(number: u128, opened_at: i64, expires_at: i64) -> AccountEvent {
    AccountEvent::SessionOpened(SessionOpened {
        session: session(number),
        opened_at: at(opened_at),
        expires_at: at(expires_at),
        holder: Holder::Browser,
    })
}

fn refresh(number: u128) -> RefreshId {
    RefreshId(Uuid::from_u128(number))
}

/// A program's session, from second 0 to 100, with refresh token 1.
fn program_opened() -> AccountEvent {
    AccountEvent::SessionOpened(SessionOpened {
        session: session(1),
        opened_at: at(0),
        expires_at: at(100),
        holder: Holder::Program { refresh: refresh(1) },
    })
}

fn trade(presented: u128, next: u128) -> AccountCommand {
    AccountCommand::RefreshToken {
        session: session(1),
        presented: refresh(presented),
        next: refresh(next),
        now: at(50),
    }
}

fn traded(next: u128) -> AccountEvent {
    AccountEvent::TokenRefreshed(TokenRefreshed { session: session(1), refresh: refresh(next) })
}

fn reused(presented: u128) -> AccountEvent {
    let refresh = refresh(presented);
    AccountEvent::RefreshReused(RefreshReused { session: session(1), refresh })
}

fn claim() -> EmailClaimId {
    EmailClaimId("c1".to_owned())
}

fn erasure_requested() -> AccountEvent {
    AccountEvent::ErasureRequested(ErasureRequested { claim: claim() })
}

fn erased() -> AccountEvent {
    AccountEvent::PersonalDataErased(PersonalDataErased {})
}

fn change_password(verified: &str, number: u128, second: i64) -> AccountCommand {
    AccountCommand::ChangePassword {
        verified: sealed(verified),
        password: sealed("new"),
        session: session(number),
        now: at(second),
    }
}

fn password_changed() -> AccountEvent {
    AccountEvent::PasswordChanged(PasswordChanged { password: sealed("new") })
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
fn the_oldest_of_too_many_sessions_gives_way() {
    let sessions = i64::try_from(SESSIONS_MAX).unwrap();
    let session_of = |second: i64| opened(u128::try_from(second).unwrap(), 0, 1_000 + second);
    // Number 0 is over by then and does not count.
    let full = [registered(), opened(0, 0, 1)].into_iter().chain((1..=sessions).map(session_of));
    let next = || AccountCommand::OpenSession {
        verified: sealed("p"),
        session: session(7_000),
        now: at(500),
        expires_at: at(9_000),
    };
    given::<Account>(full.clone()).when(next()).then([revoked(1), opened(7_000, 500, 9_000)]);
    let room = full.chain([revoked(5)]);
    given::<Account>(room).when(next()).then([opened(7_000, 500, 9_000)]);
}

#[test]
fn sessions_that_are_over_are_forgotten() {
    let account = Account::fold(&[registered(), opened(1, 0, 100), opened(2, 100, 200)]);
    let Account::Registered { sessions, .. } = account else { panic!("not registered") };
    assert_eq!(sessions.into_keys().collect::<Vec<_>>(), [session(2)]);
}

#[test]
fn a_password_that_has_been_changed_signs_nobody_in() {
    given::<Account>([registered(), opened(1, 0, 100), password_changed()])
        .when(open(2))
        .then_refused(AccountRejection::PasswordChangedMeanwhile);
}

// === Programs ===

#[test]
fn a_program_is_signed_in_with_a_refresh_token() {
    let open = || AccountCommand::OpenProgramSession {
        verified: sealed("p"),
        session: session(1),
        refresh: refresh(1),
        now: at(0),
        expires_at: at(100),
    };
    given::<Account>([registered()]).when(open()).then([program_opened()]);
    given::<Account>([registered(), password_changed()])
        .when(open())
        .then_refused(AccountRejection::PasswordChangedMeanwhile);
}

#[test]
fn a_refresh_token_is_traded_for_the_next() {
    given::<Account>([registered(), program_opened()]).when(trade(1, 2)).then([traded(2)]);
    given::<Account>([registered(), program_opened(), traded(2)])
        .when(trade(2, 3))
        .then([traded(3)]);
}

#[test]
fn the_same_trade_again_is_already_so() {
    given::<Account>([registered(), program_opened(), traded(2)]).when(trade(1, 2)).then_nothing();
}

#[test]
fn a_refresh_token_that_comes_again_ends_its_session() {
    let history = || [registered(), program_opened(), traded(2)];
    given::<Account>(history()).when(trade(1, 3)).then([reused(1)]);
    let account = Account::fold(&history().into_iter().chain([reused(1)]).collect::<Vec<_>>());
    assert!(!account.has_session(session(1), at(50)));
    assert_eq!(account.decide(trade(2, 4)), Err(AccountRejection::SessionOver));
}

#[test]
fn only_an_open_session_of_a_program_has_tokens() {
    let over = AccountRejection::SessionOver;
    given::<Account>([registered()]).when(trade(1, 2)).then_refused(over.clone());
    given::<Account>([registered(), opened(1, 0, 100)])
        .when(trade(1, 2))
        .then_refused(over.clone());
    let late = AccountCommand::RefreshToken {
        session: session(1),
        presented: refresh(1),
        next: refresh(2),
        now: at(100),
    };
    given::<Account>([registered(), program_opened()]).when(late).then_refused(over);
}

// === Passwords ===

#[test]
fn a_new_password_ends_every_other_session() {
    given::<Account>([registered(), opened(1, 0, 100), opened(2, 0, 100), opened(3, 0, 100)])
        .when(change_password("p", 2, 50))
        .then([password_changed(), revoked(1), revoked(3)]);
}

#[test]
fn a_new_password_needs_an_open_session_and_the_present_password() {
    let history = || [registered(), opened(1, 0, 100)];
    given::<Account>(history())
        .when(change_password("p", 1, 100))
        .then_refused(AccountRejection::SessionOver);
    given::<Account>(history().into_iter().chain([password_changed()]))
        .when(change_password("p", 1, 50))
        .then_refused(AccountRejection::PasswordChangedMeanwhile);
}

// === Erasure ===

#[test]
fn erasure_is_asked_for_and_then_confirmed() {
    let request = || AccountCommand::RequestErasure { claim: claim() };
    let confirm = || AccountCommand::ConfirmErasure;
    given::<Account>([]).when(request()).then_refused(AccountRejection::NotFound);
    given::<Account>([registered()])
        .when(confirm())
        .then_refused(AccountRejection::ErasureNotRequested);
    given::<Account>([registered()]).when(request()).then([erasure_requested()]);
    given::<Account>([registered(), erasure_requested()]).when(request()).then_nothing();
    given::<Account>([registered(), erasure_requested()]).when(confirm()).then([erased()]);
    given::<Account>([registered(), erasure_requested(), erased()]).when(confirm()).then_nothing();
}

#[test]
fn who_is_to_be_forgotten_is_signed_out_and_does_nothing_more() {
    let erasing = [registered(), opened(1, 0, 100), erasure_requested()];
    assert!(!Account::fold(&erasing).has_session(session(1), at(50)));
    let gone = [registered(), erasure_requested(), erased()];
    for history in [erasing, gone] {
        for command in [open(2), trade(1, 2), change_password("p", 1, 50)] {
            given::<Account>(history.clone()).when(command).then_refused(AccountRejection::Erased);
        }
        given::<Account>(history)
            .when(register())
            .then_refused(AccountRejection::AlreadyRegistered);
    }
}

#[test]
fn debug_shows_nothing_sealed() {
    assert_eq!(format!("{:?}", sealed("ann@example.com")), "Sealed(..)");
}
