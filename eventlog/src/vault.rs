//! Personal data sealed under a key per person. Erasing the key erases the person.
//!
//! A person's key is random, lies in Postgres wrapped under a master key, and is made when the
//! first of the person's data is sealed. A sealed text is bound to its person and its field: it
//! opens nowhere else. All encryption is AES-256-GCM with random nonces.

mod cipher;
mod claims;
mod master;
mod rewrap;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use domain::account::Sealed;
use domain::email::Email;
use domain::id::{AccountId, EmailClaimId};
use moka::future::Cache;
use sqlx::{PgPool, Row};
use tokio::sync::OnceCell;

use cipher::{Key, decrypt, encrypt};
use master::Wrapped;
pub use master::{KeyName, MasterKeys};
pub use rewrap::{Census, Rewrapped};

// Only who has to change the table locks it, so that a start waits for no backup.
const TABLES: &str = "
create schema if not exists vault;
create table if not exists vault.person_key (
    person uuid primary key,
    wrapped bytea,
    created_at timestamptz not null,
    erased_at timestamptz,
    check ((wrapped is null) = (erased_at is not null))
);
do $$ begin
    if not exists (select from pg_attribute
                   where attrelid = 'vault.person_key'::regclass and attname = 'wrapped_by') then
        alter table vault.person_key add column wrapped_by text;
    end if;
end $$;
";

/// Starts every sealed text, so that a later form can be told from this one.
const FORM: &str = "v1.";
/// A key is remembered so long: people who are at work go on while the database is away, and a key
/// that was erased elsewhere is forgotten after it.
const KEYS_KEPT_FOR: Duration = Duration::from_secs(300);
const KEYS_KEPT_MAX: u64 = 10_000;
/// The longest wait for the database.
const DATABASE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// Seals and opens personal data. Cheap to clone; clones share the cache of keys.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    pool: PgPool,
    masters: MasterKeys,
    /// Names the claims of e-mail addresses. It never changes.
    claims: OnceCell<hmac::Key>,
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
    /// The keys in the database were wrapped under a master key that is not among those given, or
    /// they are damaged.
    #[error("none of the master keys given opens the keys in the database")]
    OtherMaster,
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl Vault {
    /// With one master key, or with several while one takes the place of another.
    #[must_use]
    pub fn new(pool: PgPool, masters: impl Into<MasterKeys>) -> Self {
        let keys = Cache::builder().max_capacity(KEYS_KEPT_MAX).time_to_live(KEYS_KEPT_FOR);
        Self(Arc::new(Inner {
            pool,
            masters: masters.into(),
            claims: OnceCell::new(),
            keys: keys.build(),
        }))
    }

    /// Creates the tables of the schema `vault` and the key that names claims; safe when several
    /// processes do so at once.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`]; [`VaultError::OtherMaster`].
    pub async fn install(&self) -> Result<(), VaultError> {
        crate::install::install(&self.0.pool, TABLES).await?;
        crate::install::install(&self.0.pool, claims::TABLE).await?;
        self.claims_key().await?;
        Ok(())
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
        let text = decrypt(&key, &bound_to(person, field), &bytes)?;
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
                 set wrapped = null, wrapped_by = null, erased_at = coalesce(old.erased_at, now())",
            )
            .bind(person.0)
            .execute(&self.0.pool),
        )
        .await?;
        self.0.keys.invalidate(&person).await;
        Ok(())
    }

    /// The name of an address's claim: a keyed hash, the same for the same mailbox. The database is
    /// asked once in the life of a process.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn email_claim_id(&self, email: &Email) -> Result<EmailClaimId, VaultError> {
        let tag = hmac::sign(self.claims_key().await?, email.as_str().as_bytes());
        Ok(EmailClaimId(hex::encode(tag)))
    }

    async fn claims_key(&self) -> Result<&hmac::Key, VaultError> {
        self.0.claims.get_or_try_init(|| claims::key(&self.0.pool, &self.0.masters)).await
    }

    /// None: the person has no key yet.
    async fn key(&self, person: AccountId) -> Result<Option<Key>, VaultError> {
        if let Some(key) = self.0.keys.get(&person).await {
            return Ok(Some(key));
        }
        let row = in_time(
            sqlx::query("select wrapped, wrapped_by from vault.person_key where person = $1")
                .bind(person.0)
                .fetch_optional(&self.0.pool),
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        let wrapped: Option<Vec<u8>> = row.try_get(0)?;
        let bytes = wrapped.ok_or(VaultError::Erased)?;
        let wrapped = Wrapped { bytes, under: row.try_get(1)? };
        let key = self.0.masters.unwrap(person.0.as_bytes(), &wrapped)?;
        self.0.keys.insert(person, key).await;
        Ok(Some(key))
    }

    /// Of several who make a person's key at once one wins, and all use the winner's.
    async fn make_key(&self, person: AccountId) -> Result<Key, VaultError> {
        let key = cipher::random()?;
        let Wrapped { bytes, under } = self.0.masters.wrap(person.0.as_bytes(), &key)?;
        in_time(
            sqlx::query(
                "insert into vault.person_key (person, wrapped, wrapped_by, created_at)
                 values ($1, $2, $3, now()) on conflict do nothing",
            )
            .bind(person.0)
            .bind(bytes)
            .bind(under)
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

/// What the encryption is bound to besides the key. The id is of fixed length, so no two pairs look
/// alike.
fn bound_to(person: AccountId, field: &str) -> Vec<u8> {
    [person.0.as_bytes(), field.as_bytes()].concat()
}

async fn in_time<T>(query: impl Future<Output = sqlx::Result<T>>) -> Result<T, VaultError> {
    let answer = tokio::time::timeout(DATABASE_ANSWER_MAX, query).await;
    Ok(answer.map_err(|_| sqlx::Error::PoolTimedOut)??)
}
