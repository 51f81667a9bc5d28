//! An address belongs to at most one account.

use domain::email_claim::{
    EmailClaimCommand, EmailClaimEvent, EmailClaimRejection, EmailClaimed, EmailReleased,
};
use domain::id::AccountId;
use domain::{Aggregate, EmailClaim};
use proptest::prelude::*;
use uuid::Uuid;

use crate::rules::{Decided, Rules};
use crate::witness::{Step, Witness, caught, upheld};

#[derive(Default)]
struct OneOwner {
    owner: Option<AccountId>,
}

impl Witness for OneOwner {
    type Of = EmailClaim;

    fn see(&mut self, step: &Step<'_, EmailClaim>) -> Result<(), String> {
        for event in step.events() {
            match event {
                EmailClaimEvent::EmailClaimed(claimed) => {
                    if let Some(owner) = self.owner.replace(claimed.account) {
                        return Err(format!("{owner} loses the address to {}", claimed.account));
                    }
                }
                EmailClaimEvent::EmailReleased(released) => {
                    if self.owner.take() != Some(released.account) {
                        return Err(format!("{} gives away what it has not", released.account));
                    }
                }
            }
        }
        Ok(())
    }
}

fn commands() -> impl Strategy<Value = Vec<EmailClaimCommand>> {
    let account = (1..4_u128).prop_map(|number| AccountId(Uuid::from_u128(number)));
    let command = (account, any::<bool>()).prop_map(|(account, claim)| {
        if claim {
            EmailClaimCommand::Claim { account }
        } else {
            EmailClaimCommand::Release { account }
        }
    });
    prop::collection::vec(command, 0..20)
}

#[test]
fn an_address_has_at_most_one_owner() {
    upheld::<OneOwner>(commands());
}

#[test]
fn a_claim_of_what_is_taken_is_noticed() {
    fn decide(state: &EmailClaim, command: EmailClaimCommand) -> Decided<EmailClaim> {
        match (state.decide(command), command) {
            (Err(EmailClaimRejection::Taken { .. }), EmailClaimCommand::Claim { account }) => {
                Ok(vec![EmailClaimEvent::EmailClaimed(EmailClaimed { account })])
            }
            (decided, _) => decided,
        }
    }
    caught::<OneOwner>(&Rules::deciding(decide), commands());
}

#[test]
fn a_release_by_somebody_else_is_noticed() {
    fn decide(state: &EmailClaim, command: EmailClaimCommand) -> Decided<EmailClaim> {
        match (state.decide(command), command) {
            (Err(EmailClaimRejection::Taken { .. }), EmailClaimCommand::Release { account }) => {
                let released = EmailReleased { account };
                Ok(vec![EmailClaimEvent::EmailReleased(released)])
            }
            (decided, _) => decided,
        }
    }
    caught::<OneOwner>(&Rules::deciding(decide), commands());
}
