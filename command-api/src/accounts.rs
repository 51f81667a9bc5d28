//! What the HTTP sides ask about accounts, answered from the log and the vault.

use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use domain::Account;
use domain::id::{AccountId, SessionId};
use eventlog::{EventLog, Loaded, LogError, Vault, VaultError};
use web::{Accounts, Unavailable};

/// A session that was ended in another process counts as open for at most so long. So not every
/// request has to ask the log; what this process ends is ended at once.
const SESSION_SEEN_WITHIN: Duration = Duration::from_secs(1);

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
        let loaded = self.log.load_within::<Account>(&account, SESSION_SEEN_WITHIN).await;
        Ok(known(account, loaded)?.has_session(session, Utc::now()))
    }

    async fn email(&self, account: AccountId) -> Result<Option<String>, Unavailable> {
        let loaded = self.log.load::<Account>(&account).await;
        let Account::Registered { email, .. } = known(account, loaded)? else {
            return Ok(None);
        };
        match self.vault.open(account, "email", &email).await {
            Ok(email) => Ok(Some(email)),
            Err(VaultError::Erased) => Ok(None),
            Err(
                error
                @ (VaultError::Unavailable(_) | VaultError::Damaged | VaultError::OtherMaster),
            ) => {
                tracing::warn!(account.id = %account, "cannot open an address: {error}");
                Err(Unavailable)
            }
        }
    }
}

fn known(
    account: AccountId,
    loaded: Result<Loaded<Account>, LogError>,
) -> Result<Account, Unavailable> {
    loaded.map(|loaded| loaded.state).map_err(|error| {
        tracing::warn!(account.id = %account, "cannot load an account: {error}");
        Unavailable
    })
}
