//! The parts a relay runs between, and what is to be seen of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream::Stream};
use domain::Position;
use embedded_log::testing::TestLog;
use eventlog::{Delivery, EventLog, FollowError};
use futures::StreamExt;
use local_services::testing::{TestDatabase, TestNats};
use relay::contract::PublicEvent;
use relay::desk::Desk;
use relay::{Halt, Nats, Partition, Settings, Sharing, Verdict};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Everything here takes milliseconds; this is for a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct World {
    pub(crate) log: TestLog,
    pub(crate) nats: TestNats,
    pub(crate) pool: PgPool,
    // Dropped last: the pool is open on it.
    _database: TestDatabase,
}

/// A public event as the log has it, or a message as the stream has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) position: Position,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        let log = TestLog::start().await;
        Self { log, nats: TestNats::start().await, pool, _database: database }
    }

    /// A handle with a connection and a cache of its own, as another process has.
    pub(crate) fn events(&self) -> EventLog {
        let connection_string = self.log.connection_string();
        EventLog::new(eventlog::Settings { connection_string, build: "test".to_owned() }).unwrap()
    }

    pub(crate) fn relay(&self) -> RunningRelay {
        self.relay_with(self.events(), self.pool.clone())
    }

    pub(crate) fn relay_with(&self, events: EventLog, pool: PgPool) -> RunningRelay {
        self.relay_with_settings(events, pool, self.settings())
    }

    /// Relays that race: none waits for another.
    pub(crate) fn settings(&self) -> Settings {
        let sharing = Sharing::Racing;
        Settings { sharing, ..Settings::at(Nats::at(self.nats.url())) }
    }

    pub(crate) fn relay_with_settings(
        &self,
        events: EventLog,
        pool: PgPool,
        settings: Settings,
    ) -> RunningRelay {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(relay::run(events, pool, settings, shutdown.clone()));
        RunningRelay { running, shutdown }
    }

    pub(crate) async fn stream(&self) -> Option<Stream> {
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        jetstream::new(client).get_stream(relay::STREAM).await.ok()
    }

    /// Every public event of the log.
    pub(crate) async fn log_facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let events = self.events();
        let mut deliveries = std::pin::pin!(events.subscribe(None));
        loop {
            let recorded = match deliveries.next().await.unwrap().unwrap() {
                Delivery::Event(recorded) => recorded,
                Delivery::Checkpoint(_) => continue,
                Delivery::CaughtUp => return facts,
            };
            let Some(event) = PublicEvent::of(&recorded).unwrap() else { continue };
            let (kind, id) = (event.kind(), event.aggregate_id());
            facts.push(Fact {
                id: recorded.id.to_string(),
                kind: kind.type_name(),
                subject: format!("ticketing.{}.{id}.{}", kind.aggregate, kind.event),
                position: recorded.position,
                body: serde_json::to_string(&event).unwrap(),
            });
        }
    }

    /// Every message of the stream.
    pub(crate) async fn stream_facts(&self) -> Vec<Fact> {
        self.facts_of(relay::STREAM).await
    }

    pub(crate) async fn facts_of(&self, name: &str) -> Vec<Fact> {
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        let Ok(stream) = jetstream::new(client).get_stream(name).await else { return Vec::new() };
        let mut facts = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let header = |name: &str| message.headers.get(name).unwrap().as_str().to_owned();
            assert_eq!(header("Ticketing-Ordinal"), sequence.to_string());
            facts.push(Fact {
                id: header("ce-id"),
                kind: header("ce-type"),
                subject: message.subject.to_string(),
                position: header("Ticketing-Position").parse().unwrap(),
                body: String::from_utf8(message.payload.to_vec()).unwrap(),
            });
        }
        facts
    }

    pub(crate) async fn published(&self) -> u64 {
        match self.stream().await {
            Some(stream) => stream.cached_info().state.last_sequence,
            None => 0,
        }
    }

    /// Waits until the relays have caught up, then compares: none missing, doubled or out of
    /// order.
    pub(crate) async fn assert_stream_equals_log(&self) {
        let expected = self.log_facts().await;
        let count = u64::try_from(expected.len()).unwrap();
        assert!(count > 0, "a history without public events shows nothing");
        self.until_published(count).await;
        let found = self.stream_facts().await;
        let doubled = repeated(&found);
        assert!(doubled.is_empty(), "published more than once: {doubled:?}");
        assert_eq!(found, expected);
    }

    pub(crate) async fn until_published(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let published = self.published().await;
            if published >= count {
                return;
            }
            assert!(Instant::now() < deadline, "{published} of {count} events published");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) fn desk(&self) -> Desk {
        let (log, pool) = (self.events(), self.pool.clone());
        Desk { log, pool, nats: Nats::at(self.nats.url()) }
    }

    pub(crate) async fn verify(&self, partition: &Partition) -> Verdict {
        let nats = Nats::at(self.nats.url());
        relay::verify(&self.events(), &self.pool, &nats, partition, |_, _| {}).await.unwrap()
    }

    /// Waits until everything that is for a stream is in it, and it is as it should be.
    pub(crate) async fn until_verified(&self, partition: &Partition) -> Verdict {
        self.until_verified_at(&Nats::at(self.nats.url()), partition).await
    }

    pub(crate) async fn until_verified_at(&self, nats: &Nats, partition: &Partition) -> Verdict {
        let (deadline, events) = (Instant::now() + PATIENCE, self.events());
        loop {
            match relay::verify(&events, &self.pool, nats, partition, |_, _| {}).await {
                Ok(verdict) if verdict.first_difference.is_some() => panic!("{verdict:?}"),
                Ok(verdict) if verdict.waiting == 0 => return verdict,
                outcome => assert!(Instant::now() < deadline, "{outcome:?}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until something is so.
    pub(crate) async fn until<T>(&self, what: String, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until Postgres knows that so many were published.
    pub(crate) async fn until_recorded(&self, count: u64) {
        self.until_recorded_in(&self.pool, count).await;
    }

    /// The same of a Postgres of the test's own.
    pub(crate) async fn until_recorded_in(&self, pool: &PgPool, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        let count = i64::try_from(count).unwrap();
        loop {
            let recorded = sqlx::query_scalar::<_, i64>("SELECT sequence FROM relay.progress")
                .fetch_optional(pool)
                .await;
            if recorded.is_ok_and(|recorded| recorded == Some(count)) {
                return;
            }
            assert!(Instant::now() < deadline, "{count} never reached Postgres");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The stream of a relay without partitions.
pub(crate) fn plain() -> Partition {
    Partition::all(relay::STREAM, 1).remove(0)
}

fn repeated(facts: &[Fact]) -> Vec<&str> {
    let mut seen = HashMap::new();
    for fact in facts {
        *seen.entry(fact.id.as_str()).or_insert(0) += 1;
    }
    seen.into_iter().filter(|(_, times)| *times > 1).map(|(id, _)| id).collect()
}

/// A relay as a task. Dropping it ends it wherever it is, as a kill does.
pub(crate) struct RunningRelay {
    running: JoinHandle<Result<(), FollowError>>,
    shutdown: CancellationToken,
}

impl RunningRelay {
    /// Ends it at once, wherever it is.
    pub(crate) async fn kill(mut self) {
        self.running.abort();
        let _ended = (&mut self.running).await;
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, &mut self.running).await;
        ended.expect("the relay does not end").unwrap().unwrap();
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_finished()
    }

    /// Waits for it to refuse to go on, and gives the reason.
    pub(crate) async fn halted(mut self) -> Halt {
        let ended = tokio::time::timeout(PATIENCE, &mut self.running).await;
        let outcome = ended.expect("the relay does not halt").unwrap();
        match outcome.expect_err("the relay ended as if told to") {
            FollowError::Halted { source, .. } => *source.downcast::<Halt>().unwrap(),
            error @ FollowError::Log { .. } => panic!("{error:?}"),
        }
    }
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        self.running.abort();
    }
}
