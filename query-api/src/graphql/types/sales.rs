//! Sales in answers.

use async_graphql::SimpleObject;
use chrono::NaiveDate;

use super::money::Money;
use crate::graphql::scalars::Long;
use crate::read_model::SalesDay;

/// What one has sold on a day, in one currency.
#[derive(SimpleObject)]
pub(crate) struct Sales {
    day: NaiveDate,
    units: Long,
    /// What buyers have paid.
    gross: Money,
    /// What has gone back to buyers on that day, whenever they had paid it.
    refunded: Money,
}

impl From<SalesDay> for Sales {
    fn from(day: SalesDay) -> Self {
        Self {
            day: day.day,
            units: Long(day.units),
            gross: day.gross.into(),
            refunded: day.refunded.into(),
        }
    }
}
