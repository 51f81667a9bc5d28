//! Between the messages of the protocol and our own types.

use std::collections::HashMap;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::refusal::Refusal;
use crate::limits::{EVENT_BYTES_MAX, EVENT_TYPE_BYTES_MAX, STREAM_NAME_BYTES_MAX};
use crate::proto::event_store::client::{Uuid as WireUuid, uuid::Structured, uuid::Value};
use crate::proto::streams::read_resp::{self, Content, ReadEvent, read_event};
use crate::proto::streams::{
    ReadResp, append_req, batch_append_req, delete_req, read_req, tombstone_req,
};
use crate::proto::{Empty, StreamIdentifier};
use crate::store::format::Record;
use crate::store::write::{Expected, Proposed};

const TYPE: &str = "type";
const CONTENT_TYPE: &str = "content-type";
const CREATED: &str = "created";
const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// How a reader wants event ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum UuidForm {
    Structured,
    Text,
}

impl UuidForm {
    pub(crate) fn requested(option: Option<read_req::options::UuidOption>) -> Self {
        use read_req::options::uuid_option::Content;
        match option.and_then(|option| option.content) {
            Some(Content::String(_)) => Self::Text,
            Some(Content::Structured(_)) | None => Self::Structured,
        }
    }

    fn write(self, id: Uuid) -> WireUuid {
        let value = match self {
            Self::Text => Value::String(id.to_string()),
            Self::Structured => {
                let (most, least) = id.as_u64_pair();
                Value::Structured(Structured {
                    most_significant_bits: i64::from_be_bytes(most.to_be_bytes()),
                    least_significant_bits: i64::from_be_bytes(least.to_be_bytes()),
                })
            }
        };
        WireUuid { value: Some(value) }
    }
}

/// The id in either form.
pub(crate) fn uuid(wire: Option<&WireUuid>) -> Result<Uuid, Refusal> {
    match wire.and_then(|wire| wire.value.as_ref()) {
        Some(Value::Structured(bits)) => {
            let most = u64::from_be_bytes(bits.most_significant_bits.to_be_bytes());
            let least = u64::from_be_bytes(bits.least_significant_bits.to_be_bytes());
            Ok(Uuid::from_u64_pair(most, least))
        }
        Some(Value::String(text)) => {
            text.parse().map_err(|_| Refusal::Invalid("an id is not a UUID".to_owned()))
        }
        None => Err(Refusal::Invalid("an id is missing".to_owned())),
    }
}

/// The name of a stream to read or to delete.
pub(crate) fn stream_name(identifier: Option<&StreamIdentifier>) -> Result<String, Refusal> {
    let invalid = |reason: &str| Refusal::Invalid(reason.to_owned());
    let bytes = identifier.map(|identifier| &identifier.stream_name[..]).unwrap_or_default();
    let name = std::str::from_utf8(bytes).map_err(|_| invalid("the stream's name is not UTF-8"))?;
    if name.is_empty() {
        return Err(invalid("the stream's name is missing"));
    }
    if name.len() > STREAM_NAME_BYTES_MAX {
        let reason = format!("the stream's name is longer than {STREAM_NAME_BYTES_MAX} bytes");
        return Err(Refusal::Invalid(reason));
    }
    if name == "$all" {
        return Err(invalid("$all is not a stream of its own"));
    }
    Ok(name.to_owned())
}

/// The name of a stream to append to.
pub(crate) fn writable_stream_name(
    identifier: Option<&StreamIdentifier>,
) -> Result<String, Refusal> {
    let name = stream_name(identifier)?;
    if name == "$$" || name.starts_with("$$$") || name == "$$$all" {
        return Err(Refusal::Invalid(format!("stream {name:?} cannot be written")));
    }
    Ok(name)
}

pub(crate) fn identifier(name: impl Into<Bytes>) -> StreamIdentifier {
    StreamIdentifier { stream_name: name.into() }
}

/// An event as proposed, within the limits of one event.
pub(crate) fn proposed(
    id: Option<&WireUuid>,
    mut properties: HashMap<String, String>,
    metadata: Bytes,
    data: Bytes,
) -> Result<Proposed, Refusal> {
    let mut property = |name| properties.remove(name).ok_or(Refusal::MissingProperty(name));
    let event_type = property(TYPE)?;
    let json = property(CONTENT_TYPE)? == JSON;
    let event = Proposed { id: uuid(id)?, event_type, json, metadata, data };
    if event.event_type.is_empty() || event.event_type.len() > EVENT_TYPE_BYTES_MAX {
        let reason = format!("an event's type has 1 to {EVENT_TYPE_BYTES_MAX} bytes");
        return Err(Refusal::Invalid(reason));
    }
    if event.payload_size() > EVENT_BYTES_MAX {
        return Err(Refusal::EventTooLarge { id: event.id, bytes: event.payload_size() });
    }
    Ok(event)
}

/// A recorded event as a reader gets it.
pub(crate) fn event(record: Record, ids: UuidForm) -> ReadResp {
    let position = record.position;
    let stream = record.stream_bytes();
    let content_type = if record.json { JSON } else { BINARY };
    let properties = HashMap::from([
        (TYPE.to_owned(), record.event_type),
        (CREATED.to_owned(), record.created_ticks.to_string()),
        (CONTENT_TYPE.to_owned(), content_type.to_owned()),
    ]);
    let recorded = read_event::RecordedEvent {
        id: Some(ids.write(record.id)),
        stream_identifier: Some(identifier(stream)),
        stream_revision: record.revision,
        prepare_position: position,
        commit_position: position,
        metadata: properties,
        custom_metadata: record.metadata,
        data: record.data,
    };
    response(Content::Event(ReadEvent {
        event: Some(recorded),
        link: None,
        position: Some(read_event::Position::CommitPosition(position)),
    }))
}

pub(crate) fn checkpoint(position: u64) -> ReadResp {
    response(Content::Checkpoint(read_resp::Checkpoint {
        commit_position: position,
        prepare_position: position,
        timestamp: Some(SystemTime::now().into()),
    }))
}

/// The subscription has delivered all there was; from here on it is live.
pub(crate) fn caught_up(stream_revision: Option<u64>, position: Option<u64>) -> ReadResp {
    response(Content::CaughtUp(read_resp::CaughtUp {
        timestamp: Some(SystemTime::now().into()),
        stream_revision: stream_revision.and_then(|revision| i64::try_from(revision).ok()),
        position: position.map(|position| read_resp::Position {
            commit_position: position,
            prepare_position: position,
        }),
    }))
}

pub(crate) fn confirmation() -> ReadResp {
    let subscription_id = Uuid::new_v4().to_string();
    response(Content::Confirmation(read_resp::SubscriptionConfirmation { subscription_id }))
}

pub(crate) fn stream_not_found(stream: String) -> ReadResp {
    let stream_identifier = Some(identifier(stream));
    response(Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier }))
}

pub(crate) fn response(content: Content) -> ReadResp {
    ReadResp { content: Some(content) }
}

/// The four requests that state an expected revision each have their own type for it.
macro_rules! expected {
    ($wire:ty, $exact:ident) => {
        impl From<$wire> for Expected {
            fn from(wire: $wire) -> Self {
                use $wire as Wire;
                match wire {
                    Wire::$exact(revision) => Self::Exact(revision),
                    Wire::NoStream(_) => Self::NoStream,
                    Wire::Any(_) => Self::Any,
                    Wire::StreamExists(_) => Self::StreamExists,
                }
            }
        }
    };
}

expected!(append_req::options::ExpectedStreamRevision, Revision);
expected!(delete_req::options::ExpectedStreamRevision, Revision);
expected!(tombstone_req::options::ExpectedStreamRevision, Revision);
expected!(batch_append_req::options::ExpectedStreamPosition, StreamPosition);

/// The expected revision of a request, which must be stated.
pub(crate) fn expected(wire: Option<impl Into<Expected>>) -> Result<Expected, Refusal> {
    wire.map(Into::into)
        .ok_or_else(|| Refusal::Invalid("the expected revision is missing".to_owned()))
}

/// The protocol's empty message.
pub(crate) const EMPTY: Empty = Empty {};
