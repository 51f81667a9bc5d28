//! Streams that describe streams: `$$orders` holds the metadata of `orders`, and some of its keys
//! hide events of `orders` from readers of that stream.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::store::format::Hides;

/// The type of a metadata event.
pub(crate) const EVENT_TYPE: &str = "$metadata";

const PREFIX: &str = "$$";
const TRUNCATE_BEFORE: &str = "$tb";
const COUNT_MAX: &str = "$maxCount";
const AGE_SECONDS_MAX: &str = "$maxAge";

/// The stream that describes `stream`.
pub(crate) fn stream_of(stream: &str) -> String {
    format!("{PREFIX}{stream}")
}

/// The stream that `stream` describes, if it is a metadata stream.
pub(crate) fn described_by(stream: &str) -> Option<&str> {
    stream.strip_prefix(PREFIX)
}

/// What a metadata event hides. Anything that is not understood hides nothing.
pub(crate) fn hides(data: &[u8]) -> Hides {
    let keys = parse(data);
    let number = |key| keys.get(key).and_then(Value::as_u64);
    Hides {
        before_revision: number(TRUNCATE_BEFORE).unwrap_or(0),
        count_max: number(COUNT_MAX),
        age_seconds_max: number(AGE_SECONDS_MAX),
    }
}

/// The same metadata with another `$tb`.
pub(crate) fn with_truncate_before(data: &[u8], revision: u64) -> Bytes {
    let mut keys = parse(data);
    keys.insert(TRUNCATE_BEFORE.to_owned(), Value::from(revision));
    Value::Object(keys).to_string().into()
}

fn parse(data: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_truncate_before_keeps_every_other_key() {
        let changed = with_truncate_before(br#"{"$maxCount":3,"$tb":9,"mine":[1]}"#, 4);
        let keys = parse(&changed);
        assert_eq!(keys.get("mine"), Some(&serde_json::json!([1])));
        let expected = Hides { before_revision: 4, count_max: Some(3), age_seconds_max: None };
        assert_eq!(hides(&changed), expected);
    }

    #[test]
    fn what_is_not_understood_hides_nothing() {
        for data in [&b""[..], b"nonsense", b"[]", br#"{"$tb":-1,"$maxCount":"3"}"#] {
            assert_eq!(hides(data), Hides::default());
        }
    }
}
