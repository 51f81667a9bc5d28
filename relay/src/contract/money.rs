use domain::money::Money;
use serde::Serialize;

/// An amount of money, exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Major units in decimal text, as in `19.99`.
    pub amount: String,
    /// ISO 4217 in lower case, as in `usd`.
    pub currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount: money.decimal(), currency: money.currency.code() }
    }
}
