//! A person is forgotten, whatever was cut off in the middle.

use domain::account::AccountCommand;
use domain::email::Email;
use domain::email_claim::EmailClaimCommand;
use domain::id::AccountId;
use domain::{Account, EmailClaim};
use eventlog::VaultError;
use uuid::Uuid;

use crate::world::{World, eventually};

/// Leaves an erasure where a crash after that many of its steps would.
async fn broken_off_after(world: &World, steps: usize) -> (AccountId, Email) {
    let account = AccountId(Uuid::new_v4());
    let email = Email::parse(&format!("{account}@example.com")).unwrap();
    let claim = world.vault.email_claim_id(&email).await.unwrap();
    world.execute::<EmailClaim>(&claim, EmailClaimCommand::Claim { account }).await;
    let register = AccountCommand::Register {
        email: world.vault.seal(account, "email", email.as_str()).await.unwrap(),
        password: world.vault.seal(account, "password", "hash").await.unwrap(),
    };
    world.execute::<Account>(&account, register).await;
    let request = AccountCommand::RequestErasure { claim: claim.clone() };
    world.execute::<Account>(&account, request).await;
    if steps > 1 {
        world.vault.erase(account).await.unwrap();
    }
    if steps > 2 {
        world.execute::<EmailClaim>(&claim, EmailClaimCommand::Release { account }).await;
    }
    (account, email)
}

#[tokio::test]
async fn an_erasure_that_broke_off_after_any_step_is_finished() {
    let world = World::new().await;
    let mut people = Vec::new();
    for steps in 1..=3 {
        people.push(broken_off_after(&world, steps).await);
    }
    let _working = world.start();
    for (account, email) in people {
        eventually("erased", async || {
            world.log.load::<Account>(&account).await.unwrap().state == Account::Erased
        })
        .await;
        let sealed = world.vault.seal(account, "email", email.as_str()).await;
        assert!(matches!(sealed, Err(VaultError::Erased)));
        let claim = world.vault.email_claim_id(&email).await.unwrap();
        let claim = world.log.load::<EmailClaim>(&claim).await.unwrap().state;
        assert_eq!(claim, EmailClaim::Free);
    }
    world.until_idle().await;
}

#[tokio::test]
async fn an_erasure_waits_for_the_log_and_is_finished_when_it_is_back() {
    let mut world = World::new().await;
    let (account, _) = broken_off_after(&world, 1).await;
    world.server.stop().await;
    let working = world.start();
    world.server.restart().await;
    eventually("erased", async || {
        world.log.load::<Account>(&account).await.is_ok_and(|it| it.state == Account::Erased)
    })
    .await;
    assert!(!working.is_over());
}
