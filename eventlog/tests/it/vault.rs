use domain::account::Sealed;
use domain::email::Email;
use domain::id::AccountId;
use eventlog::{Vault, VaultError};
use futures::future::join_all;
use local_services::testing::TestDatabase;
use sqlx::PgPool;
use uuid::Uuid;

const MASTER_KEY: [u8; 32] = [7; 32];

struct Setting {
    vault: Vault,
    pool: PgPool,
    _database: TestDatabase,
}

async fn setting() -> Setting {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    let vault = Vault::new(pool.clone(), &MASTER_KEY);
    vault.install().await.unwrap();
    Setting { vault, pool, _database: database }
}

fn person() -> AccountId {
    AccountId(Uuid::new_v4())
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_opens_here_and_in_another_process() {
    let Setting { vault, pool, .. } = &setting().await;
    let ann = person();
    let sealed = vault.seal(ann, "email", "ann@example.com").await.unwrap();
    assert!(sealed.0.starts_with("v1."), "{}", sealed.0);
    assert!(!sealed.0.contains("ann"));
    assert_ne!(vault.seal(ann, "email", "ann@example.com").await.unwrap(), sealed);
    for vault in [vault, &Vault::new(pool.clone(), &MASTER_KEY)] {
        assert_eq!(vault.open(ann, "email", &sealed).await.unwrap(), "ann@example.com");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_text_opens_for_its_person_and_field_only() {
    let Setting { vault, pool, .. } = &setting().await;
    let (ann, bob) = (person(), person());
    let sealed = vault.seal(ann, "email", "ann@example.com").await.unwrap();
    vault.seal(bob, "email", "bob@example.com").await.unwrap();
    let damaged = async |vault: &Vault, person, field, sealed: &Sealed| {
        let opened = vault.open(person, field, sealed).await;
        matches!(opened, Err(VaultError::Damaged))
    };
    assert!(damaged(vault, bob, "email", &sealed).await, "another person's");
    assert!(damaged(vault, person(), "email", &sealed).await, "a person without a key");
    assert!(damaged(vault, ann, "password", &sealed).await, "another field's");
    let other = Vault::new(pool.clone(), &[8; 32]);
    let opened = other.open(ann, "email", &sealed).await;
    assert!(matches!(opened, Err(VaultError::OtherMaster)), "{opened:?}");

    let mut changed = sealed.0.clone();
    let last = if changed.pop() == Some('0') { '1' } else { '0' };
    changed.push(last);
    for text in [changed.as_str(), "", "v1.", "v1.zz", "v1.00", "v2.00", &sealed.0[3..]] {
        assert!(damaged(vault, ann, "email", &Sealed(text.to_owned())).await, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_seal_for_a_new_person_at_once_use_one_key() {
    let Setting { vault, pool, .. } = &setting().await;
    let ann = person();
    let vaults: Vec<_> = (0..8).map(|_| Vault::new(pool.clone(), &MASTER_KEY)).collect();
    let sealed = join_all(vaults.iter().map(|it| it.seal(ann, "email", "ann@example.com"))).await;
    for sealed in sealed {
        assert_eq!(vault.open(ann, "email", &sealed.unwrap()).await.unwrap(), "ann@example.com");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_person_can_be_opened_or_sealed() {
    let Setting { vault, pool, .. } = &setting().await;
    let ann = person();
    let sealed = vault.seal(ann, "email", "ann@example.com").await.unwrap();
    let (never_seen, other) = (person(), Vault::new(pool.clone(), &MASTER_KEY));
    for erased in [ann, ann, never_seen] {
        vault.erase(erased).await.unwrap();
    }
    for vault in [vault, &other] {
        assert!(matches!(vault.open(ann, "email", &sealed).await, Err(VaultError::Erased)));
        assert!(matches!(vault.seal(ann, "email", "x").await, Err(VaultError::Erased)));
        assert!(matches!(vault.seal(never_seen, "email", "x").await, Err(VaultError::Erased)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_known_people_go_on_and_others_are_told() {
    let Setting { vault, pool, .. } = &setting().await;
    let ann = person();
    let sealed = vault.seal(ann, "email", "ann@example.com").await.unwrap();
    pool.close().await;
    assert_eq!(vault.open(ann, "email", &sealed).await.unwrap(), "ann@example.com");
    let error = vault.open(person(), "email", &sealed).await.unwrap_err();
    assert!(matches!(error, VaultError::Unavailable(_)), "{error}");
    assert!(vault.install().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_s_name_is_one_for_a_mailbox_and_tells_nothing_without_the_key() {
    let Setting { vault, pool, .. } = &setting().await;
    let name = async |vault: &Vault, text| vault.email_claim_id(&email(text)).await.unwrap();
    let id = name(vault, " Ann@Example.com").await;
    assert_eq!(id, name(vault, "ann@example.com").await);
    assert_eq!(id, name(&Vault::new(pool.clone(), &MASTER_KEY), "ann@example.com").await);
    assert_ne!(id, name(vault, "bob@example.com").await);
    assert_eq!(id.0.len(), 64);
    assert!(id.0.bytes().all(|byte| byte.is_ascii_hexdigit()));

    let other = TestDatabase::create().await;
    let elsewhere = Vault::new(PgPool::connect(other.url()).await.unwrap(), &[8; 32]);
    elsewhere.install().await.unwrap();
    assert_ne!(id, name(&elsewhere, "ann@example.com").await);
}
