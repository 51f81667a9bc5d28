//! The members of a JSON body, read one by one.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::value::RawValue;

use crate::problem::{ApiError, FieldError};

/// A JSON object as it came. Each member is read by its own rule; what is wrong is collected, so
/// that an answer names every bad member at once. Members nobody reads are ignored.
#[derive(Clone, Debug)]
pub struct Fields {
    members: BTreeMap<String, Box<RawValue>>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(members) => Ok(Self { members, errors: Vec::new() }),
            Err(_) => Err(ApiError::bad_request("The body must be a JSON object")),
        }
    }

    pub(crate) fn none() -> Self {
        Self { members: BTreeMap::new(), errors: Vec::new() }
    }

    /// The same for every way of ordering the members and of spacing them.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let members = self.members.iter().map(|(name, value)| format!("{name:?}:{value},"));
        members.collect::<String>().into_bytes()
    }

    /// A text that must be there. What is missing or no text is parsed as the empty text, so that
    /// one rule and one message serve for all of it.
    pub fn text<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.raw(name).and_then(string).unwrap_or_default();
        self.keep(name, parse(&text))
    }

    /// A text that may be left out.
    pub fn optional_text<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = string(self.raw(name)?).unwrap_or_default();
        self.keep(name, parse(&text))
    }

    /// A number that must be there, as the decimal text it was written in; a string with such a
    /// text is the same. It never becomes a binary fraction on the way.
    pub fn decimal<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.raw(name).and_then(decimal).unwrap_or_default();
        self.keep(name, parse(&text))
    }

    /// A number that may be left out.
    pub fn optional_decimal<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = decimal(self.raw(name)?).unwrap_or_default();
        self.keep(name, parse(&text))
    }

    /// Whether every member read so far was good.
    #[must_use]
    pub fn all_good(&self) -> bool {
        self.errors.is_empty()
    }

    /// The answer that names what was wrong.
    #[must_use]
    pub fn refused(self) -> ApiError {
        ApiError::many(self.errors)
    }

    fn raw(&self, name: &str) -> Option<&RawValue> {
        self.members.get(name).map(AsRef::as_ref).filter(|raw| raw.get() != "null")
    }

    fn keep<T, E: Display>(&mut self, name: &str, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(FieldError::new(name, error.to_string()));
                None
            }
        }
    }
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn decimal(raw: &RawValue) -> Option<String> {
    let number = raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if number { Some(raw.get().to_owned()) } else { string(raw) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "a whole number".to_owned())
    }

    #[test]
    fn every_bad_member_is_named() {
        let mut fields = Fields::parse(br#"{"a": "x", "b": 1.5, "c": null, "d": [[1]]}"#).unwrap();
        assert_eq!(fields.decimal("a", whole), None);
        assert_eq!(fields.decimal("b", whole), None);
        assert_eq!(fields.optional_decimal("c", whole), None);
        assert_eq!(fields.optional_decimal("d", whole), None);
        assert!(!fields.all_good());
        let named: Vec<_> = fields.errors.iter().filter_map(|error| error.field.clone()).collect();
        assert_eq!(named, ["a", "b", "d"]);
    }

    #[test]
    fn a_number_keeps_the_text_it_was_written_in() {
        let mut fields = Fields::parse(br#"{"n": 19.990000000000000001, "s": "20"}"#).unwrap();
        let text = |text: &str| Ok::<_, String>(text.to_owned());
        assert_eq!(fields.decimal("n", text).as_deref(), Some("19.990000000000000001"));
        assert_eq!(fields.decimal("s", text).as_deref(), Some("20"));
    }

    #[test]
    fn order_and_spacing_of_members_do_not_matter() {
        let one = Fields::parse(br#"{"a": 1, "b": "x"}"#).unwrap();
        let other = Fields::parse(b"{ \"b\":\"x\",\n\"a\":1 }").unwrap();
        assert_eq!(one.canonical(), other.canonical());
        let changed = Fields::parse(br#"{"a": 2, "b": "x"}"#).unwrap();
        assert_ne!(one.canonical(), changed.canonical());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(60_000);
        let deeper = format!("{{\"a\":{}", "{\"a\":".repeat(10_000));
        for body in ["", "[]", "1", "{", "{\"a\":1}x", "\u{feff}{}", &deep, &deeper] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body:.20}");
        }
        assert!(Fields::parse(b"\xff\xfe").is_err());
    }
}
