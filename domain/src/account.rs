//! A person who sells or buys, and where that person is signed in.
//!
//! Erasure goes in steps, each of which may be taken again after a crash: `RequestErasure` ends
//! every session; then the claim of the address is released and the person's key destroyed; then
//! `ConfirmErasure` says that it has been done.

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use event::{
    AccountEvent, AccountRegistered, ErasureRequested, Holder, PasswordChanged, PersonalDataErased,
    RefreshReused, Sealed, SessionOpened, SessionRevoked, TokenRefreshed,
};

use crate::Timestamp;
use crate::aggregate::Aggregate;
use crate::id::{AccountId, EmailClaimId, RefreshId, SessionId};

/// A person is signed in so many times at once; the session that would end first gives way to the
/// next. So a program that signs in again and again does not make the account grow without end, and
/// ending all sessions stays one append.
pub const SESSIONS_MAX: usize = 100;

/// One session in memory, with its share of the map.
const SESSION_BYTES: usize = 2 * size_of::<(SessionId, Session)>();

/// The state of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Account {
    #[default]
    Unregistered,
    Registered {
        email: Sealed,
        password: Sealed,
        /// Sessions that are neither revoked nor known to be over.
        sessions: BTreeMap<SessionId, Session>,
    },
    /// To be erased: the claim is to be released and the key to be destroyed.
    Erasing {
        claim: EmailClaimId,
    },
    Erased,
}

/// A browser or program that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub expires_at: Timestamp,
    pub access: Access,
}

/// How the holder of a session shows that it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Cookie,
    Tokens {
        /// The refresh token that is good now.
        current: RefreshId,
        /// The one it was traded for, none before the first trade.
        previous: Option<RefreshId>,
    },
}

impl Account {
    /// Whether a session is open at that moment.
    #[must_use]
    pub fn has_session(&self, session: SessionId, now: Timestamp) -> bool {
        match self {
            Self::Unregistered | Self::Erasing { .. } | Self::Erased => false,
            Self::Registered { sessions, .. } => {
                sessions.get(&session).is_some_and(|session| now < session.expires_at)
            }
        }
    }
}

/// What can be asked of an account.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountCommand {
    Register {
        email: Sealed,
        password: Sealed,
    },
    /// Gives the person a new password and ends every session but the one that asks.
    ChangePassword {
        /// The sealed hash that the person's present password was verified against.
        verified: Sealed,
        /// The hash of the new one, sealed.
        password: Sealed,
        /// The session that asks.
        session: SessionId,
        now: Timestamp,
    },
    /// Signs a browser in.
    OpenSession {
        /// The sealed hash that the password was verified against. It takes long to verify, and the
        /// password may have been changed meanwhile.
        verified: Sealed,
        session: SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    },
    /// Signs a program in, which then holds the refresh token of that name.
    OpenProgramSession {
        /// As for a browser.
        verified: Sealed,
        session: SessionId,
        refresh: RefreshId,
        now: Timestamp,
        expires_at: Timestamp,
    },
    /// Trades a refresh token for the next. Only tokens that were issued get this far: that is told
    /// by their signature. One that was traded before gives [`AccountEvent::RefreshReused`].
    RefreshToken {
        session: SessionId,
        presented: RefreshId,
        next: RefreshId,
        now: Timestamp,
    },
    RevokeSession {
        session: SessionId,
    },
    RequestErasure {
        /// The claim of the person's address.
        claim: EmailClaimId,
    },
    /// The claim is released and the key destroyed.
    ConfirmErasure,
}

/// Why an account refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRejection {
    #[error("Account not found")]
    NotFound,
    #[error("this account is registered already")]
    AlreadyRegistered,
    #[error("this account has been erased")]
    Erased,
    #[error("this session is over")]
    SessionOver,
    #[error("the password has been changed meanwhile")]
    PasswordChangedMeanwhile,
    #[error("nobody has asked to erase this account")]
    ErasureNotRequested,
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Id = AccountId;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Rejection = AccountRejection;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRejection> {
        match command {
            AccountCommand::Register { email, password } => self.register(email, password),
            AccountCommand::ChangePassword { verified, password, session, now } => {
                self.change_password(&verified, password, session, now)
            }
            AccountCommand::OpenSession { verified, session, now, expires_at } => {
                let holder = Holder::Browser;
                self.open(&verified, SessionOpened { session, opened_at: now, expires_at, holder })
            }
            AccountCommand::OpenProgramSession { verified, session, refresh, now, expires_at } => {
                let holder = Holder::Program { refresh };
                self.open(&verified, SessionOpened { session, opened_at: now, expires_at, holder })
            }
            AccountCommand::RefreshToken { session, presented, next, now } => {
                self.refresh(session, presented, next, now)
            }
            AccountCommand::RevokeSession { session } => self.revoke(session),
            AccountCommand::RequestErasure { claim } => self.request_erasure(claim),
            AccountCommand::ConfirmErasure => self.confirm_erasure(),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Unregistered | Self::Erasing { .. } | Self::Erased => 0,
            Self::Registered { email, password, sessions } => {
                email.0.len() + password.0.len() + sessions.len() * SESSION_BYTES
            }
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
            AccountEvent::PasswordChanged(changed) => match self {
                Self::Registered { email, sessions, .. } => {
                    Self::Registered { email, password: changed.password.clone(), sessions }
                }
                unchanged @ (Self::Unregistered | Self::Erasing { .. } | Self::Erased) => unchanged,
            },
            AccountEvent::SessionOpened(opened) => self.with_sessions(|sessions| {
                // Those that are over are forgotten here, or the state would grow for ever.
                sessions.retain(|_, session| session.expires_at > opened.opened_at);
                sessions.insert(opened.session, Session::new(opened));
            }),
            AccountEvent::TokenRefreshed(refreshed) => self.with_sessions(|sessions| {
                if let Some(session) = sessions.get_mut(&refreshed.session) {
                    session.access.rotate(refreshed.refresh);
                }
            }),
            AccountEvent::RefreshReused(RefreshReused { session, .. })
            | AccountEvent::SessionRevoked(SessionRevoked { session }) => {
                self.with_sessions(|sessions| {
                    sessions.remove(session);
                })
            }
            AccountEvent::ErasureRequested(ErasureRequested { claim }) => {
                Self::Erasing { claim: claim.clone() }
            }
            AccountEvent::PersonalDataErased(_) => Self::Erased,
        }
    }
}

// === The rules ===

impl Account {
    /// The password of a registered person, and the sessions.
    fn registered(&self) -> Result<(&Sealed, &BTreeMap<SessionId, Session>), AccountRejection> {
        match self {
            Self::Unregistered => Err(AccountRejection::NotFound),
            Self::Registered { password, sessions, .. } => Ok((password, sessions)),
            Self::Erasing { .. } | Self::Erased => Err(AccountRejection::Erased),
        }
    }

    fn register(
        &self,
        email: Sealed,
        password: Sealed,
    ) -> Result<Vec<AccountEvent>, AccountRejection> {
        match self {
            Self::Unregistered => {
                Ok(vec![AccountEvent::AccountRegistered(AccountRegistered { email, password })])
            }
            Self::Registered { .. } | Self::Erasing { .. } | Self::Erased => {
                Err(AccountRejection::AlreadyRegistered)
            }
        }
    }

    /// Whoever has learned the old password may be signed in with it, hence the revocations.
    fn change_password(
        &self,
        verified: &Sealed,
        password: Sealed,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Vec<AccountEvent>, AccountRejection> {
        let (present, sessions) = self.registered()?;
        if !self.has_session(session, now) {
            return Err(AccountRejection::SessionOver);
        }
        if present != verified {
            return Err(AccountRejection::PasswordChangedMeanwhile);
        }
        let others = sessions.keys().copied().filter(|other| *other != session);
        let revoked =
            others.map(|session| AccountEvent::SessionRevoked(SessionRevoked { session }));
        let changed = AccountEvent::PasswordChanged(PasswordChanged { password });
        Ok(std::iter::once(changed).chain(revoked).collect())
    }

    fn open(
        &self,
        verified: &Sealed,
        opened: SessionOpened,
    ) -> Result<Vec<AccountEvent>, AccountRejection> {
        let (present, sessions) = self.registered()?;
        if present != verified {
            return Err(AccountRejection::PasswordChangedMeanwhile);
        }
        if sessions.contains_key(&opened.session) {
            return Ok(Vec::new());
        }
        let open = sessions.iter().filter(|(_, session)| opened.opened_at < session.expires_at);
        let too_many = open.clone().count() >= SESSIONS_MAX;
        let oldest = open.min_by_key(|(_, session)| session.expires_at).filter(|_| too_many);
        let gives_way = oldest
            .map(|(session, _)| AccountEvent::SessionRevoked(SessionRevoked { session: *session }));
        Ok(gives_way.into_iter().chain([AccountEvent::SessionOpened(opened)]).collect())
    }

    fn refresh(
        &self,
        session: SessionId,
        presented: RefreshId,
        next: RefreshId,
        now: Timestamp,
    ) -> Result<Vec<AccountEvent>, AccountRejection> {
        let known = self.registered()?.1.get(&session).filter(|known| now < known.expires_at);
        let known = known.ok_or(AccountRejection::SessionOver)?;
        match known.access {
            Access::Cookie => Err(AccountRejection::SessionOver),
            // The same trade asked for again, because its answer was lost.
            Access::Tokens { current, previous }
                if previous == Some(presented) && current == next =>
            {
                Ok(Vec::new())
            }
            Access::Tokens { current, .. } if presented == current && next != current => {
                let refreshed = TokenRefreshed { session, refresh: next };
                Ok(vec![AccountEvent::TokenRefreshed(refreshed)])
            }
            Access::Tokens { .. } => {
                let reused = RefreshReused { session, refresh: presented };
                Ok(vec![AccountEvent::RefreshReused(reused)])
            }
        }
    }

    fn revoke(&self, session: SessionId) -> Result<Vec<AccountEvent>, AccountRejection> {
        if !self.registered()?.1.contains_key(&session) {
            return Ok(Vec::new());
        }
        Ok(vec![AccountEvent::SessionRevoked(SessionRevoked { session })])
    }

    fn request_erasure(&self, claim: EmailClaimId) -> Result<Vec<AccountEvent>, AccountRejection> {
        match self {
            Self::Unregistered => Err(AccountRejection::NotFound),
            Self::Registered { .. } => {
                Ok(vec![AccountEvent::ErasureRequested(ErasureRequested { claim })])
            }
            Self::Erasing { .. } | Self::Erased => Ok(Vec::new()),
        }
    }

    fn confirm_erasure(&self) -> Result<Vec<AccountEvent>, AccountRejection> {
        match self {
            Self::Unregistered => Err(AccountRejection::NotFound),
            Self::Registered { .. } => Err(AccountRejection::ErasureNotRequested),
            Self::Erasing { .. } => {
                Ok(vec![AccountEvent::PersonalDataErased(PersonalDataErased {})])
            }
            Self::Erased => Ok(Vec::new()),
        }
    }
}

// === What each event changes ===

impl Account {
    fn with_sessions(mut self, change: impl FnOnce(&mut BTreeMap<SessionId, Session>)) -> Self {
        match &mut self {
            Self::Unregistered | Self::Erasing { .. } | Self::Erased => {}
            Self::Registered { sessions, .. } => change(sessions),
        }
        self
    }
}

impl Session {
    fn new(opened: &SessionOpened) -> Self {
        let access = match opened.holder {
            Holder::Browser => Access::Cookie,
            Holder::Program { refresh } => Access::Tokens { current: refresh, previous: None },
        };
        Self { expires_at: opened.expires_at, access }
    }
}

impl Access {
    fn rotate(&mut self, next: RefreshId) {
        match self {
            Self::Cookie => {}
            Self::Tokens { current, previous } => {
                *previous = Some(*current);
                *current = next;
            }
        }
    }
}
