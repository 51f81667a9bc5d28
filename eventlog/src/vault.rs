//! Personal data sealed under a key per person. Erasing the key erases the person.
//!
//! A person's key is random, lies in Postgres wrapped under the master key, and is made when the
//! first of the person's data is sealed. A sealed text is bound to its person and its field: it
//! opens nowhere else. All encryption is AES-256-GCM with random nonces.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use domain::account::Sealed;
use domain::email::Email;
use domain::id::{AccountId, EmailClaimId};
use moka::future::Cache;
use sqlx::{PgPool, Row};

const TABLES: &str = "
create schema if not exists vault;
create table if not exists vault.person_key (
    person uuid primary key,
    wrapped bytea,
    created_at timestamptz not null,
    erased_at timestamptz,
    check ((wrapped is null) = (erased_at is not null))
);
";

/// Starts every sealed text, so that a later form can be told from this one.
const FORM: &str = "v1.";
/// A key is remembered so long: people who are at work go on while the database is away, and a key
/// that was erased elsewhere is forgotten after it.
const KEYS_KEPT_FOR: Duration = Duration::from_secs(300);
const KEYS_KEPT_MAX: u64 = 10_000;
/// The longest wait for the database.
const DATABASE_ANSWER_MAX: Duration = Duration::from_secs(2);

type Key = [u8; 32];

/// Seals and opens personal data. Cheap to clone; clones share the cache of keys.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    pool: PgPool,
    /// Wraps the keys of persons.
    wrapping: Key,
    /// Names the claims of e-mail addresses.
    claims: hmac::Key,
    keys: Cache<AccountId, Key>,
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// The keys cannot be reached for now.
    #[error("the keys cannot be reached")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The person's key has been erased; nothing of the person can be read any more.
    #[error("the person's key has been erased")]
    Erased,
    /// The text was not sealed by this vault for this person and field, or the key is not the one.
    #[error("the sealed text or the key is damaged or belongs elsewhere")]
    Damaged,
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl Vault {
    #[must_use]
    pub fn new(pool: PgPool, master_key: &[u8; 32]) -> Self {
        let claims = derive(master_key, "e-mail claims");
        let keys = Cache::builder().max_capacity(KEYS_KEPT_MAX).time_to_live(KEYS_KEPT_FOR);
        Self(Arc::new(Inner {
            pool,
            wrapping: derive(master_key, "keys of persons"),
            claims: hmac::Key::new(hmac::HMAC_SHA256, &claims),
            keys: keys.build(),
        }))
    }

    /// Creates the table `vault.person_key`; safe when several processes do so at once.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub async fn install(&self) -> Result<(), VaultError> {
        Ok(crate::install::install(&self.0.pool, TABLES).await?)
    }

    /// Seals a text for a person and a field, such as `email`; makes the person's key on first use.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn seal(
        &self,
        person: AccountId,
        field: &str,
        text: &str,
    ) -> Result<Sealed, VaultError> {
        let key = match self.key(person).await? {
            Some(key) => key,
            None => self.make_key(person).await?,
        };
        let sealed = encrypt(&key, &bound_to(person, field), text.as_bytes())?;
        Ok(Sealed(format!("{FORM}{}", hex::encode(sealed))))
    }

    /// Opens what was sealed for the same person and field.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn open(
        &self,
        person: AccountId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<String, VaultError> {
        let bytes = sealed.0.strip_prefix(FORM).ok_or(VaultError::Damaged)?;
        let bytes = hex::decode(bytes).map_err(|_| VaultError::Damaged)?;
        let key = self.key(person).await?.ok_or(VaultError::Damaged)?;
        let text = decrypt(&key, &bound_to(person, field), bytes)?;
        String::from_utf8(text).map_err(|_| VaultError::Damaged)
    }

    /// Erases a person's key, for ever: no backup of the log can bring the person back. Doing it
    /// again changes nothing. Processes that use the key just now forget it within five minutes.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub async fn erase(&self, person: AccountId) -> Result<(), VaultError> {
        // A row is left even for a person who had no key, so that none is ever made.
        in_time(
            sqlx::query(
                "insert into vault.person_key as old (person, created_at, erased_at)
                 values ($1, now(), now())
                 on conflict (person) do update
                 set wrapped = null, erased_at = coalesce(old.erased_at, now())",
            )
            .bind(person.0)
            .execute(&self.0.pool),
        )
        .await?;
        self.0.keys.invalidate(&person).await;
        Ok(())
    }

    /// The name of an address's claim: a keyed hash, the same for the same mailbox.
    #[must_use]
    pub fn email_claim_id(&self, email: &Email) -> EmailClaimId {
        EmailClaimId(hex::encode(hmac::sign(&self.0.claims, email.as_str().as_bytes())))
    }

    /// None: the person has no key yet.
    async fn key(&self, person: AccountId) -> Result<Option<Key>, VaultError> {
        if let Some(key) = self.0.keys.get(&person).await {
            return Ok(Some(key));
        }
        let row = in_time(
            sqlx::query("select wrapped from vault.person_key where person = $1")
                .bind(person.0)
                .fetch_optional(&self.0.pool),
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        let wrapped: Option<Vec<u8>> = row.try_get(0)?;
        let wrapped = wrapped.ok_or(VaultError::Erased)?;
        let key = decrypt(&self.0.wrapping, person.0.as_bytes(), wrapped)?;
        let key = Key::try_from(key).map_err(|_| VaultError::Damaged)?;
        self.0.keys.insert(person, key).await;
        Ok(Some(key))
    }

    /// Of several who make a person's key at once one wins, and all use the winner's.
    async fn make_key(&self, person: AccountId) -> Result<Key, VaultError> {
        let mut key = Key::default();
        aws_lc_rs::rand::fill(&mut key).map_err(|_| VaultError::Damaged)?;
        let wrapped = encrypt(&self.0.wrapping, person.0.as_bytes(), &key)?;
        in_time(
            sqlx::query(
                "insert into vault.person_key (person, wrapped, created_at)
                 values ($1, $2, now()) on conflict do nothing",
            )
            .bind(person.0)
            .bind(wrapped)
            .execute(&self.0.pool),
        )
        .await?;
        self.key(person).await?.ok_or(VaultError::Erased)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// A key for one purpose; it tells nothing of the master key or of the other purposes' keys.
fn derive(master_key: &[u8; 32], purpose: &str) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master_key), purpose.as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(tag.as_ref());
    key
}

/// What the encryption is bound to besides the key. The id is of fixed length, so no two pairs look
/// alike.
fn bound_to(person: AccountId, field: &str) -> Vec<u8> {
    [person.0.as_bytes(), field.as_bytes()].concat()
}

/// The nonce, then the encrypted bytes with their tag.
fn encrypt(key: &Key, bound_to: &[u8], clear: &[u8]) -> Result<Vec<u8>, VaultError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Damaged)?;
    let mut bytes = clear.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(bound_to), &mut bytes)
        .map_err(|_| VaultError::Damaged)?;
    Ok([nonce.as_ref().as_slice(), &bytes].concat())
}

fn decrypt(key: &Key, bound_to: &[u8], sealed: Vec<u8>) -> Result<Vec<u8>, VaultError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Damaged)?;
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
    let mut bytes = bytes.to_vec();
    let clear = key
        .open_in_place(Nonce::from(nonce), Aad::from(bound_to), &mut bytes)
        .map_err(|_| VaultError::Damaged)?;
    Ok(clear.to_vec())
}

async fn in_time<T>(query: impl Future<Output = sqlx::Result<T>>) -> Result<T, VaultError> {
    let answer = tokio::time::timeout(DATABASE_ANSWER_MAX, query).await;
    Ok(answer.map_err(|_| sqlx::Error::PoolTimedOut)??)
}
