//! The connection to NATS and the stream kept as code.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{
    Context, ContextBuilder, CreateStreamError, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{
    Config, RawMessageError, RawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::{ConnectError, ConnectOptions, RequestError, jetstream};

use crate::message::Mark;
use crate::resume::{Last, StreamState};
use crate::{Settings, subject};

/// For one answer of NATS. A fenced publish that is given up may still arrive; that does no harm.
const ANSWER_SECONDS_MAX: u64 = 5;
/// A connection that is silently dead is noticed after a few of these.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long the server itself remembers message ids; the fence does not depend on it.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// NATS could not do it now; all of these are worth trying again.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("NATS cannot be reached")]
    Connect(#[from] ConnectError),
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
    #[error("JetStream refused the event")]
    Refused(#[from] jetstream::Error),
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

/// A connection made on first use; the client mends it by itself.
#[derive(Debug)]
pub(crate) struct Broker {
    settings: Settings,
    jetstream: Option<Context>,
    /// Once in a life, so that two versions of the relay do not change it back and forth.
    configured: bool,
}

impl Broker {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, jetstream: None, configured: false }
    }

    /// What the stream holds; none when there is no such stream.
    pub(crate) async fn find(&mut self) -> Result<Option<Stream>, BrokerError> {
        let jetstream = self.connected().await?;
        match within::<_, BrokerError>(find(&jetstream, &self.settings.stream)).await? {
            Some(stream) => self.adjusted(&jetstream, stream).await.map(Some),
            None => Ok(None),
        }
    }

    /// Creates the stream; another relay may be doing so too.
    pub(crate) async fn create(&mut self) -> Result<Stream, BrokerError> {
        let jetstream = self.connected().await?;
        let fresh = Config {
            name: self.settings.stream.clone(),
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            ..Config::default()
        };
        let config = wanted(fresh, &self.settings);
        let stream = within(jetstream.create_stream(config)).await?;
        tracing::info!(stream = %self.settings.stream, "created the JetStream stream");
        self.configured = true;
        Ok(stream)
    }

    /// For publishing.
    pub(crate) async fn connected(&mut self) -> Result<Context, BrokerError> {
        let jetstream = match &self.jetstream {
            Some(jetstream) => jetstream,
            None => self.jetstream.insert(connect(&self.settings.nats_url).await?),
        };
        // While it is away, the client would keep what is published in memory.
        match jetstream.client().connection_state() {
            State::Connected => Ok(jetstream.clone()),
            State::Pending | State::Disconnected => Err(BrokerError::Disconnected),
        }
    }

    /// Settings that may be changed on a living stream; limits that an operator set are kept.
    async fn adjusted(
        &mut self,
        jetstream: &Context,
        stream: Stream,
    ) -> Result<Stream, BrokerError> {
        let current = &stream.cached_info().config;
        let config = wanted(current.clone(), &self.settings);
        if self.configured || config == *current {
            self.configured = true;
            return Ok(stream);
        }
        within(jetstream.update_stream(config)).await?;
        tracing::info!(stream = %self.settings.stream, "changed the JetStream stream's settings");
        self.configured = true;
        within(jetstream.get_stream(&self.settings.stream)).await
    }
}

pub(crate) async fn connect(url: &str) -> Result<Context, BrokerError> {
    let answer_time = Duration::from_secs(ANSWER_SECONDS_MAX);
    let options = ConnectOptions::new()
        .name("ticketing relay")
        .connection_timeout(answer_time)
        .request_timeout(Some(answer_time))
        .ping_interval(PING_EVERY);
    let client = within(options.connect(url)).await?;
    Ok(ContextBuilder::new().timeout(answer_time).build(client))
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
        takes_batches: info.config.allow_atomic_publish,
    })
}

fn wanted(base: Config, settings: &Settings) -> Config {
    Config {
        description: Some("The public events of ticketing, each once, in order".to_owned()),
        subjects: vec![subject::ALL.to_owned()],
        num_replicas: settings.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        allow_atomic_publish: true,
        ..base
    }
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
