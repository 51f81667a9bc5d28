use domain::money::Money;
use serde::Serialize;

/// An amount of money, exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Amount {
    /// Major units in decimal text, as in `19.99`.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9]+([.][0-9]+)?$")))]
    pub amount: String,
    /// ISO 4217 in lower case, as in `usd`.
    #[cfg_attr(test, schemars(regex(pattern = "^[a-z]{3}$")))]
    pub currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount: money.decimal(), currency: money.currency.code() }
    }
}
