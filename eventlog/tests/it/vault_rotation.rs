//! Changing the key that wraps the keys of persons.

use domain::account::Sealed;
use domain::email::Email;
use domain::id::AccountId;
use eventlog::vault::{Census, Rewrapped};
use eventlog::{MasterKeys, Vault, VaultError};
use local_services::testing::TestDatabase;
use sqlx::PgPool;
use uuid::Uuid;

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

/// What an earlier version has left, which knew one master key ([`OLD`]) and noted it nowhere.
const EARLIER: &str = "
create schema vault;
create table vault.person_key (
    person uuid primary key,
    wrapped bytea,
    created_at timestamptz not null,
    erased_at timestamptz,
    check ((wrapped is null) = (erased_at is not null))
);
insert into vault.person_key values ('019a7c9e-0000-7000-8000-000000000001', decode(
    '000102030405060708090a0b8cb7dcf075b9607442bb6888a6f13d5a0dfa7fc5cc0b107b5a8ea59d40bed853c508d3e4f7e9a7fdaab6ae9dad74fc8b',
    'hex'), now(), null);
";
const ANN: &str = "019a7c9e-0000-7000-8000-000000000001";
const SEALED_EMAIL: &str =
    "v1.0c0d0e0f1011121314151617f99007981a0e9d3e47462dfbf2e44b5f6e3ecafbd17d8dbfbf85f4bf9e307a";
const CLAIM: &str = "095c8c6646ca8d2475a7191fe63eb1a4d857c6fce7043d75d1ec6c75a73d0235";

async fn database() -> (TestDatabase, PgPool) {
    let database = TestDatabase::create().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    (database, pool)
}

fn old_and_new() -> MasterKeys {
    MasterKeys::new(&NEW, &[OLD])
}

async fn sealed(vault: &Vault, count: usize) -> Vec<(AccountId, Sealed)> {
    let mut sealed = Vec::with_capacity(count);
    for _ in 0..count {
        let person = AccountId(Uuid::new_v4());
        sealed.push((person, vault.seal(person, "email", "ann@example.com").await.unwrap()));
    }
    sealed
}

async fn all_open(vault: &Vault, sealed: &[(AccountId, Sealed)]) {
    for (person, text) in sealed {
        assert_eq!(vault.open(*person, "email", text).await.unwrap(), "ann@example.com");
    }
}

async fn claim(vault: &Vault) -> String {
    vault.email_claim_id(&Email::parse("ann@example.com").unwrap()).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_has_sealed_and_claimed_stays_so_under_a_new_key() {
    let (_database, pool) = database().await;
    sqlx::raw_sql(EARLIER).execute(&pool).await.unwrap();
    let ann = AccountId(ANN.parse().unwrap());
    let email = Sealed(SEALED_EMAIL.to_owned());
    let vault = Vault::new(pool.clone(), old_and_new());
    vault.install().await.unwrap();
    assert_eq!(claim(&vault).await, CLAIM, "by the key that is in use, not by the newest");
    assert_eq!(vault.open(ann, "email", &email).await.unwrap(), "ann@example.com");
    assert_eq!(vault.rewrap().await.unwrap(), Rewrapped { keys: 1, not_opened: Vec::new() });

    let later = Vault::new(pool, &NEW);
    later.install().await.unwrap();
    assert_eq!(later.open(ann, "email", &email).await.unwrap(), "ann@example.com");
    assert_eq!(claim(&later).await, CLAIM);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_can_go_when_everything_is_wrapped_anew() {
    let (_database, pool) = database().await;
    let vault = Vault::new(pool.clone(), &OLD);
    vault.install().await.unwrap();
    let before = sealed(&vault, 3).await;
    let name = claim(&vault).await;

    let both = Vault::new(pool.clone(), old_and_new());
    both.install().await.unwrap();
    let meanwhile = sealed(&both, 2).await;
    // A process that has not been told of the new key yet cannot open what it wraps.
    let told = Vault::new(pool.clone(), MasterKeys::new(&OLD, &[NEW]));
    all_open(&told, &meanwhile).await;
    assert_eq!(both.census().await.unwrap(), Census { newest: 2, older: 4, not_opened: 0 });
    assert_eq!(both.rewrap().await.unwrap(), Rewrapped { keys: 4, not_opened: Vec::new() });
    assert_eq!(both.rewrap().await.unwrap(), Rewrapped::default(), "there is nothing left to do");

    let later = Vault::new(pool.clone(), &NEW);
    assert_eq!(later.census().await.unwrap(), Census { newest: 6, older: 0, not_opened: 0 });
    all_open(&later, &before).await;
    all_open(&later, &meanwhile).await;
    assert_eq!(claim(&later).await, name);
    let (person, text) = &before[0];
    let gone = Vault::new(pool, &OLD);
    assert_eq!(gone.census().await.unwrap(), Census { newest: 0, older: 0, not_opened: 6 });
    for refused in [gone.install().await, gone.open(*person, "email", text).await.map(drop)] {
        assert!(matches!(refused, Err(VaultError::OtherMaster)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_off_in_the_middle_it_goes_on_when_it_is_called_again() {
    let (_database, pool) = database().await;
    let vault = Vault::new(pool.clone(), &OLD);
    vault.install().await.unwrap();
    let mut people = sealed(&vault, 520).await;
    people.sort_by_key(|(person, _)| person.0);
    let both = Vault::new(pool.clone(), old_and_new());

    // The last one is out of reach, so the second batch fails.
    let mut holding = pool.begin().await.unwrap();
    let hold = "select from vault.person_key where person = $1 for update";
    sqlx::query(hold).bind(people[519].0.0).execute(&mut *holding).await.unwrap();
    let broken = both.rewrap().await;
    assert!(matches!(broken, Err(VaultError::Unavailable(_))), "{broken:?}");
    assert_eq!(both.census().await.unwrap(), Census { newest: 501, older: 20, not_opened: 0 });
    all_open(&Vault::new(pool.clone(), old_and_new()), &people).await;

    holding.rollback().await.unwrap();
    assert_eq!(both.rewrap().await.unwrap(), Rewrapped { keys: 20, not_opened: Vec::new() });
    all_open(&Vault::new(pool, &NEW), &people).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_meanwhile_stays_erased() {
    let (_database, pool) = database().await;
    let vault = Vault::new(pool.clone(), &OLD);
    vault.install().await.unwrap();
    let people = sealed(&vault, 3).await;
    let both = Vault::new(pool.clone(), old_and_new());
    let mut erasing = pool.begin().await.unwrap();
    let erase = "update vault.person_key set wrapped = null, erased_at = now() where person = $1";
    sqlx::query(erase).bind(people[0].0.0).execute(&mut *erasing).await.unwrap();
    let (rewrapped, ()) = tokio::join!(both.rewrap(), async {
        let waits = "select exists (select from pg_stat_activity
                     where wait_event_type = 'Lock' and datname = current_database())";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
            tokio::task::yield_now().await;
        }
        erasing.commit().await.unwrap();
    });
    assert_eq!(rewrapped.unwrap(), Rewrapped { keys: 3, not_opened: Vec::new() });
    let later = Vault::new(pool, &NEW);
    let (person, text) = &people[0];
    assert!(matches!(later.open(*person, "email", text).await, Err(VaultError::Erased)));
    all_open(&later, &people[1..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_none_opens_is_named_and_left_as_it_is() {
    let (_database, pool) = database().await;
    let vault = Vault::new(pool.clone(), &OLD);
    vault.install().await.unwrap();
    let people = sealed(&vault, 1).await;
    let strange = Vault::new(pool.clone(), MasterKeys::new(&[9; 32], &[OLD]));
    let theirs = sealed(&strange, 1).await;
    let both = Vault::new(pool.clone(), old_and_new());
    let expected = Rewrapped { keys: 2, not_opened: vec![theirs[0].0] };
    assert_eq!(both.rewrap().await.unwrap(), expected);
    assert_eq!(both.census().await.unwrap(), Census { newest: 2, older: 0, not_opened: 1 });
    all_open(&both, &people).await;
    all_open(&strange, &theirs).await;
}
