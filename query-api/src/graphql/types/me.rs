//! Whoever asks, in answers.

use async_graphql::{Context, ID, Object, Result};
use chrono::{Days, NaiveDate, Utc};
use domain::Timestamp;
use domain::id::{AccountId, TicketId};
use web::Unavailable;

use super::dispute::DisputeNode;
use super::sales::Sales;
use crate::freshness::ReadModel;
use crate::graphql::error::{bad_argument, unavailable};
use crate::graphql::reader;
use crate::page::Page;

/// The most days of sales in one answer.
const DAYS_MAX: u64 = 366;
/// So many days unless said.
const DAYS_DEFAULT: u64 = 30;
/// The most disputes in one answer.
const DISPUTES_MAX: i64 = 100;

pub(crate) struct Me(pub(crate) AccountId);

/// Whoever is signed in.
#[Object]
impl Me {
    pub(crate) async fn id(&self) -> ID {
        self.0.into()
    }

    /// Null when the personal data has been erased.
    async fn email(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let accounts = reader::of(ctx)?.state.web.accounts();
        accounts.email(self.0).await.map_err(|Unavailable| unavailable())
    }

    /// Null in the moment before it can be read.
    async fn registered_at(&self, ctx: &Context<'_>) -> Result<Option<Timestamp>> {
        let account = reader::of(ctx)?.database().account(self.0).await?;
        Ok(account.map(|account| account.registered_at))
    }

    /// In how many browsers and programs one is signed in.
    async fn open_sessions(&self, ctx: &Context<'_>) -> Result<u32> {
        let account = reader::of(ctx)?.database().account(self.0).await?;
        Ok(account.and_then(|account| account.open_sessions.try_into().ok()).unwrap_or_default())
    }

    /// What one has sold on each day of UTC, newest first; days without sales are left out. The last
    /// 30 days unless said, at most 366, of all tickets or one.
    #[graphql(complexity = "366 * child_complexity + 1")]
    async fn sales(
        &self,
        ctx: &Context<'_>,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        ticket: Option<ID>,
    ) -> Result<Vec<Sales>> {
        let reader = reader::of(ctx)?;
        let last = to.unwrap_or_else(|| Utc::now().date_naive());
        let first = from.or_else(|| last.checked_sub_days(Days::new(DAYS_DEFAULT - 1)));
        let first = first.ok_or_else(|| bad_argument("to", "too long ago"))?;
        let days = (last - first).num_days() + 1;
        if !u64::try_from(days).is_ok_and(|days| (1..=DAYS_MAX).contains(&days)) {
            return Err(bad_argument("from", format!("must be 1 to {DAYS_MAX} days up to `to`")));
        }
        let ticket: Option<TicketId> = ticket
            .map(|id| id.parse().map_err(|_| bad_argument("ticket", "not an id")))
            .transpose()?;
        reader.fresh(&[ReadModel::Sales], None).await;
        let days = reader.database().sales_of(self.0, first, last, ticket).await?;
        Ok(days.into_iter().map(Sales::from).collect())
    }
    /// What buyers of one's tickets contest at their bank, newest first, at most 100.
    #[graphql(complexity = "100 * child_complexity + 1")]
    async fn disputes(&self, ctx: &Context<'_>) -> Result<Vec<DisputeNode>> {
        let reader = reader::of(ctx)?;
        let read = [ReadModel::Disputes, ReadModel::Orders, ReadModel::Tickets];
        reader.fresh(&read, None).await;
        let page = Page::first(Some(DISPUTES_MAX), None)
            .map_err(|error| bad_argument("disputes", error.to_string()))?;
        let found = reader.database().disputes_of(self.0, &page).await?;
        Ok(found.items.into_iter().map(DisputeNode::from).collect())
    }
}
