//! The one thread that writes. It takes all appends that wait, decides them one after another, makes
//! them durable with one sync, and only then answers.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fjall::{Error as EngineError, LsmError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use uuid::Uuid;

use super::directory::{Directory, Reached, is_full};
use super::format::{FIRST_POSITION, Head};
use super::generations::Generations;
use super::reader::Continuity;
use super::stage::Stage;
use super::subscribers::Subscribers;
use super::tables::{Tables, View};
use super::write::{Write, WriteError, Written};
use super::{Corrupt, Health, OpenError, Slot, StoreError};
use crate::limits::{
    COMMIT_BYTES_MAX, COMMIT_WRITES_MAX, HEADS_GENERATION_MAX, RECENT_IDS_GENERATION_MAX,
    ROOM_CHECK_SECONDS_MIN, TAIL_RECORDS_MAX,
};

/// What the writer is sent.
pub(crate) enum Message {
    Write {
        write: Write,
        reply: Reply,
        /// Given back when the write is answered.
        _budget: OwnedSemaphorePermit,
    },
    /// Finish what came before, then end.
    Close,
}

type Reply = oneshot::Sender<Result<Written, WriteError>>;

/// A write the writer has taken.
pub(crate) struct Pending {
    pub(super) answer: oneshot::Receiver<Result<Written, WriteError>>,
}

/// Everything the writer knows beside the tables.
pub(crate) struct Memory {
    pub(super) heads: Generations<String, Head>,
    /// Where an event of a stream lies: (stream number, event id) to (revision, position).
    pub(super) recent: Generations<(u64, Uuid), (u64, u64)>,
    pub(super) next_position: u64,
    pub(super) next_stream_number: u64,
    pub(super) last_ticks: u64,
}

pub(crate) struct Writer {
    directory: Arc<Directory>,
    memory: Memory,
    messages: mpsc::Receiver<Message>,
    durable: watch::Sender<u64>,
    subscribers: Subscribers,
    reached: Reached,
    health: Arc<Health>,
    /// While the disk is full: when it was last looked at.
    full_since: Option<Instant>,
}

impl Pending {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<Written, WriteError> {
        self.answer.await.unwrap_or(Err(WriteError::Stopped))
    }
}

impl Writer {
    /// Reads the end of the log: where to go on, and the ids of the last events.
    pub(crate) fn recover(
        tables: &Tables,
        messages: mpsc::Receiver<Message>,
        health: Arc<Health>,
        subscribers: Subscribers,
    ) -> Result<(Self, watch::Receiver<u64>), StoreError> {
        let (memory, last_position) = recall(tables)?;
        let directory = Arc::clone(tables.directory());
        let (reached, noted) = Reached::open(&directory).map_err(fjall::Error::Io)?;
        if last_position < noted {
            let place = format!("position {last_position}, where the log ends");
            let problem = "it had gone further, so acknowledged events are missing";
            return Err(Corrupt { place, problem }.into());
        }
        let (durable, watching) = watch::channel(last_position);
        publish_position(last_position);
        let full_since = None;
        let writer =
            Self { directory, memory, messages, durable, subscribers, reached, health, full_since };
        Ok((writer, watching))
    }

    /// Serves until told to close, or until nobody is left to send.
    pub(crate) fn run(mut self, slot: &Slot) {
        let mut closing = false;
        while !closing {
            let Some(first) = self.messages.blocking_recv() else { break };
            let (group, close) = self.take_group(first);
            closing = close;
            if self.full_since.is_some() {
                self.look_for_room(slot);
            }
            if self.health.stopped.load(Ordering::Relaxed) {
                refuse(group, || WriteError::Stopped);
            } else if self.full_since.is_some() {
                refuse(group, || WriteError::Full);
            } else {
                self.commit(group, slot);
            }
        }
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Write { reply, .. } = message {
                let _ = reply.send(Err(WriteError::Stopped));
            }
        }
    }

    /// All that waits, up to the limits of one commit; and whether a close came with it.
    fn take_group(&mut self, first: Message) -> (Vec<Waiting>, bool) {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            let Message::Write { write, reply, _budget: budget } = message else {
                return (group, true);
            };
            bytes += write.size();
            group.push(Waiting { write, reply, budget });
            let full = group.len() >= COMMIT_WRITES_MAX || bytes >= COMMIT_BYTES_MAX;
            next = if full { None } else { self.messages.try_recv().ok() };
        }
        (group, false)
    }

    fn commit(&mut self, group: Vec<Waiting>, slot: &Slot) {
        let started = Instant::now();
        let Some(tables) = slot.read().unwrap_or_else(PoisonError::into_inner).clone() else {
            return refuse(group, || WriteError::Stopped);
        };
        let view = tables.view();
        let mut stage = Stage::new(&tables, &view, &mut self.memory, now_ticks());
        let mut answers = Vec::with_capacity(group.len());
        for Waiting { write, reply, budget } in group {
            // Whoever no longer waits takes the outcome for unknown, so either outcome is right.
            if !reply.is_closed() {
                answers.push((reply, stage.apply(write), budget));
            }
        }
        let staged = stage.finish();
        let events = staged.events;
        if let Err(error) = staged.commit(&mut self.memory, &self.subscribers) {
            self.fail(&error);
            // Nobody knows what is on disk.
            for (reply, _, _) in answers {
                count_write("failed");
                let _ = reply.send(Err(WriteError::Stopped));
            }
            return;
        }
        if let Some(position) = events.last_position {
            self.reached.note(position);
            self.durable.send_replace(position);
            publish_position(position);
            metrics::counter!("log_events_total").increment(events.count);
            let count = u32::try_from(events.count).unwrap_or(u32::MAX);
            metrics::histogram!("log_commit_events").record(count);
            metrics::histogram!("log_commit_seconds").record(started.elapsed());
        }
        for (reply, answer, _) in answers {
            count_write(if answer.is_ok() { "written" } else { "refused" });
            // An error means that the caller has gone; the write stands all the same.
            let _ = reply.send(answer);
        }
    }

    /// Tells a full disk, which passes, from a failed write or sync, after which only a restart reads
    /// anew what is on disk.
    fn fail(&mut self, error: &StoreError) {
        let full = match error {
            StoreError::Engine(
                EngineError::Io(error) | EngineError::Storage(LsmError::Io(error)),
            ) => is_full(error),
            // A flush in the background failed, and the engine does not say why.
            StoreError::Engine(EngineError::Poisoned) => {
                self.directory.has_room().is_ok_and(|room| !room)
            }
            StoreError::Engine(_)
            | StoreError::Corrupt(_)
            | StoreError::Broken
            | StoreError::Closed => false,
        };
        if !full {
            return self.stop(error);
        }
        self.full_since = Some(Instant::now());
        self.health.full.store(true, Ordering::Relaxed);
        metrics::gauge!("log_writes_stopped").set(1);
        let directory = self.directory.path().display();
        tracing::error!(%directory, "the disk is full; the log waits for room: {error}");
    }

    fn stop(&mut self, problem: &dyn std::fmt::Display) {
        self.full_since = None;
        self.health.stopped.store(true, Ordering::Relaxed);
        metrics::gauge!("log_writes_stopped").set(1);
        let directory = self.directory.path().display();
        tracing::error!(%directory, "the log takes no more writes until it is restarted: {problem}");
    }

    /// If there is room again, opens the tables anew. The commit that failed is cut off first, whole
    /// or not: nobody was told that it succeeded, and it may not be on disk.
    fn look_for_room(&mut self, slot: &Slot) {
        let waited = self
            .full_since
            .is_some_and(|since| since.elapsed() >= Duration::from_secs(ROOM_CHECK_SECONDS_MIN));
        if !waited {
            return;
        }
        self.full_since = Some(Instant::now());
        match self.directory.has_room() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.stop(&error),
        }
        let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
        let durable = *self.durable.borrow();
        match Tables::recover(Arc::clone(&self.directory), Some(durable)) {
            Ok(tables) => match recall(&tables) {
                Ok((memory, last_position)) if last_position == durable => {
                    self.memory = memory;
                    *slot = Some(tables);
                    self.full_since = None;
                    self.health.full.store(false, Ordering::Relaxed);
                    metrics::gauge!("log_writes_stopped").set(0);
                    let directory = self.directory.path().display();
                    tracing::info!(%directory, "there is room again; the log takes writes");
                }
                Ok(_) => self.stop(&"the log does not end where it had got to"),
                Err(error) => self.stop(&error),
            },
            // Tried again with the next write; readers are told that the log is away.
            Err(OpenError::Io { source, .. }) if is_full(&source) => {}
            Err(error) => self.stop(&error),
        }
    }
}

/// What the writer keeps in memory, read from the end of the log; and the last position.
fn recall(tables: &Tables) -> Result<(Memory, u64), StoreError> {
    let view = tables.view();
    let mut memory = Memory {
        heads: Generations::new(HEADS_GENERATION_MAX),
        recent: Generations::new(RECENT_IDS_GENERATION_MAX),
        next_position: FIRST_POSITION,
        next_stream_number: view.last_stream_number()? + 1,
        last_ticks: 0,
    };
    let last_position = recall_tail(&view, &mut memory)?;
    Ok((memory, last_position))
}

/// Reads the end of the log back into the writer's memory, and checks it against streams and
/// index. Returns the last position.
fn recall_tail(view: &View<'_>, memory: &mut Memory) -> Result<u64, StoreError> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let mut tail = Vec::new();
    for record in view.records(everything).rev().take(TAIL_RECORDS_MAX) {
        tail.push(record?);
    }
    // Oldest first, so that the newest are forgotten last.
    tail.reverse();
    let mut continuity = Continuity::unknown();
    for record in &tail {
        continuity.check(record)?;
        memory.last_ticks = memory.last_ticks.max(record.created_ticks);
        let key = (record.stream_number, record.id);
        memory.recent.insert(key, (record.revision, record.position));
        memory.next_position = record.next_position;
    }
    // An event that its stream does not end with would be overwritten by the next append.
    let mut streams = HashSet::new();
    for record in tail.iter().rev().filter(|record| streams.insert(record.stream_number)) {
        let indexed = view.position(record.stream_number, record.revision)?;
        let row = view.stream(record.stream())?;
        if indexed != Some(record.position) || row.stream_number != record.stream_number {
            return Err(record.beside_its_stream().into());
        }
    }
    Ok(tail.last().map_or(0, |record| record.position))
}

struct Waiting {
    write: Write,
    reply: Reply,
    budget: OwnedSemaphorePermit,
}

fn refuse(group: Vec<Waiting>, error: impl Fn() -> WriteError) {
    for waiting in group {
        count_write("failed");
        let _ = waiting.reply.send(Err(error()));
    }
}

/// `refused` by a rule, or `failed` because of the disk.
fn count_write(outcome: &'static str) {
    metrics::counter!("log_writes_total", "outcome" => outcome).increment(1);
}

fn publish_position(position: u64) {
    // A gauge is a float: exact up to 2^53 bytes of log, which is enough to see it move.
    metrics::gauge!("log_last_position").set(position as f64);
}

/// Ticks of 100 ns since the Unix epoch.
fn now_ticks() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos() / 100).unwrap_or(u64::MAX)
}
