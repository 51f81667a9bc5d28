//! Why a request is refused, and how each of the protocol's two ways of saying so says it: a status
//! with trailers, or, within `BatchAppend`, a `google.rpc.Status` with a typed detail.
//!
//! Official clients reconnect on `INTERNAL`, `UNKNOWN`, `DATA_LOSS` and `UNAVAILABLE`, so those are kept for
//! when something is broken or going away.

use prost::Message;
use prost_types::Any;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use uuid::Uuid;

use super::wire;
use crate::filter::FilterError;
use crate::limits::{APPEND_BYTES_MAX, EVENT_BYTES_MAX, READERS_MAX};
use crate::proto::event_store::client as shared;
use crate::proto::google::rpc;
use crate::store::StoreError;
use crate::store::write::{Expected, WriteError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Invalid(String),
    #[error("the event lacks the required property {0:?}")]
    MissingProperty(&'static str),
    #[error("event {id} has {bytes} bytes, the maximum is {EVENT_BYTES_MAX}")]
    EventTooLarge { id: Uuid, bytes: usize },
    #[error("the append exceeds the maximum of {APPEND_BYTES_MAX} bytes")]
    AppendTooLarge,
    #[error("stream {stream:?}: {error}")]
    Write { stream: String, expected: Expected, error: WriteError },
    #[error("stream {0:?} is deleted")]
    StreamDeleted(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{place} cannot be read: {error}")]
    Read { place: String, error: StoreError },
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("there are {READERS_MAX} reads and subscriptions already")]
    TooManyReaders,
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("credentials are needed: put user:password@ before the host of the connection string")]
    NoCredentials,
    #[error("the user or the password is wrong")]
    WrongCredentials,
}

impl Refusal {
    /// Why a page of events could not be read, with where it begins.
    pub(crate) fn reading(place: String) -> impl FnOnce(StoreError) -> Self {
        |error| Self::Read { place, error }
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid(_)
            | Self::MissingProperty(_)
            | Self::EventTooLarge { .. }
            | Self::AppendTooLarge
            | Self::Filter(_) => Code::InvalidArgument,
            Self::StreamDeleted(_) => Code::FailedPrecondition,
            Self::Store(error) | Self::Read { error, .. } => store_code(error),
            Self::TooManyReaders => Code::ResourceExhausted,
            Self::ShuttingDown => Code::Unavailable,
            // As KurrentDB has it: nobody in particular may not, somebody unknown is not somebody.
            Self::NoCredentials => Code::PermissionDenied,
            Self::WrongCredentials => Code::Unauthenticated,
            Self::Write { error, .. } => match error {
                WriteError::WrongExpected { .. } | WriteError::StreamDeleted => {
                    Code::FailedPrecondition
                }
                WriteError::Expired => Code::DeadlineExceeded,
                WriteError::Busy | WriteError::Full => Code::ResourceExhausted,
                WriteError::Stopped => Code::Unavailable,
                WriteError::Store(error) => store_code(error),
            },
        }
    }

    fn trailers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::MissingProperty(name) => vec![
                ("exception", "missing-required-metadata-property".to_owned()),
                ("required-metadata-properties", (*name).to_owned()),
            ],
            Self::EventTooLarge { id, bytes } => vec![
                ("exception", "maximum-append-event-size-exceeded".to_owned()),
                ("event-id", id.to_string()),
                ("proposed-event-size", bytes.to_string()),
                ("max-append-event-size", EVENT_BYTES_MAX.to_string()),
            ],
            Self::AppendTooLarge => vec![
                ("exception", "maximum-append-size-exceeded".to_owned()),
                ("maximum-append-size", APPEND_BYTES_MAX.to_string()),
            ],
            Self::StreamDeleted(stream)
            | Self::Write { stream, error: WriteError::StreamDeleted, .. } => {
                vec![("exception", "stream-deleted".to_owned()), ("stream-name", stream.clone())]
            }
            Self::Write { stream, expected, error: WriteError::WrongExpected { current } } => vec![
                ("exception", "wrong-expected-version".to_owned()),
                ("stream-name", stream.clone()),
                ("expected-version", version_text(*expected)),
                ("actual-version", actual_text(*current)),
            ],
            Self::NoCredentials | Self::WrongCredentials => {
                vec![("exception", "access-denied".to_owned())]
            }
            Self::Write { .. }
            | Self::Invalid(_)
            | Self::Store(_)
            | Self::Read { .. }
            | Self::Filter(_)
            | Self::TooManyReaders
            | Self::ShuttingDown => Vec::new(),
        }
    }

    /// What the status says. Of a wrong revision the Python client reads everything from the text.
    fn message(&self) -> String {
        match self {
            Self::Write { stream, expected, error: WriteError::WrongExpected { current } } => {
                format!(
                    "WrongExpectedVersion. Stream: {stream}, Expected version: {}, Actual version: {}",
                    version_text(*expected),
                    actual_text(*current)
                )
            }
            Self::Write { .. }
            | Self::Invalid(_)
            | Self::MissingProperty(_)
            | Self::EventTooLarge { .. }
            | Self::AppendTooLarge
            | Self::StreamDeleted(_)
            | Self::Store(_)
            | Self::Read { .. }
            | Self::Filter(_)
            | Self::TooManyReaders
            | Self::ShuttingDown
            | Self::NoCredentials
            | Self::WrongCredentials => self.to_string(),
        }
    }

    /// The answer within `BatchAppend`.
    pub(crate) fn into_batch_status(self) -> rpc::Status {
        let (code, message, details) = match &self {
            Self::Write { expected, error: WriteError::WrongExpected { current }, .. } => {
                let detail = wrong_expected_detail(*expected, *current);
                let details = any("event_store.client.WrongExpectedVersion", &detail);
                (rpc::Code::AlreadyExists, "WrongExpectedVersion".to_owned(), Some(details))
            }
            Self::StreamDeleted(stream)
            | Self::Write { stream, error: WriteError::StreamDeleted, .. } => {
                let stream_identifier = Some(wire::identifier(stream.clone()));
                let detail = shared::StreamDeleted { stream_identifier };
                let details = any("event_store.client.StreamDeleted", &detail);
                (rpc::Code::NotFound, "StreamDeleted".to_owned(), Some(details))
            }
            Self::AppendTooLarge => {
                let max_append_size = u32::try_from(APPEND_BYTES_MAX).unwrap_or(u32::MAX);
                let detail = shared::MaximumAppendSizeExceeded { max_append_size };
                let details = any("event_store.client.MaximumAppendSizeExceeded", &detail);
                (rpc::Code::InvalidArgument, self.to_string(), Some(details))
            }
            Self::Write { error: WriteError::Expired, .. } => {
                let details = any("event_store.client.Timeout", &shared::Timeout {});
                (rpc::Code::DeadlineExceeded, "Timeout".to_owned(), Some(details))
            }
            Self::Invalid(_)
            | Self::MissingProperty(_)
            | Self::EventTooLarge { .. }
            | Self::Filter(_) => {
                let detail = shared::BadRequest { message: self.to_string() };
                let details = any("event_store.client.BadRequest", &detail);
                (rpc::Code::InvalidArgument, self.to_string(), Some(details))
            }
            Self::Write { .. }
            | Self::Store(_)
            | Self::Read { .. }
            | Self::TooManyReaders
            | Self::ShuttingDown
            | Self::NoCredentials
            | Self::WrongCredentials => {
                let code = i32::from(self.code());
                let code = rpc::Code::try_from(code).unwrap_or(rpc::Code::Unavailable);
                (code, self.to_string(), None)
            }
        };
        rpc::Status { code: code.into(), message, details }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut trailers = MetadataMap::new();
        for (name, text) in refusal.trailers() {
            if let Ok(value) = MetadataValue::try_from(ascii(&text)) {
                trailers.insert(name, value);
            }
        }
        Status::with_metadata(refusal.code(), refusal.message(), trailers)
    }
}

fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Corrupt(_) | StoreError::Broken => Code::DataLoss,
        StoreError::Closed => Code::Unavailable,
        StoreError::Engine(_) if error.disk().is_some() => Code::Unavailable,
        StoreError::Engine(_) => Code::DataLoss,
    }
}

/// Text as it fits a header, everything else percent-encoded: the JavaScript client falls over a
/// `stream-name` that is missing or holds other bytes.
fn ascii(text: &str) -> String {
    let mut fitting = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') {
            fitting.push(char::from(byte));
        } else {
            fitting.push_str(&format!("%{byte:02X}"));
        }
    }
    fitting
}

fn actual_text(current: Option<u64>) -> String {
    current.map_or("-1".to_owned(), |last| last.to_string())
}

fn version_text(expected: Expected) -> String {
    match expected {
        Expected::Any => "-2".to_owned(),
        Expected::NoStream => "-1".to_owned(),
        Expected::StreamExists => "-4".to_owned(),
        Expected::Exact(revision) => revision.to_string(),
    }
}

fn wrong_expected_detail(expected: Expected, current: Option<u64>) -> shared::WrongExpectedVersion {
    use shared::wrong_expected_version::{
        CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Wire,
    };
    let current = current.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision);
    let expected = match expected {
        Expected::Any => Wire::ExpectedAny(()),
        Expected::NoStream => Wire::ExpectedNoStream(()),
        Expected::StreamExists => Wire::ExpectedStreamExists(()),
        Expected::Exact(revision) => Wire::ExpectedStreamPosition(revision),
    };
    shared::WrongExpectedVersion {
        current_stream_revision_option: Some(current),
        expected_stream_position_option: Some(expected),
    }
}

fn any(name: &str, detail: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: detail.encode_to_vec() }
}
