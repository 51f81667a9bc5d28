//! Passwords as typed in.

use std::fmt;

/// The shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest password, in characters; more would only cost time to hash.
pub const PASSWORD_CHARS_MAX: usize = 200;

/// A password in clear, on its way to be hashed. It is never stored and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The text is too short or too long for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Password must be between {PASSWORD_CHARS_MIN} and {PASSWORD_CHARS_MAX} characters")]
pub struct InvalidPassword;

impl Password {
    /// # Errors
    /// [`InvalidPassword`] outside of 8 to 200 characters.
    pub fn parse(text: &str) -> Result<Self, InvalidPassword> {
        if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPassword)
        }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_8_to_200_characters() {
        assert_eq!(Password::parse("1234567"), Err(InvalidPassword));
        assert!(Password::parse("12345678").is_ok());
        assert!(Password::parse(&"x".repeat(200)).is_ok());
        assert_eq!(Password::parse(&"x".repeat(201)), Err(InvalidPassword));
    }
}
