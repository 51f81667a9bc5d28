//! Money in answers.

use async_graphql::SimpleObject;

use crate::graphql::scalars::Long;

/// An amount of money.
#[derive(SimpleObject)]
pub(crate) struct Money {
    /// In major units as decimal text, such as `19.99`: exact.
    amount: String,
    /// In minor units, such as cents.
    minor: Long,
    /// ISO 4217, in lower case.
    currency: String,
}

impl From<domain::money::Money> for Money {
    fn from(money: domain::money::Money) -> Self {
        Self { amount: money.decimal(), minor: Long(money.minor), currency: money.currency.code() }
    }
}
