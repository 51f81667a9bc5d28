//! A person who sells or buys, and where that person is signed in.

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use event::{AccountEvent, AccountRegistered, Sealed, SessionOpened, SessionRevoked};

use crate::Timestamp;
use crate::aggregate::Aggregate;
use crate::id::{AccountId, SessionId};

/// The state of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Account {
    #[default]
    Unregistered,
    Registered {
        email: Sealed,
        password: Sealed,
        /// Sessions that are neither revoked nor known to be over, with when they end.
        sessions: BTreeMap<SessionId, Timestamp>,
    },
}

impl Account {
    /// Whether a session is open at that moment.
    #[must_use]
    pub fn has_session(&self, session: SessionId, now: Timestamp) -> bool {
        match self {
            Self::Unregistered => false,
            Self::Registered { sessions, .. } => {
                sessions.get(&session).is_some_and(|expires_at| now < *expires_at)
            }
        }
    }
}

/// What can be asked of an account.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountCommand {
    Register { email: Sealed, password: Sealed },
    OpenSession { session: SessionId, now: Timestamp, expires_at: Timestamp },
    RevokeSession { session: SessionId },
}

/// Why an account refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRejection {
    #[error("Account not found")]
    NotFound,
    #[error("this account is registered already")]
    AlreadyRegistered,
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Id = AccountId;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Rejection = AccountRejection;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRejection> {
        match (command, self) {
            (AccountCommand::Register { email, password }, Self::Unregistered) => {
                Ok(vec![AccountEvent::AccountRegistered(AccountRegistered { email, password })])
            }
            (AccountCommand::Register { .. }, Self::Registered { .. }) => {
                Err(AccountRejection::AlreadyRegistered)
            }
            (
                AccountCommand::OpenSession { session, now, expires_at },
                Self::Registered { sessions, .. },
            ) => {
                if sessions.contains_key(&session) {
                    return Ok(Vec::new());
                }
                let opened = SessionOpened { session, opened_at: now, expires_at };
                Ok(vec![AccountEvent::SessionOpened(opened)])
            }
            (AccountCommand::RevokeSession { session }, Self::Registered { sessions, .. }) => {
                if !sessions.contains_key(&session) {
                    return Ok(Vec::new());
                }
                Ok(vec![AccountEvent::SessionRevoked(SessionRevoked { session })])
            }
            (
                AccountCommand::OpenSession { .. } | AccountCommand::RevokeSession { .. },
                Self::Unregistered,
            ) => Err(AccountRejection::NotFound),
        }
    }

    fn evolve(self, event: &AccountEvent) -> Self {
        match event {
            AccountEvent::AccountRegistered(AccountRegistered { email, password }) => {
                Self::Registered {
                    email: email.clone(),
                    password: password.clone(),
                    sessions: BTreeMap::new(),
                }
            }
            AccountEvent::SessionOpened(opened) => self.with_sessions(|sessions| {
                // Those that are over are forgotten here, or the state would grow for ever.
                sessions.retain(|_, expires_at| *expires_at > opened.opened_at);
                sessions.insert(opened.session, opened.expires_at);
            }),
            AccountEvent::SessionRevoked(revoked) => self.with_sessions(|sessions| {
                sessions.remove(&revoked.session);
            }),
        }
    }
}

impl Account {
    fn with_sessions(mut self, change: impl FnOnce(&mut BTreeMap<SessionId, Timestamp>)) -> Self {
        match &mut self {
            Self::Unregistered => {}
            Self::Registered { sessions, .. } => change(sessions),
        }
        self
    }
}
