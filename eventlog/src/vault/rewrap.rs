//! Changing the master key: what older ones have wrapped is wrapped anew under the newest. What is
//! sealed in the log stays as it is.

use domain::id::AccountId;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::master::Wrapped;
use super::{Key, Vault, VaultError, claims, in_time};

/// So many keys are changed in one transaction.
const BATCH: i64 = 500;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys that are under the newest master key now and were not before.
    pub keys: u64,
    /// Persons whose key none of the master keys opens. It was left as it is.
    pub not_opened: Vec<AccountId>,
}

/// How many keys are wrapped under which master keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub newest: u64,
    /// Under another of those that are given, or by a version that did not note under which.
    pub older: u64,
    /// Under one that is not given, or damaged.
    pub not_opened: u64,
}

impl Census {
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.newest + self.older + self.not_opened
    }
}

impl Vault {
    /// Wraps under the newest master key all that older ones have wrapped. Everything else may run
    /// meanwhile. Broken off anywhere, it goes on when it is called again.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`]; [`VaultError::OtherMaster`] when none opens the claims' key.
    pub async fn rewrap(&self) -> Result<Rewrapped, VaultError> {
        let mut done = Rewrapped { keys: self.rewrap_claims().await?, ..Rewrapped::default() };
        let mut after = Uuid::nil();
        while let Some(last) = self.rewrap_batch(after, &mut done).await? {
            after = last;
        }
        Ok(done)
    }

    /// Counts the keys. Changes nothing.
    ///
    /// # Errors
    /// [`VaultError::Unavailable`].
    pub async fn census(&self) -> Result<Census, VaultError> {
        let mut census = Census::default();
        // The claims' key is missing until a role of this version has run.
        let claims = in_time(
            sqlx::query("select to_regclass('vault.claims_key') is not null")
                .fetch_one(&self.0.pool),
        );
        if !claims.await?.try_get(0)? {
            return Ok(census);
        }
        let groups = in_time(
            sqlx::query(
                "select wrapped_by, count(*) from vault.person_key
                 where wrapped is not null group by wrapped_by",
            )
            .fetch_all(&self.0.pool),
        );
        for group in groups.await? {
            let (under, count): (Option<String>, i64) = (group.try_get(0)?, group.try_get(1)?);
            if let Some((person, one)) = self.one_under(under).await? {
                self.count(&mut census, count.unsigned_abs(), person.as_bytes(), &one);
            }
        }
        if let Some(wrapped) = claims::stored(&self.0.pool).await? {
            self.count(&mut census, 1, claims::BOUND_TO, &wrapped);
        }
        Ok(census)
    }

    async fn one_under(
        &self,
        under: Option<String>,
    ) -> Result<Option<(Uuid, Wrapped)>, VaultError> {
        let row = in_time(
            sqlx::query(
                "select person, wrapped from vault.person_key
                 where wrapped is not null and wrapped_by is not distinct from $1 limit 1",
            )
            .bind(&under)
            .fetch_optional(&self.0.pool),
        );
        let Some(row) = row.await? else { return Ok(None) };
        Ok(Some((row.try_get(0)?, Wrapped { bytes: row.try_get(1)?, under })))
    }

    /// Counts those that are wrapped alike, by trying one of them.
    fn count(&self, census: &mut Census, count: u64, bound_to: &[u8], one: &Wrapped) {
        let masters = &self.0.masters;
        let of = match masters.unwrap(bound_to, one) {
            Err(_) => &mut census.not_opened,
            Ok(_) if one.under.as_ref() == Some(&masters.newest().0) => &mut census.newest,
            Ok(_) => &mut census.older,
        };
        *of += count;
    }

    async fn rewrap_claims(&self) -> Result<u64, VaultError> {
        let (pool, masters) = (&self.0.pool, &self.0.masters);
        self.claims_key().await?;
        let old = claims::stored(pool).await?.ok_or(VaultError::Damaged)?;
        if old.under.as_ref() == Some(&masters.newest().0) {
            return Ok(0);
        }
        let key = masters.unwrap(claims::BOUND_TO, &old)?;
        let Wrapped { bytes, under } = masters.wrap(claims::BOUND_TO, &key)?;
        in_time(
            sqlx::query("update vault.claims_key set wrapped = $1, wrapped_by = $2")
                .bind(bytes)
                .bind(under)
                .execute(pool),
        )
        .await?;
        Ok(1)
    }

    /// Gives the last person of the batch, or nothing when there was none.
    async fn rewrap_batch(
        &self,
        after: Uuid,
        done: &mut Rewrapped,
    ) -> Result<Option<Uuid>, VaultError> {
        let mut transaction = self.0.pool.begin().await?;
        let old = self.wrapped_by_others(&mut transaction, after).await?;
        let (mut persons, mut wrapped) = (Vec::new(), Vec::new());
        for (person, old) in &old {
            match self.wrapped_anew(*person, old) {
                Ok(bytes) => {
                    persons.push(*person);
                    wrapped.push(bytes);
                }
                Err(_) => done.not_opened.push(AccountId(*person)),
            }
        }
        in_time(
            sqlx::query(
                "update vault.person_key as old set wrapped = new.wrapped, wrapped_by = $3
                 from unnest($1::uuid[], $2::bytea[]) as new (person, wrapped)
                 where old.person = new.person",
            )
            .bind(&persons)
            .bind(&wrapped)
            .bind(&self.0.masters.newest().0)
            .execute(&mut *transaction),
        )
        .await?;
        transaction.commit().await?;
        done.keys += persons.len() as u64;
        Ok(old.last().map(|(person, _)| *person))
    }

    /// The next ones. They are held: who is erased now waits, so that no key comes back.
    async fn wrapped_by_others(
        &self,
        db: &mut PgConnection,
        after: Uuid,
    ) -> Result<Vec<(Uuid, Wrapped)>, VaultError> {
        let rows = in_time(
            sqlx::query(
                "select person, wrapped, wrapped_by from vault.person_key
                 where person > $1 and wrapped is not null and wrapped_by is distinct from $2
                 order by person limit $3 for update",
            )
            .bind(after)
            .bind(&self.0.masters.newest().0)
            .bind(BATCH)
            .fetch_all(db),
        );
        let row = |row: sqlx::postgres::PgRow| {
            Ok((row.try_get(0)?, Wrapped { bytes: row.try_get(1)?, under: row.try_get(2)? }))
        };
        rows.await?.into_iter().map(row).collect()
    }

    fn wrapped_anew(&self, person: Uuid, old: &Wrapped) -> Result<Vec<u8>, VaultError> {
        let key: Key = self.0.masters.unwrap(person.as_bytes(), old)?;
        Ok(self.0.masters.wrap(person.as_bytes(), &key)?.bytes)
    }
}
