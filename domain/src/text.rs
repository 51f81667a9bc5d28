//! Short texts and counts that people type in.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The most units of one ticket.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// What a ticket is called: 1 to [`TITLE_CHARS_MAX`] characters, trimmed, without control characters.
///
/// Decoding does not check again: what is stored was checked when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Title(String);

/// Why a text is no title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTitle {
    #[error("a title is required")]
    Empty,
    #[error("a title has at most {TITLE_CHARS_MAX} characters")]
    TooLong,
    #[error("a title has no control characters")]
    ControlCharacter,
}

impl Title {
    /// # Errors
    /// [`InvalidTitle`] names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidTitle> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidTitle::Empty);
        }
        if text.chars().count() > TITLE_CHARS_MAX {
            return Err(InvalidTitle::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidTitle::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many units: 1 to [`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quantity(u32);

/// The number is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to {QUANTITY_MAX}")]
pub struct InvalidQuantity;

impl Quantity {
    pub const ONE: Self = Self(1);

    /// # Errors
    /// [`InvalidQuantity`] below 1 or above [`QUANTITY_MAX`].
    pub fn new(units: u32) -> Result<Self, InvalidQuantity> {
        if (1..=QUANTITY_MAX).contains(&units) { Ok(Self(units)) } else { Err(InvalidQuantity) }
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_trimmed_and_bounded() {
        assert_eq!(Title::parse("  Concert ").unwrap().as_str(), "Concert");
        assert_eq!(Title::parse("   "), Err(InvalidTitle::Empty));
        assert_eq!(Title::parse("a\u{0}b"), Err(InvalidTitle::ControlCharacter));
        assert!(Title::parse(&"ü".repeat(TITLE_CHARS_MAX)).is_ok());
        assert_eq!(Title::parse(&"ü".repeat(TITLE_CHARS_MAX + 1)), Err(InvalidTitle::TooLong));
    }

    #[test]
    fn a_quantity_is_at_least_one_and_bounded() {
        assert_eq!(Quantity::new(0), Err(InvalidQuantity));
        assert_eq!(Quantity::new(1), Ok(Quantity::ONE));
        assert_eq!(Quantity::new(QUANTITY_MAX + 1), Err(InvalidQuantity));
    }
}
