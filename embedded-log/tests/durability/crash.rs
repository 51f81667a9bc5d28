//! SIGKILL at any moment, under load by both ways to append.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use embedded_log::verify;
use eventstore::{Client, Position, StreamPosition};
use futures::future::join_all;

use crate::child::{Victim, after, all, append, event, number, soon};

const ROUNDS: u64 = 20;
/// Writers of each kind.
const WRITERS: u64 = 3;
/// Appends of one batch call between request and answer.
const PIPELINED: u64 = 8;
/// The server is killed at a moment up to so long after the first acknowledgement.
const LOAD_MILLISECONDS_MAX: u64 = 80;

/// Events of the `number`th append of a writer, several in most, so that half an append would show.
fn events_of(append: u64) -> u64 {
    1 + append % 4
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_appends_survive_every_kill_and_none_is_half_there() {
    #[allow(clippy::disallowed_methods, reason = "says how long the test may take")]
    let rounds =
        std::env::var("LOG_CRASH_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut checked = Checked::default();
    let mut victim = Victim::start(directory.path()).await;
    for round in 0..rounds {
        let count = Arc::new(AtomicU64::new(0));
        let client = victim.connect();
        let writers: Vec<_> = (0..WRITERS * 2)
            .map(|writer| {
                let (client, count) = (client.clone(), Arc::clone(&count));
                let stream = format!("writer-{round}-{writer}");
                tokio::spawn(async move {
                    let appends = if writer < WRITERS {
                        append_until_killed(&client, &stream, &count).await
                    } else {
                        batch_until_killed(&client, &stream, &count).await
                    };
                    (stream, appends)
                })
            })
            .collect();
        soon("the first append", async {
            while count.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let moment = uuid::Uuid::new_v4().as_u128() % u128::from(LOAD_MILLISECONDS_MAX * 1000);
        tokio::time::sleep(Duration::from_micros(u64::try_from(moment).unwrap())).await;
        victim.kill();
        let mut appended = HashMap::new();
        for writer in writers {
            let (stream, appends) = soon("the writer notices", writer).await.unwrap();
            appended.insert(stream, appends);
        }
        acknowledged += appended.values().sum::<u64>();

        victim = Victim::start(directory.path()).await;
        checked.check(&victim.connect(), &appended).await;
    }
    victim.kill();
    let log = directory.path().join("log");
    let verified = tokio::task::spawn_blocking(move || verify(&log, &mut |_| {}));
    assert_eq!(verified.await.unwrap().unwrap().events, checked.events, "verify and $all agree");
    println!("{rounds} kills, {acknowledged} acknowledged appends, {} events", checked.events);
}

/// Appends one after another; how many were acknowledged.
async fn append_until_killed(client: &Client, stream: &str, count: &AtomicU64) -> u64 {
    let mut length = 0;
    for number in 0.. {
        let events = (length..length + events_of(number)).map(event).collect();
        if append(client, stream, after(length), events).await.is_err() {
            return number;
        }
        length += events_of(number);
        count.fetch_add(1, Ordering::Relaxed);
    }
    0
}

/// Likewise on one batch call, several at a time. Counted up to the first that was not acknowledged.
async fn batch_until_killed(client: &Client, stream: &str, count: &AtomicU64) -> u64 {
    let Ok(batch) = client.batch_append(&Default::default()).await else { return 0 };
    let mut length = 0;
    let mut number = 0;
    loop {
        let appends = (number..number + PIPELINED).map(|number| {
            let events = (length..length + events_of(number)).map(event).collect();
            let appending = batch.append_to_stream(stream, after(length), events);
            length += events_of(number);
            appending
        });
        // A client that loses its connection forgets to answer some.
        let answers = tokio::time::timeout(Duration::from_secs(5), join_all(appends));
        let Ok(answers) = answers.await else { return number };
        for answer in answers {
            if answer.is_err() {
                return number;
            }
            number += 1;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What was seen to be right so far.
#[derive(Default)]
struct Checked {
    events: u64,
    last: Option<Position>,
    streams: HashSet<String>,
}

impl Checked {
    /// That the round's appends are there: all that were acknowledged, others whole or not at all,
    /// without a gap, and behind everything from before.
    async fn check(&mut self, client: &Client, appended: &HashMap<String, u64>) {
        let from = self.last.map_or(StreamPosition::Start, StreamPosition::Position);
        let mut found: HashMap<String, u64> = HashMap::new();
        for taken in all(client, from).await {
            let event = taken.get_original_event();
            if Some(event.position) == self.last {
                continue;
            }
            assert!(Some(event.position) > self.last, "$all is in order");
            self.last = Some(event.position);
            let next = found.entry(event.stream_id().to_owned()).or_default();
            assert_eq!((event.revision, number(&taken)), (*next, *next), "no gap, nothing twice");
            *next += 1;
            self.events += 1;
        }
        for (stream, length) in &found {
            assert!(self.streams.insert(stream.clone()), "{stream} was written in another round");
            let appends = appended[stream];
            let acknowledged: u64 = (0..appends).map(events_of).sum();
            assert!(*length >= acknowledged, "{stream}: {acknowledged} acknowledged, {length}");
            let mut whole = acknowledged;
            for append in appends.. {
                if whole >= *length {
                    break;
                }
                whole += events_of(append);
            }
            assert_eq!(whole, *length, "{stream}: the last append is whole");
        }
        for (stream, appends) in appended {
            assert!(*appends == 0 || found.contains_key(stream), "{stream} is gone");
        }
    }
}
