//! Finishes what is begun to forget a person: whoever asked for it may have died on the way.

use std::time::Duration;

use domain::account::AccountEvent;
use domain::id::AccountId;
use domain::{Account, DomainEvent, Recorded};
use eventlog::erasure::ErasureError;
use eventlog::{EventLog, ExecuteError, LogError, Vault, VaultError};
use serde::{Deserialize, Serialize};

use crate::Dependencies;
use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, later,
};

/// Asking, destroying the key, giving the address back and confirming are four steps in two
/// places: this takes those that are left.
pub struct Erasure {
    log: EventLog,
    vault: Vault,
    grace: Duration,
}

/// Kept under the account's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Take the steps that are left.
    Finish { account: AccountId, origin: Origin },
}

impl Erasure {
    #[must_use]
    pub fn new(deps: &Dependencies) -> Self {
        let (log, vault) = (deps.log.clone(), deps.vault.clone());
        Self { log, vault, grace: deps.tuning.erasure_grace }
    }
}

impl ProcessManager for Erasure {
    const NAME: &'static str = "erasure";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        change(recorded, self.grace).into_iter().collect()
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        let Task::Finish { account, origin } = task;
        let Account::Erasing { claim } = self.log.load::<Account>(&account).await?.state else {
            return Ok(());
        };
        let cause = origin.cause(Self::NAME, "finish", clock.now());
        let finished =
            eventlog::erasure::finish(&self.log, &self.vault, account, &claim, &cause).await;
        finished.map(|_| ()).map_err(failed)
    }
}

fn change(recorded: &Recorded<DomainEvent>, grace: Duration) -> Option<Change<Task>> {
    let DomainEvent::Account(event) = &recorded.event else { return None };
    let key = aggregate_id(recorded)?;
    match event {
        AccountEvent::ErasureRequested(_) => {
            let task = Task::Finish { account: AccountId(key), origin: Origin::of(recorded) };
            Some(Change::Add { key, due: later(recorded.metadata.occurred_at, grace), task })
        }
        AccountEvent::PersonalDataErased(_) => Some(Change::Strike { key }),
        AccountEvent::AccountRegistered(_)
        | AccountEvent::PasswordChanged(_)
        | AccountEvent::SessionOpened(_)
        | AccountEvent::TokenRefreshed(_)
        | AccountEvent::RefreshReused(_)
        | AccountEvent::SessionRevoked(_) => None,
    }
}

fn failed(error: ErasureError) -> TaskError {
    let for_good = match &error {
        ErasureError::NotFound | ErasureError::Vault(VaultError::Erased | VaultError::Damaged) => {
            true
        }
        ErasureError::Account(error) => is_for_good(error),
        ErasureError::Claim(error) => is_for_good(error),
        ErasureError::Vault(VaultError::Unavailable(_) | VaultError::OtherMaster)
        | ErasureError::Log(_) => false,
    };
    if for_good { TaskError::permanent(error) } else { TaskError::transient(error) }
}

fn is_for_good<R>(error: &ExecuteError<R>) -> bool {
    match error {
        ExecuteError::Rejected(_) | ExecuteError::KeyReused => true,
        ExecuteError::Contended { .. }
        | ExecuteError::RevisionMismatch { .. }
        | ExecuteError::Log(
            LogError::Unavailable(_)
            | LogError::Overloaded
            | LogError::TooLate
            | LogError::Undecodable { .. }
            | LogError::Unencodable { .. }
            | LogError::Settings(_)
            | LogError::Refused(_),
        ) => false,
    }
}

#[cfg(test)]
mod tests;
