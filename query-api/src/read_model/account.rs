//! Accounts without anything personal, from the view `read.accounts`.

use domain::Timestamp;
use domain::id::AccountId;
use sqlx::FromRow;

use crate::database::{Database, ReadError};

/// An account as it was when it was read.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct Account {
    pub(crate) registered_at: Timestamp,
    pub(crate) open_sessions: i64,
}

impl Database {
    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Account>, ReadError> {
        let query =
            sqlx::query_as("SELECT registered_at, open_sessions FROM read.accounts WHERE id = $1")
                .bind(id.0);
        Ok(self.read(query).await?.pop())
    }
}
