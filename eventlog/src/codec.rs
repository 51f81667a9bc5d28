//! Events to and from what is stored: the type `Name.vN`, the body as JSON, and the metadata.
//!
//! Bodies are stored as serde writes them. Old versions are lifted one version at a time until they
//! are today's; readers see only those. An event renamed is an alias of serde's, and its lifts keep
//! the old name.

#[cfg(test)]
mod golden;
mod named;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use domain::id::CommandId;
use domain::{
    Account, Aggregate, Cause, DomainEvent, EmailClaim, Event, Metadata, Notice, Order, Payment,
    Position, Recorded, Revision, Ticket, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::LogError;

/// The longest body of an event, in bytes; the log itself takes no more than 1 MiB with everything.
pub(crate) const BODY_BYTES_MAX: usize = 512 * 1024;

/// The first parts of the names of our streams.
pub(crate) const CATEGORIES: [&str; 6] = [
    Account::CATEGORY,
    EmailClaim::CATEGORY,
    Ticket::CATEGORY,
    Order::CATEGORY,
    Payment::CATEGORY,
    Notice::CATEGORY,
];

/// An event ready to be appended.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) id: Uuid,
    pub(crate) event_type: String,
    pub(crate) body: Box<RawValue>,
    pub(crate) metadata: Bytes,
}

impl Encoded {
    pub(crate) fn bytes(&self) -> usize {
        self.body.get().len() + self.metadata.len()
    }
}

/// An event as the log gives it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) stream: String,
    pub(crate) revision: Revision,
    pub(crate) position: Position,
    pub(crate) event_type: String,
    pub(crate) body: Bytes,
    pub(crate) metadata: Bytes,
    pub(crate) at: Timestamp,
}

/// The part of the metadata by which a command is known again.
#[derive(Deserialize)]
pub(crate) struct GivenCommand<'a> {
    pub(crate) command: CommandId,
    #[serde(borrow, default)]
    pub(crate) fingerprint: Option<Cow<'a, str>>,
}

/// How serde writes an adjacently tagged event.
#[derive(Deserialize, Serialize)]
struct Tagged<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

pub(crate) fn encode_metadata(cause: &Cause, build: &str) -> Result<Bytes, LogError> {
    let metadata = Metadata {
        correlation: cause.correlation,
        causation: cause.causation,
        actor: cause.actor.clone(),
        command: cause.command,
        fingerprint: cause.fingerprint.clone(),
        trace: cause.trace.clone(),
        occurred_at: cause.now,
        build: build.to_owned(),
    };
    let unencodable = |error: serde_json::Error| LogError::Unencodable {
        event_type: "metadata".to_owned(),
        reason: error.to_string(),
    };
    serde_json::to_vec(&metadata).map(Bytes::from).map_err(unencodable)
}

pub(crate) fn encode<E: Event>(event: &E, id: Uuid, metadata: Bytes) -> Result<Encoded, LogError> {
    let unencodable = |event_type: &str, reason: String| LogError::Unencodable {
        event_type: event_type.to_owned(),
        reason,
    };
    let text = serde_json::to_string(event).map_err(|error| unencodable("?", error.to_string()))?;
    let tagged: Tagged<'_> =
        serde_json::from_str(&text).map_err(|error| unencodable("?", error.to_string()))?;
    let event_type = format!("{}.v{}", tagged.name, latest::<E>(tagged.name));
    let body = tagged.data.unwrap_or(RawValue::NULL);
    if body.get().len() > BODY_BYTES_MAX {
        return Err(unencodable(&event_type, format!("longer than {BODY_BYTES_MAX} bytes")));
    }
    Ok(Encoded { id, event_type, body: body.to_owned(), metadata })
}

pub(crate) fn decode<E: Event>(stored: Stored) -> Result<Recorded<E>, LogError> {
    let (event, metadata) = (decode_event(&stored)?, decode_metadata(&stored)?);
    let Stored { id, stream, revision, position, event_type, at, .. } = stored;
    Ok(Recorded { event, event_type, id, stream, revision, position, metadata, at })
}

/// Only what happened: a history is folded from thousands of events.
pub(crate) fn decode_event<E: Event>(stored: &Stored) -> Result<E, LogError> {
    lifted::<E>(&stored.event_type, &stored.body).map_err(|reason| stored.undecodable(reason))
}

/// Only which command it came from.
pub(crate) fn decode_command(stored: &Stored) -> Result<GivenCommand<'_>, LogError> {
    decode_metadata(stored)
}

fn decode_metadata<'a, T: Deserialize<'a>>(stored: &'a Stored) -> Result<T, LogError> {
    serde_json::from_slice(&stored.metadata)
        .map_err(|error| stored.undecodable(format!("its metadata: {error}")))
}

/// None for what is not ours: events of the log itself, and streams of others.
pub(crate) fn decode_any(stored: Stored) -> Result<Option<Recorded<DomainEvent>>, LogError> {
    if stored.is_of_the_log() {
        return Ok(None);
    }
    let category = stored.stream.split_once('-').map_or("", |(category, _)| category);
    let event = match category {
        Account::CATEGORY => decode(stored)?.map(DomainEvent::Account),
        EmailClaim::CATEGORY => decode(stored)?.map(DomainEvent::EmailClaim),
        Ticket::CATEGORY => decode(stored)?.map(DomainEvent::Ticket),
        Order::CATEGORY => decode(stored)?.map(DomainEvent::Order),
        Payment::CATEGORY => decode(stored)?.map(DomainEvent::Payment),
        Notice::CATEGORY => decode(stored)?.map(DomainEvent::Notice),
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// When an event happened, if its metadata can be read.
pub(crate) fn occurred_at(stored: &Stored) -> Option<Timestamp> {
    serde_json::from_slice::<Metadata>(&stored.metadata).ok().map(|metadata| metadata.occurred_at)
}

impl Stored {
    /// Links, metadata, tombstones: what the log writes for itself.
    pub(crate) fn is_of_the_log(&self) -> bool {
        self.event_type.starts_with('$')
    }

    pub(crate) fn undecodable(&self, reason: impl Into<String>) -> LogError {
        LogError::Undecodable {
            stream: self.stream.clone(),
            revision: self.revision,
            position: self.position,
            event_type: self.event_type.clone(),
            reason: reason.into(),
        }
    }
}

/// The version written today of an event.
fn latest<E: Event>(name: &str) -> u16 {
    let lifts = E::UPCASTERS.iter().filter(|upcaster| upcaster.event == name).count();
    u16::try_from(lifts).unwrap_or(u16::MAX - 1) + 1
}

fn lifted<E: Event>(event_type: &str, body: &[u8]) -> Result<E, String> {
    let (name, version) = name_and_version(event_type).ok_or("its type is not Name.vN")?;
    let latest = latest::<E>(name);
    if version > latest {
        return Err(format!("this program knows {name} only up to version {latest}"));
    }
    if version == latest {
        return named::read(name, body).map_err(|error| error.to_string());
    }
    let mut data: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    for from in version..latest {
        let upcaster = E::UPCASTERS.iter().find(|it| it.event == name && it.from == from);
        let upcaster = upcaster.ok_or_else(|| format!("no lift of {name} from version {from}"))?;
        data = (upcaster.lift)(data);
    }
    serde_json::from_value(json!({ "type": name, "data": data })).map_err(|error| error.to_string())
}

fn name_and_version(event_type: &str) -> Option<(&str, u16)> {
    let (name, version) = event_type.rsplit_once(".v")?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    Some((name, version))
}
