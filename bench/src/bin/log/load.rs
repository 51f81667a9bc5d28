//! Appends: so many workers, each with one append in flight, each append one event of 300 bytes with
//! the exact revision it expects.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::rate::Rate;
use bytes::Bytes;
use embedded_log::bare::BareStore;
use eventstore::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, Client, EventData, StreamState,
};
use futures::future::try_join_all;
use rand::Rng;
use uuid::Uuid;

/// The data of one event; it has no metadata.
pub(crate) const EVENT_BYTES: usize = 300;
/// Its type.
pub(crate) const EVENT_TYPE: &str = "OrderPlaced.v1";
/// Different events that are made beforehand, so that making them is not measured.
const POOL_EVENTS: usize = 4096;
/// Each worker appends to so many streams in turn.
const STREAMS_PER_WORKER: usize = 40;
/// The first part of a measurement is not counted.
const WARM_UP_SHARE: u32 = 4;

/// The call that carries the appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    /// One long call for all.
    Batch,
    /// A call for each.
    Single,
    /// None: the store in this process, without gRPC.
    Bare,
}

/// Events to append.
pub(crate) struct Events(Vec<Bytes>);

impl Events {
    /// JSON as a shop would write it: random ids and numbers in a frame that is always the same.
    pub(crate) fn make() -> Self {
        Self((0..POOL_EVENTS).map(|_| event_data()).collect())
    }

    pub(crate) fn get(&self, number: usize) -> Bytes {
        self.0[number % self.0.len()].clone()
    }
}

fn event_data() -> Bytes {
    let mut random = rand::rng();
    let (order, buyer, ticket) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let (quantity, minor) = (random.random_range(1..9), random.random_range(1_000..99_999));
    let at: u32 = random.random();
    let frame = format!(
        r#"{{"order":"{order}","buyer":"{buyer}","ticket":"{ticket}","quantity":{quantity},"price":{{"minor":{minor},"currency":"EUR"}},"placedAt":"2026-11-24T04:00:00.{at:010}Z","note":""#
    );
    let mut data = frame.into_bytes();
    while data.len() < EVENT_BYTES - 2 {
        data.push(random.random_range(b'a'..=b'z'));
    }
    data.extend_from_slice(b"\"}");
    data.into()
}

/// Appends with so many in flight, for so long. Gives their rate, and how many there were with those
/// of the warm-up.
pub(crate) async fn append(
    appender: Appender,
    events: &Arc<Events>,
    in_flight: usize,
    time: Duration,
) -> anyhow::Result<(Rate, u64)> {
    let appender = Arc::new(appender);
    let begun = Instant::now();
    let counted_from = begun + time / WARM_UP_SHARE;
    let until = begun + time;
    let workers = (0..in_flight).map(|worker| {
        let work = work(Arc::clone(&appender), Arc::clone(events), worker, counted_from, until);
        tokio::spawn(work)
    });
    let (mut times, mut all) = (Vec::new(), 0);
    for worker in try_join_all(workers).await? {
        let (counted, made) = worker?;
        times.extend(counted);
        all += made;
    }
    Ok((Rate::of(times, until - counted_from), all))
}

/// One worker: its streams in turn, each with the revision it has. Gives the times that count, and how
/// many appends it made.
async fn work(
    appender: Arc<Appender>,
    events: Arc<Events>,
    worker: usize,
    counted_from: Instant,
    until: Instant,
) -> anyhow::Result<(Vec<Duration>, u64)> {
    let mut streams: Vec<_> =
        (0..STREAMS_PER_WORKER).map(|_| (format!("order-{}", Uuid::new_v4()), None)).collect();
    let mut times = Vec::new();
    let (mut next, mut made) = (0, 0);
    loop {
        let (stream, revision) = &mut streams[next];
        let begun = Instant::now();
        appender.append(stream, *revision, events.get(worker * 31 + times.len())).await?;
        let ended = Instant::now();
        made += 1;
        if ended > until {
            return Ok((times, made));
        }
        if begun >= counted_from {
            times.push(ended - begun);
        }
        *revision = Some(revision.map_or(0, |revision| revision + 1));
        next = (next + 1) % STREAMS_PER_WORKER;
    }
}

/// Appends by one of the calls.
pub(crate) enum Appender {
    // Boxed: the clients are large, and appenders are moved.
    Batch(Box<BatchAppendClient>),
    Single(Box<Client>),
    Bare(BareStore),
}

impl Appender {
    pub(crate) async fn batch(client: &Client) -> anyhow::Result<Self> {
        let batch = client.batch_append(&BatchAppendOptions::default()).await;
        Ok(Self::Batch(Box::new(batch.context("the server has no BatchAppend")?)))
    }

    /// Appends an event to a stream whose last revision is `after`.
    pub(crate) async fn append(
        &self,
        stream: &str,
        after: Option<u64>,
        event: Bytes,
    ) -> anyhow::Result<()> {
        let state = after.map_or(StreamState::NoStream, StreamState::StreamRevision);
        match self {
            Self::Batch(batch) => {
                let event = EventData::binary(EVENT_TYPE, event);
                batch.append_to_stream(stream, state, vec![event]).await?;
            }
            Self::Single(client) => {
                let options = AppendToStreamOptions::default().stream_state(state);
                let event = EventData::binary(EVENT_TYPE, event);
                client.append_to_stream(stream, &options, event).await?;
            }
            Self::Bare(store) => {
                let appended = store.append(stream.to_owned(), after, EVENT_TYPE, event).await;
                appended.map_err(anyhow::Error::msg)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batch => "BatchAppend",
            Self::Single => "Append",
            Self::Bare => "the store alone",
        })
    }
}
