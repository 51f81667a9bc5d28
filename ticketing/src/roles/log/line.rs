//! An event as a line of JSON, and back.
//!
//! Data that is JSON stands in the line byte for byte; other data, and JSON that would break the
//! line, stands there in base64. So does metadata.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use eventlog::raw::RawEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// The fields in the order in which they are printed. JSON inside is kept as text, or as values where
/// it is to be laid out anew.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Line<Json = Box<RawValue>> {
    stream: String,
    revision: u64,
    /// Where it was in the log that was read; an import gives it a new place.
    #[serde(default)]
    position: u64,
    #[serde(rename = "type")]
    event_type: String,
    id: Uuid,
    /// When it was written to the log that was read.
    #[serde(default)]
    created: DateTime<Utc>,
    content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl Line {
    pub(super) fn of(event: RawEvent) -> Self {
        let (metadata, metadata_base64) = text(&event.metadata);
        let (data, data_base64) = text(&event.data);
        Self {
            stream: event.stream,
            revision: event.revision,
            position: event.position,
            event_type: event.event_type,
            id: event.id,
            created: event.created,
            content_type: if event.json { JSON } else { BINARY }.to_owned(),
            metadata,
            metadata_base64,
            data,
            data_base64,
        }
    }

    /// On one line, without its end.
    pub(super) fn compact(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Over several lines.
    pub(super) fn pretty(self) -> serde_json::Result<String> {
        let value = |json: Option<Box<RawValue>>| {
            json.map(|json| serde_json::from_str::<Value>(json.get())).transpose()
        };
        serde_json::to_string_pretty(&Line {
            stream: self.stream,
            revision: self.revision,
            position: self.position,
            event_type: self.event_type,
            id: self.id,
            created: self.created,
            content_type: self.content_type,
            metadata: value(self.metadata)?,
            metadata_base64: self.metadata_base64,
            data: value(self.data)?,
            data_base64: self.data_base64,
        })
    }

    /// # Errors
    /// What is wrong with the line.
    pub(super) fn parse(text: &str) -> anyhow::Result<RawEvent> {
        let line: Self = serde_json::from_str(text)?;
        Ok(RawEvent {
            stream: line.stream,
            revision: line.revision,
            position: line.position,
            event_type: line.event_type,
            id: line.id,
            created: line.created,
            json: line.content_type == JSON,
            metadata: bytes(line.metadata, line.metadata_base64)?.into(),
            data: bytes(line.data, line.data_base64)?.into(),
        })
    }
}

/// Bytes as JSON, or as base64; neither when there are none.
fn text(bytes: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    if bytes.is_empty() {
        return (None, None);
    }
    // Read back, `null` would be nothing at all, and spaces around would be gone.
    let json = serde_json::from_slice::<Box<RawValue>>(bytes).ok();
    let faithful = |json: &RawValue| {
        json.get().len() == bytes.len() && json.get() != "null" && !bytes.contains(&b'\n')
    };
    match json.filter(|json| faithful(json)) {
        Some(json) => (Some(json), None),
        None => (None, Some(BASE64_STANDARD.encode(bytes))),
    }
}

fn bytes(json: Option<Box<RawValue>>, base64: Option<String>) -> anyhow::Result<Vec<u8>> {
    match (json, base64) {
        (Some(_), Some(_)) => anyhow::bail!("the same thing is there as JSON and in base64"),
        (Some(json), None) => Ok(json.get().as_bytes().to_vec()),
        (None, Some(text)) => Ok(BASE64_STANDARD.decode(text)?),
        (None, None) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &[u8], json: bool) -> RawEvent {
        RawEvent {
            stream: "order-1".to_owned(),
            revision: 3,
            position: 99,
            event_type: "OrderPlaced.v1".to_owned(),
            id: Uuid::from_u128(7),
            created: DateTime::UNIX_EPOCH,
            json,
            metadata: b"{}".to_vec().into(),
            data: data.to_vec().into(),
        }
    }

    #[test]
    fn every_event_comes_back_byte_for_byte_from_one_line() {
        let odd: [&[u8]; 9] = [
            b"",
            b"null",
            br#"{"b":1.50,"a":[ 1 ,2]}"#,
            b"{\"a\":\n1}",
            b" 1",
            b"1e400",
            "\"ü\\u0000\"".as_bytes(),
            b"{\"a\":",
            &[0xff, 0x00, 0x0a],
        ];
        for data in odd {
            for json in [true, false] {
                let event = event(data, json);
                let line = Line::of(event.clone()).compact().unwrap();
                assert!(!line.contains('\n'), "{line}");
                assert_eq!(Line::parse(&line).unwrap(), event, "{line}");
            }
        }
    }

    #[test]
    fn json_is_readable_in_the_line_and_everything_else_is_base64() {
        let line = Line::of(event(br#"{"units":2}"#, true)).compact().unwrap();
        let expected = r#"{"stream":"order-1","revision":3,"position":99,"type":"OrderPlaced.v1","id":"00000000-0000-0000-0000-000000000007","created":"1970-01-01T00:00:00Z","contentType":"application/json","metadata":{},"data":{"units":2}}"#;
        assert_eq!(line, expected);
        let line = Line::of(event(&[0xff], false)).compact().unwrap();
        assert!(
            line.ends_with(
                r#""contentType":"application/octet-stream","metadata":{},"dataBase64":"/w=="}"#
            ),
            "{line}"
        );
    }

    #[test]
    fn a_pretty_event_is_the_same_event() {
        let event = event(br#"{"price":{"minor":5}}"#, true);
        let pretty = Line::of(event).pretty().unwrap();
        assert!(pretty.contains("\n    \"price\": {\n      \"minor\": 5\n"), "{pretty}");
        let value: Value = serde_json::from_str(&pretty).unwrap();
        assert_eq!(value["data"]["price"]["minor"], 5);
    }
}
