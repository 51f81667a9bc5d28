//! What the HTTP sides ask about accounts, answered from the log and the vault.

use async_trait::async_trait;
use chrono::Utc;
use domain::Account;
use domain::id::{AccountId, SessionId};
use eventlog::{EventLog, LogError, Vault, VaultError};
use web::{Accounts, Unavailable};

/// Accounts as they stand in the log, with their addresses opened by the vault.
#[derive(Clone)]
pub struct LogAccounts {
    pub log: EventLog,
    pub vault: Vault,
}

#[async_trait]
impl Accounts for LogAccounts {
    async fn session_is_open(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<bool, Unavailable> {
        let account = self.account(account).await?;
        Ok(account.has_session(session, Utc::now()))
    }

    async fn email(&self, account: AccountId) -> Result<Option<String>, Unavailable> {
        let Account::Registered { email, .. } = self.account(account).await? else {
            return Ok(None);
        };
        match self.vault.open(account, "email", &email).await {
            Ok(email) => Ok(Some(email)),
            Err(VaultError::Erased) => Ok(None),
            Err(error @ (VaultError::Unavailable(_) | VaultError::Damaged)) => {
                tracing::warn!(account.id = %account, "cannot open an address: {error}");
                Err(Unavailable)
            }
        }
    }
}

impl LogAccounts {
    async fn account(&self, account: AccountId) -> Result<Account, Unavailable> {
        let loaded = self.log.load::<Account>(&account).await;
        loaded.map(|loaded| loaded.state).map_err(|error: LogError| {
            tracing::warn!(account.id = %account, "cannot load an account: {error}");
            Unavailable
        })
    }
}
