//! Events as they are stored, of whatever making: to look into a log, and to move one to another.
//!
//! Nothing is decoded here. Appends state the exact revision and the ids they take, so the same
//! append twice is one append.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use eventstore::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, Client, EventData,
    ReadAllOptions, ReadStream, ReadStreamOptions, RecordedEvent, StreamPosition, StreamState,
    SubscribeToAllOptions, SubscribeToStreamOptions, Subscription, SubscriptionEvent,
    SubscriptionFilter, TombstoneStreamOptions,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{LogError, connection};

/// The revision of the event that ends a stream for ever.
pub const TOMBSTONE_REVISION: u64 = i64::MAX.unsigned_abs();
/// The longest wait for any one answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

/// A log, whoever runs it and whatever is in it.
pub struct RawLog {
    client: Client,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Everything, in the order it was written.
    All,
    Stream(String),
}

/// Where a read begins: a revision of a stream, or a commit position of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Start,
    End,
    At(u64),
}

/// Which events are wanted, in what order.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub source: Source,
    pub from: From,
    pub backwards: bool,
    /// Only types that begin so. The log itself applies it to a read of everything only.
    pub type_prefix: Option<String>,
    /// At most so many, before the types are looked at.
    pub limit: Option<u64>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent {
    pub stream: String,
    pub revision: u64,
    /// The commit position.
    pub position: u64,
    pub event_type: String,
    pub id: Uuid,
    /// To the second: the client tells no more.
    pub created: DateTime<Utc>,
    /// Whether its content type is JSON; it is binary otherwise.
    pub json: bool,
    pub metadata: Bytes,
    pub data: Bytes,
}

/// Why the log did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RawError {
    #[error("there is no such stream, or it is deleted")]
    NoStream,
    #[error("the stream was deleted for ever")]
    Deleted,
    /// The stream is not at the revision it was said to be at.
    #[error("the stream is at another revision")]
    Conflict,
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A read that goes on.
pub struct Reading(ReadStream);

/// A subscription that goes on. It ends with its first error.
pub struct Feed(Subscription);

/// Appends that share one call. After the first refusal the outcome of all that are on their way is
/// unknown, and the call is over.
pub struct Batch(BatchAppendClient);

impl RawLog {
    /// Only reads the connection string; the connection is made on first use.
    ///
    /// # Errors
    /// [`LogError::Settings`]; [`LogError::Unavailable`] when no client can be made.
    pub fn open(connection_string: &str) -> Result<Self, LogError> {
        let settings = connection::parse(connection_string)?;
        let client = Client::new(settings);
        let client = client.map_err(|error| LogError::Unavailable(error.to_string()))?;
        Ok(Self { client })
    }

    /// # Errors
    /// [`RawError`]; that a stream is not there may be told by [`Reading::next`] only.
    pub async fn read(&self, wanted: &Wanted) -> Result<Reading, RawError> {
        let limit = wanted.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let opening = match &wanted.source {
            Source::All => {
                let mut options = ReadAllOptions::default().position(position(wanted.from));
                options = if wanted.backwards { options.backwards() } else { options.forwards() };
                if let Some(prefix) = &wanted.type_prefix {
                    options = options.filter(of_type(prefix));
                }
                options = options.max_count(limit.unwrap_or(usize::MAX));
                answered(self.client.read_all(&options)).await
            }
            Source::Stream(stream) => {
                let mut options = ReadStreamOptions::default().position(revision(wanted.from));
                options = if wanted.backwards { options.backwards() } else { options.forwards() };
                options = options.max_count(limit.unwrap_or(usize::MAX));
                answered(self.client.read_stream(stream.as_str(), &options)).await
            }
        };
        opening.map(Reading)
    }

    /// Everything after a place, then what is new, without end.
    pub async fn subscribe(
        &self,
        source: &Source,
        after: From,
        type_prefix: Option<&str>,
    ) -> Result<Feed, RawError> {
        let subscription = match source {
            Source::All => {
                let mut options = SubscribeToAllOptions::default().position(position(after));
                if let Some(prefix) = type_prefix {
                    options = options.filter(of_type(prefix));
                }
                self.client.subscribe_to_all(&options).await
            }
            Source::Stream(stream) => {
                let options = SubscribeToStreamOptions::default().start_from(revision(after));
                self.client.subscribe_to_stream(stream.as_str(), &options).await
            }
        };
        Ok(Feed(subscription))
    }

    /// Appends events of one stream, the first of them at exactly `first`. Events that are there
    /// already, all of them under the same ids, are fine.
    ///
    /// # Errors
    /// [`RawError::Conflict`] when they cannot be there.
    pub async fn append(
        &self,
        stream: &str,
        first: u64,
        events: &[RawEvent],
    ) -> Result<(), RawError> {
        let options = AppendToStreamOptions::default().stream_state(before(first));
        let events: Vec<_> = events.iter().map(event_data).collect();
        answered(self.client.append_to_stream(stream, &options, events)).await.map(|_| ())
    }

    /// Opens a call for many appends; none if the server has no such call.
    ///
    /// # Errors
    /// [`RawError::Log`].
    pub async fn batch(&self) -> Result<Option<Batch>, RawError> {
        let options = BatchAppendOptions::default().requires_leader(true);
        let opening = tokio::time::timeout(ANSWER_MAX, self.client.batch_append(&options)).await;
        match opening.map_err(|_| no_answer())? {
            Ok(batch) => Ok(Some(Batch(batch))),
            Err(eventstore::Error::UnsupportedFeature) => Ok(None),
            Err(error) => Err(explained(error)),
        }
    }

    /// Ends a stream for ever.
    ///
    /// # Errors
    /// [`RawError::Deleted`] when it has ended already.
    pub async fn tombstone(&self, stream: &str) -> Result<(), RawError> {
        let options = TombstoneStreamOptions::default();
        answered(self.client.tombstone_stream(stream, &options)).await.map(|_| ())
    }
}

impl Reading {
    /// None at the end.
    ///
    /// # Errors
    /// [`RawError`].
    pub async fn next(&mut self) -> Result<Option<RawEvent>, RawError> {
        loop {
            let Some(resolved) = answered(self.0.next()).await? else { return Ok(None) };
            if let Some(event) = resolved.event {
                return Ok(Some(raw(event)));
            }
        }
    }
}

impl Feed {
    /// Waits for the next event.
    ///
    /// # Errors
    /// [`RawError`].
    pub async fn next(&mut self) -> Result<RawEvent, RawError> {
        loop {
            let next = self.0.next_subscription_event().await.map_err(explained)?;
            if let SubscriptionEvent::EventAppeared(resolved) = next
                && let Some(event) = resolved.event
            {
                return Ok(raw(event));
            }
        }
    }
}

impl Batch {
    /// Like [`RawLog::append`]; the order of the calls is the order in which they are sent.
    ///
    /// # Errors
    /// Any; see [`Batch`].
    pub async fn append(
        &self,
        stream: &str,
        first: u64,
        events: &[RawEvent],
    ) -> Result<(), RawError> {
        let events: Vec<_> = events.iter().map(event_data).collect();
        answered(self.0.append_to_stream(stream, before(first), events)).await.map(|_| ())
    }
}

async fn answered<T>(call: impl Future<Output = eventstore::Result<T>>) -> Result<T, RawError> {
    match tokio::time::timeout(ANSWER_MAX, call).await {
        Ok(answer) => answer.map_err(explained),
        Err(_) => Err(no_answer()),
    }
}

fn no_answer() -> RawError {
    LogError::Unavailable(format!("no answer within {} s", ANSWER_MAX.as_secs())).into()
}

fn explained(error: eventstore::Error) -> RawError {
    use eventstore::Error;
    const INVALID_ARGUMENT: i32 = 3;
    const ALREADY_EXISTS: i32 = 6;
    const PERMISSION_DENIED: i32 = 7;
    const UNIMPLEMENTED: i32 = 12;
    const UNAUTHENTICATED: i32 = 16;
    match error {
        Error::WrongExpectedVersion { .. } | Error::ResourceAlreadyExists => RawError::Conflict,
        Error::ResourceNotFound => RawError::NoStream,
        Error::ResourceDeleted => RawError::Deleted,
        Error::Grpc { code, message } => match i32::from(code) {
            ALREADY_EXISTS => RawError::Conflict,
            INVALID_ARGUMENT | PERMISSION_DENIED | UNIMPLEMENTED | UNAUTHENTICATED => {
                LogError::Refused(message).into()
            }
            _ => LogError::Unavailable(message).into(),
        },
        Error::AccessDenied => LogError::Refused(connection::ACCESS_DENIED.to_owned()).into(),
        Error::UnsupportedFeature | Error::InternalParsingError(_) => {
            LogError::Refused(error.to_string()).into()
        }
        Error::ServerError(_)
        | Error::NotLeaderException(_)
        | Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::InternalClientError
        | Error::DeadlineExceeded
        | Error::InitializationError(_)
        | Error::IllegalStateError(_) => LogError::Unavailable(error.to_string()).into(),
    }
}

fn position(from: From) -> StreamPosition<eventstore::Position> {
    match from {
        From::Start => StreamPosition::Start,
        From::End => StreamPosition::End,
        From::At(at) => StreamPosition::Position(eventstore::Position { commit: at, prepare: at }),
    }
}

fn revision(from: From) -> StreamPosition<u64> {
    match from {
        From::Start => StreamPosition::Start,
        From::End => StreamPosition::End,
        From::At(at) => StreamPosition::Position(at),
    }
}

fn of_type(prefix: &str) -> SubscriptionFilter {
    SubscriptionFilter::on_event_type().add_prefix(prefix)
}

/// The state of a stream whose next event is at `first`.
fn before(first: u64) -> StreamState {
    first.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision)
}

fn event_data(event: &RawEvent) -> EventData {
    let text = serde_json::from_slice::<&RawValue>(&event.data).ok().filter(|_| event.json);
    // The client makes JSON only of what it serialises itself; this text it leaves as it is.
    let data = text.and_then(|text| EventData::json(&event.event_type, &text).ok());
    let data = data.unwrap_or_else(|| EventData::binary(&event.event_type, event.data.clone()));
    let data = data.id(event.id);
    if event.metadata.is_empty() { data } else { data.metadata(event.metadata.clone()) }
}

fn raw(event: RecordedEvent) -> RawEvent {
    let json = event.metadata.get("content-type").map_or(event.is_json, |it| it == JSON);
    RawEvent {
        stream: event.stream_id().to_owned(),
        revision: event.revision,
        position: event.position.commit,
        event_type: event.event_type,
        id: event.id,
        created: event.created,
        json,
        metadata: event.custom_metadata,
        data: event.data,
    }
}
