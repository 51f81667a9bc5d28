//! The stream kept as code, and what it says of itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::StreamError;
use async_nats::jetstream::consumer::pull::{MessagesError, OrderedError};
use async_nats::jetstream::context::{
    Context, CreateStreamError, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{
    Config, ConsumerError, DiscardPolicy, RawMessageError, RawMessageErrorKind, RetentionPolicy,
    StorageType, Stream, SubjectTransform,
};
use async_nats::{ConnectError, RequestError, jetstream};

use crate::message::Mark;
use crate::nats::Connection;
use crate::publish::Way;
use crate::resume::{Last, StreamState};
use crate::{Limits, Partition, events, subject};

/// For one answer of NATS. A fenced publish that is given up may still arrive; that does no harm.
pub(crate) const ANSWER_SECONDS_MAX: u64 = 5;
/// How long the server itself remembers message ids; the fence does not depend on it.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// A public event has some hundred bytes, and a title of at most 200 letters.
const MESSAGE_BYTES_MAX: i32 = 64 * 1024;

/// NATS could not do it now; all of these are worth trying again.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("NATS cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("the credentials in {} cannot be read", file.display())]
    Credentials {
        file: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("the connection to NATS is lost and being made again")]
    Disconnected,
    #[error("NATS did not answer within {ANSWER_SECONDS_MAX} s")]
    TimedOut,
    #[error("JetStream did not say what the stream holds")]
    Info(#[from] GetStreamError),
    #[error("JetStream did not create or change the stream")]
    Configure(#[from] CreateStreamError),
    #[error("JetStream did not give the last message")]
    LastMessage(#[from] RawMessageError),
    #[error("the event was not sent")]
    Send(#[from] async_nats::PublishError),
    #[error("the event was not acknowledged")]
    Acknowledge(#[from] RequestError),
    #[error("the event was not acknowledged")]
    AcknowledgeOne(#[from] jetstream::context::PublishError),
    #[error("JetStream refused the event")]
    Refused(#[from] jetstream::Error),
    #[error("JetStream did not make a consumer")]
    Consume(#[from] ConsumerError),
    #[error("the consumer's messages did not come")]
    Messages(#[from] StreamError),
    #[error("the consumer's messages do not come any more")]
    Ordered(#[from] OrderedError),
    #[error("the group's messages do not come any more")]
    Group(#[from] MessagesError),
    #[error("a message does not say where it lies in its stream")]
    Strange(#[source] async_nats::Error),
    #[error("JetStream's acknowledgement cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

/// Gives up a call that NATS leaves without an answer.
pub(crate) async fn within<T, E: Into<BrokerError>>(
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), call).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_elapsed) => Err(BrokerError::TimedOut),
    }
}

/// The stream of one partition.
#[derive(Debug)]
pub(crate) struct Broker {
    connection: Arc<Connection>,
    partition: Partition,
    limits: Limits,
    atomic_batches: bool,
    /// Once in a life, so that two versions of the relay do not change it back and forth.
    configured: bool,
}

impl Broker {
    pub(crate) fn new(
        connection: Arc<Connection>,
        partition: Partition,
        limits: Limits,
        atomic_batches: bool,
    ) -> Self {
        Self { connection, partition, limits, atomic_batches, configured: false }
    }

    /// What the stream holds; none when there is no such stream.
    pub(crate) async fn find(&mut self) -> Result<Option<Stream>, BrokerError> {
        let jetstream = self.connected().await?;
        match within::<_, BrokerError>(find(&jetstream, &self.partition.stream())).await? {
            Some(stream) => self.adjusted(&jetstream, stream).await.map(Some),
            None => Ok(None),
        }
    }

    /// Creates the stream; another relay may be doing so too.
    pub(crate) async fn create(&mut self) -> Result<Stream, BrokerError> {
        let jetstream = self.connected().await?;
        let fresh = Config {
            name: self.partition.stream(),
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            ..Config::default()
        };
        let config = self.wanted(fresh);
        let stream = within(jetstream.create_stream(config)).await?;
        tracing::info!(stream = self.partition.stream(), "created the JetStream stream");
        if let Err(error) = events::keep_dead_letters(&jetstream, self.limits.replicas).await {
            tracing::warn!(%error, "the stream of dead letters cannot be made");
        }
        self.configured = true;
        Ok(stream)
    }

    /// For publishing.
    pub(crate) async fn connected(&self) -> Result<Context, BrokerError> {
        self.connection.jetstream().await
    }

    /// Settings that may be changed on a living stream.
    async fn adjusted(
        &mut self,
        jetstream: &Context,
        stream: Stream,
    ) -> Result<Stream, BrokerError> {
        let current = &stream.cached_info().config;
        let config = self.wanted(current.clone());
        if self.configured || config == *current {
            self.configured = true;
            return Ok(stream);
        }
        let name = self.partition.stream();
        within(jetstream.update_stream(config)).await?;
        tracing::info!(stream = name, "changed the JetStream stream's settings");
        self.configured = true;
        within(jetstream.get_stream(name)).await
    }

    /// An operator's own limits are kept where none are set here.
    fn wanted(&self, base: Config) -> Config {
        let Limits { replicas, age_max, bytes_max } = self.limits;
        let renamed = SubjectTransform {
            source: self.partition.listens(),
            destination: subject::ALL.to_owned(),
        };
        Config {
            description: Some("The public events of ticketing, each once, in order".to_owned()),
            subjects: vec![self.partition.listens()],
            subject_transform: self.partition.renames().then_some(renamed),
            num_replicas: replicas,
            max_age: age_max.unwrap_or(base.max_age),
            max_bytes: bytes_max.unwrap_or(base.max_bytes),
            max_message_size: MESSAGE_BYTES_MAX,
            discard: DiscardPolicy::Old,
            duplicate_window: DUPLICATE_WINDOW,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            allow_atomic_publish: self.atomic_batches,
            ..base
        }
    }
}

/// None: there is no such stream.
pub(crate) async fn find(jetstream: &Context, stream: &str) -> Result<Option<Stream>, BrokerError> {
    match jetstream.get_stream(stream).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How far a stream has come. The answer is the stream leader's, so no replica's lag shows in it.
pub(crate) async fn state(stream: &Stream) -> Result<StreamState, BrokerError> {
    let info = stream.cached_info();
    let last_sequence = info.state.last_sequence;
    let last = if last_sequence == 0 {
        Last::Never
    } else {
        match within(stream.get_raw_message(last_sequence)).await {
            Ok(message) => Mark::read(&message.headers).map_or(Last::Foreign, Last::Marked),
            Err(BrokerError::LastMessage(error)) if is_gone(&error) => Last::Gone,
            Err(error) => return Err(error),
        }
    };
    Ok(StreamState {
        created: info.created.unix_timestamp_nanos().to_string(),
        last_sequence,
        last,
        on_disk: info.config.storage == StorageType::File,
        // A server that is too old for batches has never heard of this setting.
        way: if info.config.allow_atomic_publish { Way::Batches } else { Way::Pipelined },
    })
}

fn is_not_found(error: &GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        GetStreamErrorKind::EmptyName
        | GetStreamErrorKind::Request
        | GetStreamErrorKind::InvalidStreamName => false,
    }
}

fn is_gone(error: &RawMessageError) -> bool {
    error.kind() == RawMessageErrorKind::NoMessageFound
}
