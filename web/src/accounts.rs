//! What the HTTP sides ask about accounts, whoever knows it.

use async_trait::async_trait;
use domain::id::{AccountId, SessionId};

/// Answers about accounts, from the log and the vault.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// False: revoked, expired or unknown.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be known now.
    async fn session_is_open(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<bool, Unavailable>;

    /// The address of an account; none when there is no such account or it has been erased.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be known now.
    async fn email(&self, account: AccountId) -> Result<Option<String>, Unavailable>;
}

/// The log or the vault is away; the request may be made again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accounts cannot be looked up now")]
pub struct Unavailable;
