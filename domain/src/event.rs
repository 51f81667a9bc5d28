//! What an event is, and what is recorded beside it.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Timestamp;
use crate::account::AccountEvent;
use crate::email_claim::EmailClaimEvent;
use crate::id::{AccountId, CommandId};
use crate::notice::NoticeEvent;
use crate::order::OrderEvent;
use crate::payment::PaymentEvent;
use crate::ticket::TicketEvent;

/// The events of one aggregate: an enum tagged `#[serde(tag = "type", content = "data")]`, so that
/// serde gives both the name of an event and its stored body.
pub trait Event:
    Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static
{
    /// The lifts from every older version of an event to the next. The version written today is
    /// one more than the number of lifts of that name.
    const UPCASTERS: &'static [Upcaster];
}

/// Lifts the stored body of one event from version `from` to version `from + 1`.
#[derive(Clone, Copy, Debug)]
pub struct Upcaster {
    pub event: &'static str,
    pub from: u16,
    pub lift: fn(Value) -> Value,
}

/// Any event of the domain, for those who follow the whole log.
#[derive(Clone, Debug, PartialEq)]
pub enum DomainEvent {
    Account(AccountEvent),
    EmailClaim(EmailClaimEvent),
    Ticket(TicketEvent),
    Order(OrderEvent),
    Payment(PaymentEvent),
    Notice(NoticeEvent),
}

/// The number of an event in its stream, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// A place in the whole log. Opaque and rising, but not contiguous. Written `<commit>-<prepare>`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    pub commit: u64,
    pub prepare: u64,
}

impl Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.commit, self.prepare)
    }
}

/// The text is not `<commit>-<prepare>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is two numbers with a dash between, like 1024-1024")]
pub struct InvalidPosition;

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (commit, prepare) = text.split_once('-').ok_or(InvalidPosition)?;
        let number = |part: &str| part.parse().map_err(|_| InvalidPosition);
        Ok(Self { commit: number(commit)?, prepare: number(prepare)? })
    }
}

/// Who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// Somebody not signed in, as at sign-up.
    Anonymous,
    Person(AccountId),
    /// A process manager, by its name.
    Process(String),
}

/// Why a command is carried out; it becomes the metadata of the command's events.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Names this command for ever: the same id takes effect once.
    pub command: CommandId,
    /// SHA-256 of the canonical request, in hex; tells a repeated command from another one that
    /// uses the same id. None for process managers, whose ids are derived from what they do.
    pub fingerprint: Option<String>,
    /// Shared by everything that follows from one request.
    pub correlation: Uuid,
    /// What led to this command directly: a request or an event.
    pub causation: Uuid,
    pub actor: Actor,
    /// The W3C `traceparent` of the request.
    pub trace: Option<String>,
    pub now: Timestamp,
}

impl Cause {
    /// The cause of what a process manager does because of `event`.
    ///
    /// `step` tells several commands after one event apart; the command's id is derived from both,
    /// so doing it again has no second effect.
    #[must_use]
    pub fn after<E>(event: &Recorded<E>, process: &str, step: &str, now: Timestamp) -> Self {
        let name = format!("{process}/{step}");
        Self {
            command: CommandId(Uuid::new_v5(&event.id, name.as_bytes())),
            fingerprint: None,
            correlation: event.metadata.correlation,
            causation: event.id,
            actor: Actor::Process(process.to_owned()),
            trace: event.metadata.trace.clone(),
            now,
        }
    }
}

/// What is stored beside each event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    pub correlation: Uuid,
    pub causation: Uuid,
    pub actor: Actor,
    pub command: CommandId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    pub occurred_at: Timestamp,
    /// The version of the program that wrote the event.
    pub build: String,
}

/// An event as it lies in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded<E> {
    pub event: E,
    /// As it is stored: `TicketReserved.v1`, also where it has been lifted to a newer version.
    pub event_type: String,
    pub id: Uuid,
    pub stream: String,
    pub revision: Revision,
    pub position: Position,
    pub metadata: Metadata,
    /// When the log took it in, to the second; `metadata.occurred_at` is finer.
    pub at: Timestamp,
}

impl<E> Recorded<E> {
    /// The same record around another event type.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> Recorded<F> {
        let Self { event, event_type, id, stream, revision, position, metadata, at } = self;
        let event = change(event);
        Recorded { event, event_type, id, stream, revision, position, metadata, at }
    }
}
