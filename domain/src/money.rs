//! Money: whole minor units and a currency, never a binary fraction.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest amount that can be written, in minor units. Times the largest quantity it still
/// fits an `i64`.
pub const MINOR_MAX: i64 = 99_999_999_999;

/// An ISO 4217 currency. Stored and shown as its code in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct Currency(iso_currency::Currency);

impl Currency {
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// How many decimals the currency has: 2 for most, 0 for the yen, 3 for some dinars.
    #[must_use]
    pub fn decimals(self) -> usize {
        self.0.exponent().map_or(0, usize::from)
    }

    /// The code in lower case, as in `usd`.
    #[must_use]
    pub fn code(self) -> String {
        self.0.code().to_ascii_lowercase()
    }
}

/// The text is no ISO 4217 code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is an ISO 4217 code such as usd or eur")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.to_ascii_uppercase();
        iso_currency::Currency::from_code(&code).map(Self).ok_or(InvalidCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

impl Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// Minor units: cents for the dollar, yen for the yen.
    pub minor: i64,
    pub currency: Currency,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    #[error("an amount is a decimal number such as 20 or 19.99")]
    NotDecimal,
    #[error("an amount is not negative")]
    Negative,
    #[error("the currency has at most {0} decimals")]
    TooManyDecimals(usize),
    #[error("the amount is too large")]
    TooLarge,
}

impl Money {
    /// Reads a decimal text such as `20` or `19.99`.
    ///
    /// # Errors
    /// [`InvalidMoney`] names the rule that the text breaks; nothing is ever rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(InvalidMoney::Negative);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(InvalidMoney::NotDecimal);
        }
        // Zeros past the last decimal change nothing: 20.00 yen is 20 yen.
        let fraction = fraction.trim_end_matches('0');
        let decimals = currency.decimals();
        if fraction.len() > decimals {
            return Err(InvalidMoney::TooManyDecimals(decimals));
        }
        let minor = format!("{whole}{fraction:0<decimals$}");
        match minor.parse::<i64>() {
            Ok(minor) if minor <= MINOR_MAX => Ok(Self { minor, currency }),
            Ok(_) | Err(_) => Err(InvalidMoney::TooLarge),
        }
    }

    /// The amount in major units as decimal text: `19.99`, without trailing zeros only where the
    /// currency has no decimals.
    #[must_use]
    pub fn decimal(self) -> String {
        let decimals = self.currency.decimals();
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let dot = if decimals == 0 { "" } else { "." };
        format!("{sign}{whole}{dot}{fraction}")
    }

    /// This amount for each of `units`; none when it does not fit.
    #[must_use]
    pub fn times(self, units: u32) -> Option<Self> {
        let minor = self.minor.checked_mul(i64::from(units))?;
        Some(Self { minor, currency: self.currency })
    }
}

impl Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Result<i64, InvalidMoney> {
        Money::parse(text, Currency::USD).map(|money| money.minor)
    }

    #[test]
    fn decimal_text_becomes_minor_units_exactly() {
        assert_eq!(usd("19.99"), Ok(1999));
        assert_eq!(usd("20"), Ok(2000));
        assert_eq!(usd("20.5"), Ok(2050));
        assert_eq!(usd("20.500"), Ok(2050));
        assert_eq!(usd("0.01"), Ok(1));
        assert_eq!(Money::parse("20", "jpy".parse().unwrap()).unwrap().minor, 20);
        assert_eq!(Money::parse("1.234", "BHD".parse().unwrap()).unwrap().minor, 1234);
    }

    #[test]
    fn what_is_no_amount_is_refused_with_the_reason() {
        assert_eq!(usd("19.999"), Err(InvalidMoney::TooManyDecimals(2)));
        assert_eq!(usd("-1"), Err(InvalidMoney::Negative));
        for text in ["", ".", ".5", "5.", "1e3", "1,5", "NaN", "١"] {
            assert_eq!(usd(text), Err(InvalidMoney::NotDecimal), "{text}");
        }
        assert_eq!(usd("999999999999999999999999"), Err(InvalidMoney::TooLarge));
        assert_eq!(usd("1000000000"), Err(InvalidMoney::TooLarge));
        assert_eq!("dollars".parse::<Currency>(), Err(InvalidCurrency));
    }

    proptest! {
        #[test]
        fn writing_and_reading_an_amount_gives_it_back(minor in 0..=MINOR_MAX, code in "usd|jpy|bhd") {
            let money = Money { minor, currency: code.parse().unwrap() };
            prop_assert_eq!(Money::parse(&money.decimal(), money.currency), Ok(money));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Money::parse(&text, Currency::USD);
        }
    }
}
