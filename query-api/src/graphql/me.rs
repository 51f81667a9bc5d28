//! Whoever asks, in answers.

use async_graphql::{Context, ID, Object, Result};
use domain::id::AccountId;
use web::{Unavailable, Web};

use super::error::unavailable;

pub(crate) struct Me(pub(crate) AccountId);

/// Whoever is signed in.
#[Object]
impl Me {
    async fn id(&self) -> ID {
        self.0.into()
    }

    /// Null when the personal data has been erased.
    async fn email(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let web = ctx.data::<Web>()?;
        web.accounts().email(self.0).await.map_err(|Unavailable| unavailable())
    }
}
