//! The one thread that writes. It takes all appends that wait, decides them one after another, makes
//! them durable with one sync, and only then answers.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use uuid::Uuid;

use super::directory::Reached;
use super::format::{DELETED_REVISION, FIRST_POSITION, Head};
use super::generations::Generations;
use super::reader::Continuity;
use super::stage::Stage;
use super::tables::{Tables, View};
use super::write::{Write, WriteError, Written};
use super::{Corrupt, StoreError};
use crate::limits::{
    COMMIT_BYTES_MAX, COMMIT_WRITES_MAX, HEADS_GENERATION_MAX, RECENT_IDS_GENERATION_MAX,
    TAIL_RECORDS_MAX,
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
    tables: Tables,
    memory: Memory,
    messages: mpsc::Receiver<Message>,
    durable: watch::Sender<u64>,
    reached: Reached,
    stopped: Arc<AtomicBool>,
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
        tables: Tables,
        messages: mpsc::Receiver<Message>,
        stopped: Arc<AtomicBool>,
    ) -> Result<(Self, watch::Receiver<u64>), StoreError> {
        let mut memory = Memory {
            heads: Generations::new(HEADS_GENERATION_MAX),
            recent: Generations::new(RECENT_IDS_GENERATION_MAX),
            next_position: FIRST_POSITION,
            next_stream_number: tables.view().last_stream_number()? + 1,
            last_ticks: 0,
        };
        let last_position = recall_tail(&tables.view(), &mut memory)?;
        let (reached, noted) = Reached::open(tables.directory()).map_err(fjall::Error::Io)?;
        if last_position < noted {
            let place = format!("position {last_position}, where the log ends");
            let problem = "it had gone further, so acknowledged events are missing";
            return Err(Corrupt { place, problem }.into());
        }
        let (durable, watching) = watch::channel(last_position);
        publish_position(last_position);
        Ok((Self { tables, memory, messages, durable, reached, stopped }, watching))
    }

    /// Serves until told to close, or until nobody is left to send.
    pub(crate) fn run(mut self) {
        let mut closing = false;
        while !closing {
            let Some(first) = self.messages.blocking_recv() else { break };
            let (group, close) = self.take_group(first);
            closing = close;
            if self.stopped.load(Ordering::Relaxed) {
                refuse(group);
            } else {
                self.commit(group);
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

    fn commit(&mut self, group: Vec<Waiting>) {
        let started = Instant::now();
        let view = self.tables.view();
        let mut stage = Stage::new(&self.tables, &view, &mut self.memory, now_ticks());
        let mut answers = Vec::with_capacity(group.len());
        for Waiting { write, reply, budget } in group {
            // Whoever no longer waits takes the outcome for unknown, so either outcome is right.
            if !reply.is_closed() {
                answers.push((reply, stage.apply(write), budget));
            }
        }
        let staged = stage.finish();
        let events = staged.events;
        if let Err(error) = staged.commit(&mut self.memory) {
            self.stop(&error);
            for (reply, _, _) in answers {
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
            let outcome = if answer.is_ok() { "written" } else { "refused" };
            metrics::counter!("log_writes_total", "outcome" => outcome).increment(1);
            // An error means that the caller has gone; the write stands all the same.
            let _ = reply.send(answer);
        }
    }

    /// After a failed write or sync nobody knows what is on disk: only a restart reads it anew.
    fn stop(&self, error: &StoreError) {
        self.stopped.store(true, Ordering::Relaxed);
        metrics::gauge!("log_writes_stopped").set(1);
        tracing::error!(
            directory = %self.tables.directory().path().display(),
            "the log takes no more writes until it is restarted: {error}"
        );
    }
}

/// Reads the end of the log back into the writer's memory, and checks it against the heads. Returns
/// the last position.
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
        let head = view.head(record.stream())?.unwrap_or_default();
        let known = head.last_revision.is_some_and(|last| last >= record.revision)
            || (head.tombstoned && record.revision == DELETED_REVISION);
        if !known || head.stream_number != record.stream_number {
            return Err(record.past_its_head().into());
        }
        memory.last_ticks = memory.last_ticks.max(record.created_ticks);
        let key = (record.stream_number, record.id);
        memory.recent.insert(key, (record.revision, record.position));
        memory.next_position = record.next_position;
    }
    Ok(tail.last().map_or(0, |record| record.position))
}

struct Waiting {
    write: Write,
    reply: Reply,
    budget: OwnedSemaphorePermit,
}

fn refuse(group: Vec<Waiting>) {
    for waiting in group {
        let _ = waiting.reply.send(Err(WriteError::Stopped));
    }
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
