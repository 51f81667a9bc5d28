//! The key that names the claims of e-mail addresses. The names are in the log for ever, so it stays
//! the same while master keys come and go: it lies in Postgres, wrapped like the keys of persons.

use aws_lc_rs::hmac;
use sqlx::{PgPool, Row};

use super::cipher::Key;
use super::master::{MasterKeys, Wrapped};
use super::{VaultError, in_time};

pub(super) const TABLE: &str = "
create table if not exists vault.claims_key (
    only_one boolean primary key default true check (only_one),
    wrapped bytea not null,
    wrapped_by text not null
);
";

/// What the wrapping is bound to; no person's id is of this length.
pub(super) const BOUND_TO: &[u8] = b"e-mail claims";

/// The key; made if it is not there.
pub(super) async fn key(pool: &PgPool, masters: &MasterKeys) -> Result<hmac::Key, VaultError> {
    let wrapped = match stored(pool).await? {
        Some(wrapped) => wrapped,
        None => {
            make(pool, masters).await?;
            stored(pool).await?.ok_or(VaultError::Damaged)?
        }
    };
    let key = masters.unwrap(BOUND_TO, &wrapped)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

pub(super) async fn stored(pool: &PgPool) -> Result<Option<Wrapped>, VaultError> {
    let row = in_time(
        sqlx::query("select wrapped, wrapped_by from vault.claims_key").fetch_optional(pool),
    );
    let row = row.await?;
    row.map(|row| Ok(Wrapped { bytes: row.try_get(0)?, under: row.try_get(1)? })).transpose()
}

/// Of several who make it at once one wins, and all use the winner's.
async fn make(pool: &PgPool, masters: &MasterKeys) -> Result<(), VaultError> {
    let key = earlier(pool, masters).await?;
    let Wrapped { bytes, under } = masters.wrap(BOUND_TO, &key)?;
    in_time(
        sqlx::query(
            "insert into vault.claims_key (wrapped, wrapped_by) values ($1, $2)
             on conflict do nothing",
        )
        .bind(bytes)
        .bind(under)
        .execute(pool),
    )
    .await?;
    Ok(())
}

/// Earlier versions derived it from their only master key. Where they have run, that is the one
/// that opens the persons' keys.
async fn earlier(pool: &PgPool, masters: &MasterKeys) -> Result<Key, VaultError> {
    let row = in_time(
        sqlx::query(
            "select person, wrapped, wrapped_by from vault.person_key
             where wrapped is not null limit 1",
        )
        .fetch_optional(pool),
    )
    .await?;
    let Some(row) = row else { return Ok(masters.first_claims()) };
    let person: uuid::Uuid = row.try_get(0)?;
    let wrapped = Wrapped { bytes: row.try_get(1)?, under: row.try_get(2)? };
    masters.claims_of(person.as_bytes(), &wrapped)
}
