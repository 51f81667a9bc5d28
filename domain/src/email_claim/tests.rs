use uuid::Uuid;

use super::*;
use crate::testing::given;

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn claimed(number: u128) -> EmailClaimEvent {
    EmailClaimEvent::EmailClaimed(EmailClaimed { account: account(number) })
}

fn released(number: u128) -> EmailClaimEvent {
    EmailClaimEvent::EmailReleased(EmailReleased { account: account(number) })
}

fn claim(number: u128) -> EmailClaimCommand {
    EmailClaimCommand::Claim { account: account(number) }
}

fn release(number: u128) -> EmailClaimCommand {
    EmailClaimCommand::Release { account: account(number) }
}

#[test]
fn an_address_belongs_to_at_most_one_account() {
    given::<EmailClaim>([]).when(claim(1)).then([claimed(1)]);
    given::<EmailClaim>([claimed(1)]).when(claim(1)).then_nothing();
    given::<EmailClaim>([claimed(1)])
        .when(claim(2))
        .then_refused(EmailClaimRejection::Taken { account: account(1) });
}

#[test]
fn a_released_address_can_be_claimed_again() {
    given::<EmailClaim>([claimed(1)]).when(release(1)).then([released(1)]);
    given::<EmailClaim>([claimed(1), released(1)]).when(claim(2)).then([claimed(2)]);
    given::<EmailClaim>([]).when(release(1)).then_nothing();
}

#[test]
fn only_the_owner_releases_an_address() {
    given::<EmailClaim>([claimed(1)])
        .when(release(2))
        .then_refused(EmailClaimRejection::Taken { account: account(1) });
}
