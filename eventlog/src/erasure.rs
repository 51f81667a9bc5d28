//! Forgetting a person. The person's key is destroyed, and with it everything that was sealed
//! under it, in the log and in every backup of the log.
//!
//! First the wish is put into the log; from then on the person can do nothing more. What is left is
//! [`finish`]: each of its steps may be the last one before a crash, and taking all of them again
//! changes nothing. A process manager does so for whoever broke off.

use domain::account::{AccountCommand, AccountRejection};
use domain::email::Email;
use domain::email_claim::{EmailClaimCommand, EmailClaimRejection};
use domain::id::{AccountId, CommandId, EmailClaimId};
use domain::{Account, Cause, EmailClaim, Position};
use uuid::Uuid;

use crate::{EventLog, ExecuteError, LogError, Vault, VaultError};

/// Why somebody is not erased, or not wholly yet.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    #[error("there is no such account")]
    NotFound,
    #[error("the account cannot be changed")]
    Account(#[from] ExecuteError<AccountRejection>),
    #[error("the address cannot be given back")]
    Claim(#[from] ExecuteError<EmailClaimRejection>),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Erases a person, or goes on where an erasure broke off. Gives the position of the last event.
///
/// # Errors
/// [`ErasureError`]; the same call may be made again.
pub async fn erase(
    log: &EventLog,
    vault: &Vault,
    account: AccountId,
    cause: &Cause,
) -> Result<Option<Position>, ErasureError> {
    let known = log.load::<Account>(&account).await?;
    match known.state {
        Account::Unregistered => Err(ErasureError::NotFound),
        Account::Registered { email, .. } => {
            let email = vault.open(account, "email", &email).await?;
            let email = Email::parse(&email).map_err(|_| VaultError::Damaged)?;
            let claim = vault.email_claim_id(&email).await?;
            let request = AccountCommand::RequestErasure { claim: claim.clone() };
            log.execute::<Account>(&account, request, &step(cause, "request-erasure")).await?;
            finish(log, vault, account, &claim, cause).await
        }
        Account::Erasing { claim } => finish(log, vault, account, &claim, cause).await,
        Account::Erased => Ok(known.position),
    }
}

/// What is left to do once the erasure has been asked for.
///
/// # Errors
/// [`ErasureError`]; the same call may be made again.
pub async fn finish(
    log: &EventLog,
    vault: &Vault,
    account: AccountId,
    claim: &EmailClaimId,
    cause: &Cause,
) -> Result<Option<Position>, ErasureError> {
    vault.erase(account).await?;
    let release = EmailClaimCommand::Release { account };
    match log.execute::<EmailClaim>(claim, release, &step(cause, "release-erased")).await {
        // Somebody else has taken the address since it was given back.
        Ok(_) | Err(ExecuteError::Rejected(EmailClaimRejection::Taken { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    let confirm = AccountCommand::ConfirmErasure;
    let confirming = step(cause, "confirm-erasure");
    Ok(log.execute::<Account>(&account, confirm, &confirming).await?.position)
}

fn step(cause: &Cause, name: &str) -> Cause {
    let command = CommandId(Uuid::new_v5(&cause.command.0, name.as_bytes()));
    Cause { command, ..cause.clone() }
}
