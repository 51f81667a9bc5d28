//! Which account has an e-mail address. A stream of its own per address, named by a keyed hash, so
//! that the first append wins and an address belongs to at most one account.

mod event;
#[cfg(test)]
mod tests;

pub use event::{EmailClaimEvent, EmailClaimed, EmailReleased};

use crate::aggregate::Aggregate;
use crate::id::{AccountId, EmailClaimId};

/// The state of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailClaim {
    #[default]
    Free,
    Taken {
        account: AccountId,
    },
}

/// What can be asked of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailClaimCommand {
    Claim { account: AccountId },
    Release { account: AccountId },
}

/// Why a claim is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailClaimRejection {
    #[error("Email in use")]
    Taken { account: AccountId },
}

impl Aggregate for EmailClaim {
    const CATEGORY: &'static str = "email";
    type Id = EmailClaimId;
    type Command = EmailClaimCommand;
    type Event = EmailClaimEvent;
    type Rejection = EmailClaimRejection;

    fn decide(
        &self,
        command: EmailClaimCommand,
    ) -> Result<Vec<EmailClaimEvent>, EmailClaimRejection> {
        match (command, *self) {
            (EmailClaimCommand::Claim { account }, Self::Free) => {
                Ok(vec![EmailClaimEvent::EmailClaimed(EmailClaimed { account })])
            }
            (EmailClaimCommand::Claim { account }, Self::Taken { account: owner }) => {
                if owner == account {
                    Ok(Vec::new())
                } else {
                    Err(EmailClaimRejection::Taken { account: owner })
                }
            }
            (EmailClaimCommand::Release { .. }, Self::Free) => Ok(Vec::new()),
            (EmailClaimCommand::Release { account }, Self::Taken { account: owner }) => {
                if owner == account {
                    Ok(vec![EmailClaimEvent::EmailReleased(EmailReleased { account })])
                } else {
                    Err(EmailClaimRejection::Taken { account: owner })
                }
            }
        }
    }

    fn evolve(self, event: &EmailClaimEvent) -> Self {
        match event {
            EmailClaimEvent::EmailClaimed(EmailClaimed { account }) => {
                Self::Taken { account: *account }
            }
            EmailClaimEvent::EmailReleased(_) => Self::Free,
        }
    }
}
