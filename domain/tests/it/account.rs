//! Sessions, refresh tokens and erasure of an account.

use std::collections::BTreeMap;

use domain::account::{
    AccountCommand, AccountEvent, AccountRejection, Holder, PasswordChanged, PersonalDataErased,
    Sealed, SessionOpened, TokenRefreshed,
};
use domain::id::{EmailClaimId, RefreshId, SessionId};
use domain::{Account, Aggregate, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::rules::{Decided, Rules};
use crate::witness::{Step, Witness, caught, upheld};

const SESSION_SECONDS: i64 = 20;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(second, 0).unwrap()
}

fn refresh_id(number: u128) -> RefreshId {
    RefreshId(Uuid::from_u128(number))
}

fn sealed(number: u8) -> Sealed {
    Sealed(number.to_string())
}

fn claim() -> EmailClaimId {
    EmailClaimId("c1".to_owned())
}

/// What is asked, before it is known when.
#[derive(Clone, Debug)]
enum Wish {
    Open { verified: u8 },
    OpenProgram { verified: u8, refresh: u128 },
    Refresh { presented: u128, next: u128 },
    Revoke,
    ChangePassword { verified: u8, password: u8 },
    RequestErasure,
    ConfirmErasure,
}

fn command(wish: &Wish, session: SessionId, second: i64) -> AccountCommand {
    let (now, expires_at) = (at(second), at(second + SESSION_SECONDS));
    match *wish {
        Wish::Open { verified } => {
            let verified = sealed(verified);
            AccountCommand::OpenSession { verified, session, now, expires_at }
        }
        Wish::OpenProgram { verified, refresh } => {
            let (verified, refresh) = (sealed(verified), refresh_id(refresh));
            AccountCommand::OpenProgramSession { verified, session, refresh, now, expires_at }
        }
        Wish::Refresh { presented, next } => AccountCommand::RefreshToken {
            session,
            presented: refresh_id(presented),
            next: refresh_id(next),
            now,
        },
        Wish::Revoke => AccountCommand::RevokeSession { session },
        Wish::ChangePassword { verified, password } => AccountCommand::ChangePassword {
            verified: sealed(verified),
            password: sealed(password),
            session,
            now,
        },
        Wish::RequestErasure => AccountCommand::RequestErasure { claim: claim() },
        Wish::ConfirmErasure => AccountCommand::ConfirmErasure,
    }
}

/// Time goes on from one command to the next.
fn commands() -> impl Strategy<Value = Vec<AccountCommand>> {
    let wish = prop_oneof![
        4 => (0..2_u8).prop_map(|verified| Wish::Open { verified }),
        6 => (0..2_u8, 1..4_u128)
            .prop_map(|(verified, refresh)| Wish::OpenProgram { verified, refresh }),
        8 => (1..4_u128, 1..6_u128).prop_map(|(presented, next)| Wish::Refresh { presented, next }),
        2 => Just(Wish::Revoke),
        3 => (0..2_u8, 0..2_u8)
            .prop_map(|(verified, password)| Wish::ChangePassword { verified, password }),
        1 => Just(Wish::RequestErasure),
        1 => Just(Wish::ConfirmErasure),
    ];
    let session = (1..4_u128).prop_map(|number| SessionId(Uuid::from_u128(number)));
    prop::collection::vec((wish, session, 0..4_i64), 0..40).prop_map(|wishes| {
        let register = AccountCommand::Register { email: sealed(0), password: sealed(0) };
        let mut second = 0;
        let asked = wishes.into_iter().map(|(wish, session, passed)| {
            second += passed;
            command(&wish, session, second)
        });
        std::iter::once(register).chain(asked.collect::<Vec<_>>()).collect()
    })
}

fn now(command: &AccountCommand) -> Option<Timestamp> {
    match command {
        AccountCommand::OpenSession { now, .. }
        | AccountCommand::OpenProgramSession { now, .. }
        | AccountCommand::RefreshToken { now, .. }
        | AccountCommand::ChangePassword { now, .. } => Some(*now),
        _ => None,
    }
}

// === A session is open from its opening until its end, and no longer ===

#[derive(Default)]
struct Sessions {
    /// Those nobody has ended, with when they end by themselves.
    open: BTreeMap<SessionId, Timestamp>,
    /// For programs: the token that is good, and the one before.
    tokens: BTreeMap<SessionId, (RefreshId, Option<RefreshId>)>,
}

impl Witness for Sessions {
    type Of = Account;

    fn see(&mut self, step: &Step<'_, Account>) -> Result<(), String> {
        let now = now(step.command);
        if step.decided.is_ok() {
            self.note(step, now.unwrap_or_default())?;
        }
        let Some(now) = now else { return Ok(()) };
        for number in 1..4 {
            let session = SessionId(Uuid::from_u128(number));
            let open = self.open.get(&session).is_some_and(|expires_at| now < *expires_at);
            if step.after.has_session(session, now) != open {
                return Err(format!("session {number} is open: {}", !open));
            }
        }
        Ok(())
    }
}

impl Sessions {
    /// What an accepted command must have come to.
    fn note(&mut self, step: &Step<'_, Account>, now: Timestamp) -> Result<(), String> {
        match step.command {
            // The same session again is already so.
            AccountCommand::OpenSession { .. } | AccountCommand::OpenProgramSession { .. }
                if step.events().is_empty() => {}
            AccountCommand::OpenSession { session, expires_at, .. } => {
                self.open.insert(*session, *expires_at);
            }
            AccountCommand::OpenProgramSession { session, refresh, expires_at, .. } => {
                self.open.insert(*session, *expires_at);
                self.tokens.insert(*session, (*refresh, None));
            }
            AccountCommand::RefreshToken { session, presented, next, .. } => {
                if self.open.get(session).is_none_or(|expires_at| now >= *expires_at) {
                    return Err("a token of a session that is over was good".to_owned());
                }
                let (current, previous) = self.tokens[session];
                let asked_again = previous == Some(*presented) && current == *next;
                if current == *presented && next != presented {
                    self.tokens.insert(*session, (*next, Some(current)));
                } else if !asked_again {
                    self.open.remove(session);
                }
            }
            AccountCommand::RevokeSession { session } => {
                self.open.remove(session);
            }
            AccountCommand::ChangePassword { session, .. } => {
                self.open.retain(|other, _| other == session);
            }
            AccountCommand::RequestErasure { .. } | AccountCommand::ConfirmErasure => {
                self.open.clear();
            }
            AccountCommand::Register { .. } => {}
        }
        self.tokens.retain(|session, _| self.open.contains_key(session));
        Ok(())
    }
}

#[test]
fn a_session_is_open_until_its_end_and_no_longer() {
    upheld::<Sessions>(commands());
}

#[test]
fn a_refresh_token_that_is_good_twice_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        let next = match &command {
            AccountCommand::RefreshToken { next, .. } => Some(*next),
            _ => None,
        };
        let events = state.decide(command)?;
        Ok(match (&*events, next) {
            ([AccountEvent::RefreshReused(reused)], Some(refresh)) => {
                let session = reused.session;
                vec![AccountEvent::TokenRefreshed(TokenRefreshed { session, refresh })]
            }
            _ => events,
        })
    }
    caught::<Sessions>(&Rules::deciding(decide), commands());
}

#[test]
fn a_reuse_that_ends_nothing_is_noticed() {
    fn evolve(state: Account, event: &AccountEvent) -> Account {
        match event {
            AccountEvent::RefreshReused(_) => state,
            _ => state.evolve(event),
        }
    }
    caught::<Sessions>(&Rules::evolving(evolve), commands());
}

#[test]
fn a_password_change_that_leaves_others_signed_in_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        let mut events = state.decide(command)?;
        if matches!(&*events, [AccountEvent::PasswordChanged(_), ..]) {
            events.truncate(1);
        }
        Ok(events)
    }
    caught::<Sessions>(&Rules::deciding(decide), commands());
}

#[test]
fn a_session_without_an_end_is_noticed() {
    fn evolve(state: Account, event: &AccountEvent) -> Account {
        match event {
            AccountEvent::SessionOpened(opened) => {
                let expires_at = Timestamp::MAX_UTC;
                state.evolve(&AccountEvent::SessionOpened(SessionOpened {
                    expires_at,
                    ..opened.clone()
                }))
            }
            _ => state.evolve(event),
        }
    }
    caught::<Sessions>(&Rules::evolving(evolve), commands());
}

// === Who is to be forgotten does nothing more, and then is nobody ===

#[derive(Default)]
struct Erasure {
    requested: bool,
    erased: bool,
}

impl Witness for Erasure {
    type Of = Account;

    fn see(&mut self, step: &Step<'_, Account>) -> Result<(), String> {
        for event in step.events() {
            if self.erased {
                return Err("an erased account lives on".to_owned());
            }
            match event {
                AccountEvent::ErasureRequested(_) => self.requested = true,
                AccountEvent::PersonalDataErased(_) if self.requested => self.erased = true,
                AccountEvent::PersonalDataErased(_) => {
                    return Err("erased without being asked".to_owned());
                }
                _ if self.requested => {
                    return Err("an account that is to be erased goes on".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn nothing_is_accepted_after_erasure() {
    upheld::<Erasure>(commands());
}

#[test]
fn a_session_after_erasure_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        match (state.decide(command.clone()), command) {
            (
                Err(AccountRejection::Erased),
                AccountCommand::OpenSession { session, now, expires_at, .. },
            ) => Ok(vec![AccountEvent::SessionOpened(SessionOpened {
                session,
                opened_at: now,
                expires_at,
                holder: Holder::Browser,
            })]),
            (decided, _) => decided,
        }
    }
    caught::<Erasure>(&Rules::deciding(decide), commands());
}

#[test]
fn an_erasure_nobody_asked_for_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        match state.decide(command) {
            Err(AccountRejection::ErasureNotRequested) => {
                let erased = PersonalDataErased {};
                Ok(vec![AccountEvent::PersonalDataErased(erased)])
            }
            decided => decided,
        }
    }
    caught::<Erasure>(&Rules::deciding(decide), commands());
}

// === Sessions and new passwords need the present one ===

#[derive(Default)]
struct Passwords {
    password: Option<Sealed>,
}

impl Witness for Passwords {
    type Of = Account;

    fn see(&mut self, step: &Step<'_, Account>) -> Result<(), String> {
        for event in step.events() {
            match (event, step.command) {
                (AccountEvent::AccountRegistered(registered), _) => {
                    let before = self.password.replace(registered.password.clone());
                    if before.is_some() {
                        return Err("registered twice".to_owned());
                    }
                }
                (
                    AccountEvent::PasswordChanged(changed),
                    AccountCommand::ChangePassword { verified, session, now, .. },
                ) => {
                    let before = self.password.replace(changed.password.clone());
                    if before.as_ref() != Some(verified) {
                        return Err("changed by somebody who knows another password".to_owned());
                    }
                    if !step.before.has_session(*session, *now) {
                        return Err("changed by somebody who is not signed in".to_owned());
                    }
                }
                (
                    AccountEvent::SessionOpened(_),
                    AccountCommand::OpenSession { verified, .. }
                    | AccountCommand::OpenProgramSession { verified, .. },
                ) if self.password.as_ref() == Some(verified) => {}
                (AccountEvent::SessionOpened(_), _) => {
                    return Err("signed in by a password that is over".to_owned());
                }
                (AccountEvent::PasswordChanged(_), _) => {
                    return Err("changed by the way".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn a_new_password_needs_the_present_one_and_a_session() {
    upheld::<Passwords>(commands());
}

#[test]
fn a_change_by_somebody_with_an_old_password_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        match (state.decide(command.clone()), command) {
            (
                Err(AccountRejection::PasswordChangedMeanwhile),
                AccountCommand::ChangePassword { password, .. },
            ) => {
                let changed = PasswordChanged { password };
                Ok(vec![AccountEvent::PasswordChanged(changed)])
            }
            (decided, _) => decided,
        }
    }
    caught::<Passwords>(&Rules::deciding(decide), commands());
}

#[test]
fn a_sign_in_by_a_password_that_is_over_is_noticed() {
    fn decide(state: &Account, command: AccountCommand) -> Decided<Account> {
        match (state.decide(command.clone()), command) {
            (
                Err(AccountRejection::PasswordChangedMeanwhile),
                AccountCommand::OpenSession { session, now, expires_at, .. },
            ) => Ok(vec![AccountEvent::SessionOpened(SessionOpened {
                session,
                opened_at: now,
                expires_at,
                holder: Holder::Browser,
            })]),
            (decided, _) => decided,
        }
    }
    caught::<Passwords>(&Rules::deciding(decide), commands());
}
