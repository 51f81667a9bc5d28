//! What a public event looks like on NATS: CloudEvents 1.0 in binary mode, with our own marks.

use std::str::FromStr;

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use bytes::Bytes;
use chrono::SecondsFormat;
use domain::{DomainEvent, Position, Recorded};
use mutants::Mutant;

use crate::Partition;
use crate::contract::{self, PublicEvent};

// Names made once: made from text for each message, they would cost more than all the rest of it.
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_SUBJECT: HeaderName = HeaderName::from_static("ce-subject");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
const CE_DATACONTENTTYPE: HeaderName = HeaderName::from_static("ce-datacontenttype");
const CE_DATASCHEMA: HeaderName = HeaderName::from_static("ce-dataschema");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `<commit>-<prepare>` in the log.
const POSITION: HeaderName = HeaderName::from_static("Ticketing-Position");
/// The number of the event among those that the stream is for, from 1; equal to the message's
/// sequence as long as the stream holds nothing else.
const ORDINAL: HeaderName = HeaderName::from_static("Ticketing-Ordinal");
/// See [`contract::FILTER`].
const FILTER: HeaderName = HeaderName::from_static("Ticketing-Filter");

/// The CloudEvents source: ids are unique within it.
const SOURCE: &str = "/ticketing";
/// `00-<32 hex digits>-<16>-<2>`.
const TRACEPARENT_BYTES: usize = 55;

/// A message ready to be published, but for the fence.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Message {
    /// # Errors
    /// Of serialisation.
    pub(crate) fn new(
        partition: &Partition,
        event: &PublicEvent,
        recorded: &Recorded<DomainEvent>,
        ordinal: u64,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            subject: partition.subject(event),
            headers: headers(&partition.stream(), event, recorded, ordinal),
            body: Bytes::from(serde_json::to_vec(event)?),
        })
    }
}

fn headers(
    stream: &str,
    event: &PublicEvent,
    recorded: &Recorded<DomainEvent>,
    ordinal: u64,
) -> HeaderMap {
    let id = recorded.id.to_string();
    let time = recorded.metadata.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let mut headers = HeaderMap::new();
    headers.insert(CE_SPECVERSION, "1.0");
    headers.insert(CE_ID, id.as_str());
    headers.insert(CE_TYPE, event.kind().type_name());
    headers.insert(CE_SOURCE, SOURCE);
    headers.insert(CE_SUBJECT, event.aggregate_id().to_string());
    headers.insert(CE_TIME, time);
    headers.insert(CE_DATACONTENTTYPE, "application/json");
    headers.insert(CE_DATASCHEMA, event.kind().schema_id());
    if let Some(trace) = recorded.metadata.trace.as_deref().and_then(traceparent) {
        headers.insert(TRACEPARENT, trace);
    }
    headers.insert(POSITION, recorded.position.to_string());
    headers.insert(ORDINAL, ordinal.to_string());
    headers.insert(FILTER, contract::FILTER.to_string());
    if !Mutant::NoIds.is_made() && !Mutant::FencePerSubject.is_made() {
        headers.insert(NATS_MESSAGE_ID, id);
    }
    headers.insert(NATS_EXPECTED_STREAM, stream);
    headers
}

/// The text came in with somebody's request: only what looks like a traceparent goes out again.
fn traceparent(text: &str) -> Option<HeaderValue> {
    let plain = |byte: u8| byte == b'-' || byte.is_ascii_hexdigit();
    let looks_right = text.len() == TRACEPARENT_BYTES && text.bytes().all(plain);
    looks_right.then(|| HeaderValue::from_str(text).ok()).flatten()
}

/// What a relay wrote on a message about where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) ordinal: u64,
    pub(crate) filter: u32,
}

impl Mark {
    /// None: no relay wrote this message.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            position: parsed(headers, POSITION)?,
            ordinal: parsed(headers, ORDINAL)?,
            filter: parsed(headers, FILTER)?,
        })
    }
}

fn parsed<T: FromStr>(headers: &HeaderMap, name: HeaderName) -> Option<T> {
    headers.get(name)?.as_str().parse().ok()
}
