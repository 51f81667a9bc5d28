//! What every test of the suite uses: a server, its official client, and short forms of what is
//! asked of it.

use std::time::Duration;

use embedded_log::testing::TestLog;
use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, EventData, ReadStreamOptions, ResolvedEvent,
    StreamPosition, StreamState, WriteResult,
};
use uuid::Uuid;

use crate::wire::Wire;

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A log of our own, or with `KURRENTDB_URL` the one it names; and a client of it.
pub(crate) struct Server {
    _log: Option<TestLog>,
    connection_string: String,
    pub(crate) client: Client,
}

impl Server {
    pub(crate) async fn start() -> Self {
        match other() {
            Some(url) => {
                let client = connect(&url);
                Self { _log: None, connection_string: url, client }
            }
            None => Self::start_ours().await,
        }
    }

    /// A log of our own, for what another server may do otherwise; none with `KURRENTDB_URL`.
    pub(crate) async fn ours(why: &str) -> Option<Self> {
        if other().is_some() {
            println!("skipped: {why}");
            return None;
        }
        Some(Self::start_ours().await)
    }

    async fn start_ours() -> Self {
        let log = TestLog::start().await;
        let connection_string = log.connection_string();
        let client = connect(&connection_string);
        Self { _log: Some(log), connection_string, client }
    }

    pub(crate) fn connection_string(&self) -> &str {
        &self.connection_string
    }

    /// The `host:port` of its first node.
    pub(crate) fn authority(&self) -> &str {
        let after_scheme = self.connection_string.split("://").nth(1).unwrap();
        let hosts = after_scheme.split(['/', '?']).next().unwrap();
        hosts.rsplit('@').next().unwrap().split(',').next().unwrap()
    }

    /// A connection on which anything can be said.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(self.authority()).await
    }
}

fn other() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "points the suite at a real KurrentDB")]
    std::env::var("KURRENTDB_URL").ok()
}

pub(crate) fn connect(connection_string: &str) -> Client {
    let settings: ClientSettings = connection_string.parse().unwrap();
    Client::new(settings).unwrap()
}

pub(crate) fn stream(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}

pub(crate) fn event(number: u64) -> EventData {
    event_with_id(number, Uuid::new_v4())
}

pub(crate) fn event_with_id(number: u64, id: Uuid) -> EventData {
    typed_event("Numbered.v1", number).id(id)
}

pub(crate) fn typed_event(event_type: &str, number: u64) -> EventData {
    EventData::binary(event_type, number.to_be_bytes().to_vec().into()).id(Uuid::new_v4())
}

pub(crate) fn events(numbers: std::ops::Range<u64>) -> Vec<EventData> {
    numbers.map(event).collect()
}

pub(crate) fn number(event: &ResolvedEvent) -> u64 {
    u64::from_be_bytes(event.get_original_event().data[..].try_into().unwrap())
}

pub(crate) async fn append(
    client: &Client,
    stream: &str,
    state: StreamState,
    events: Vec<EventData>,
) -> eventstore::Result<WriteResult> {
    let options = AppendToStreamOptions::default().stream_state(state);
    client.append_to_stream(stream, &options, events).await
}

/// All events of a stream, forwards.
pub(crate) async fn read(client: &Client, stream: &str) -> eventstore::Result<Vec<ResolvedEvent>> {
    let options = ReadStreamOptions::default().position(StreamPosition::Start).forwards();
    read_with(client, stream, options).await
}

pub(crate) async fn read_with(
    client: &Client,
    stream: &str,
    options: ReadStreamOptions,
) -> eventstore::Result<Vec<ResolvedEvent>> {
    let mut reading = client.read_stream(stream, &options).await?;
    let mut events = Vec::new();
    while let Some(event) = reading.next().await? {
        events.push(event);
    }
    Ok(events)
}

pub(crate) fn revisions(events: &[ResolvedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.get_original_event().revision).collect()
}

/// The future's result, or a failed test when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
