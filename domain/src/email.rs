//! E-mail addresses as typed in.

use std::fmt;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

/// An address, trimmed and case-folded, so that one mailbox is one text.
///
/// Only its form is checked; whether somebody reads it, only a message can tell. It is personal:
/// `Debug` hides it, and it is stored only sealed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Email must be valid")]
pub struct InvalidEmail;

impl Email {
    /// # Errors
    /// [`InvalidEmail`] when it is not `local@domain` with a dot in the domain, holds spaces or
    /// control characters, or is too long.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | ',');
        let labels_ok = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
        let fits = text.len() <= EMAIL_BYTES_MAX && local.len() <= 64;
        if local.is_empty() || local.contains('@') || !labels_ok || !fits || text.contains(odd) {
            return Err(InvalidEmail);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_case_folded() {
        assert_eq!(Email::parse(" Ann@Example.COM ").unwrap().as_str(), "ann@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "a b@example.com",
            "ann@example..com",
            "ann@@example.com",
            "a\n@example.com",
            "<a@example.com>",
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
    }

    #[test]
    fn debug_does_not_show_the_address() {
        assert_eq!(format!("{:?}", Email::parse("ann@example.com").unwrap()), "Email(..)");
    }
}
