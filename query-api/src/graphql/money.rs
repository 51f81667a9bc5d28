//! Money in answers.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long(i64);

/// A whole number of up to 64 bits, where 32 may be too few. A JSON number.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_i64().map(Self),
            Value::Null
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_)
            | Value::List(_)
            | Value::Object(_) => None,
        }
        .ok_or_else(|| InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

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
