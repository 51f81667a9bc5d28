//! Subscriptions: all there is, then whatever comes.
//!
//! A subscription holds no events: it remembers where it is and reads the next page from the store
//! when the client has taken the last one. The writer only says how far the log goes. So a slow
//! subscriber costs nothing, loses nothing and holds nobody up.

use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch;

use super::read::{Answer, From, Pages};
use super::refusal::Refusal;
use super::wire;
use crate::filter::Filter;
use crate::store::pages::Reader;
use crate::store::reader::{self, Direction, Found, Room};
use crate::store::subscribers::{Followed, Subscriber};
use crate::store::tables::View;
use crate::store::{Store, StoreError};

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Opened,
    CatchingUp,
    Live,
}

/// A subscription to `$all`.
pub(crate) struct AllSubscription {
    reader: Reader,
    durable: watch::Receiver<u64>,
    filter: Arc<Filter>,
    /// Considered events between two checkpoints; none without a filter.
    window: Option<u64>,
    /// Considered since the last checkpoint.
    considered: u64,
    last_checkpoint: u64,
    /// The last position considered.
    position: u64,
    phase: Phase,
    counted: Subscriber,
}

/// A subscription to one stream.
pub(crate) struct StreamSubscription {
    reader: Reader,
    followed: Followed,
    stream: String,
    /// The first revision not yet considered.
    revision: u64,
    phase: Phase,
    counted: Subscriber,
}

impl AllSubscription {
    pub(crate) fn open(
        reader: Reader,
        from: From,
        filter: Arc<Filter>,
        window: Option<u64>,
    ) -> Self {
        let durable = reader.store().durable();
        let position = match from {
            From::Start => 0,
            From::At(position) => position,
            From::End => *durable.borrow(),
        };
        let counted = reader.store().subscribers().join(position);
        Self {
            reader,
            durable,
            filter,
            window,
            considered: 0,
            last_checkpoint: 0,
            position,
            phase: Phase::Opened,
            counted,
        }
    }

    /// The answers for the events up to `end`, as far as a page goes.
    async fn page(&mut self, end: u64) -> Result<Vec<Answer>, Refusal> {
        let range = (Bound::Excluded(self.position), Bound::Included(end));
        let filter = Arc::clone(&self.filter);
        let page = self
            .reader
            .page(move |view, room| {
                reader::all_page(view, range, Direction::Forwards, &filter, u64::MAX, room)
            })
            .await
            .map_err(Refusal::reading(format!("$all after position {}", self.position)))?;
        let mut answers = Vec::with_capacity(page.seen.len());
        for seen in page.seen {
            self.position = seen.position;
            answers.extend(seen.record.map(Answer::Event));
            self.considered += 1;
            if self.window.is_some_and(|window| self.considered >= window) {
                answers.extend(self.checkpoint());
            }
        }
        if page.exhausted {
            self.position = self.position.max(end);
        }
        self.counted.has_seen(self.position);
        Ok(answers)
    }

    /// Where the subscription is, unless it has just said so.
    fn checkpoint(&mut self) -> Option<Answer> {
        self.considered = 0;
        let moved = self.position > self.last_checkpoint;
        self.last_checkpoint = self.position;
        moved.then(|| Answer::message(wire::checkpoint(self.position)))
    }
}

impl Pages for AllSubscription {
    async fn next(&mut self) -> Result<Option<Vec<Answer>>, Refusal> {
        if self.phase == Phase::Opened {
            self.phase = Phase::CatchingUp;
            return Ok(Some(vec![Answer::message(wire::confirmation())]));
        }
        loop {
            refuse_if_closing(self.reader.store())?;
            let end = *self.durable.borrow_and_update();
            if end > self.position {
                let answers = self.page(end).await?;
                if answers.is_empty() {
                    continue;
                }
                return Ok(Some(answers));
            }
            if self.phase == Phase::CatchingUp {
                self.phase = Phase::Live;
                let checkpoint = if self.window.is_some() { self.checkpoint() } else { None };
                let position = (self.position > 0).then_some(self.position);
                let caught_up = Answer::message(wire::caught_up(None, position));
                return Ok(Some(checkpoint.into_iter().chain([caught_up]).collect()));
            }
            wait(self.reader.store(), &mut self.durable).await?;
        }
    }

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

impl StreamSubscription {
    pub(crate) async fn open(reader: Reader, stream: String, from: From) -> Result<Self, Refusal> {
        let store = reader.store();
        let followed = store.subscribers().follow(&stream);
        let name = stream.clone();
        let found = store.read(move |view| reader::find(view, &name)).await;
        let found = found.map_err(Refusal::reading(format!("stream {stream:?}")))?;
        let next = match found {
            Found::Tombstone => return Err(Refusal::StreamDeleted(stream)),
            Found::Nothing => 0,
            Found::Stream(head) => head.next_revision(),
        };
        let revision = match from {
            From::Start => 0,
            From::At(revision) => revision.saturating_add(1),
            From::End => next,
        };
        let counted = store.subscribers().join(0);
        let phase = Phase::Opened;
        Ok(Self { reader, followed, stream, revision, phase, counted })
    }

    /// The answers for a page of events; whether that was all; and the stream's last revision.
    async fn page(&mut self) -> Result<(Vec<Answer>, bool, Option<u64>), Refusal> {
        let (stream, revision) = (self.stream.clone(), self.revision);
        let read = move |view: &View<'_>, room: &mut Room| match reader::find(view, &stream)? {
            Found::Tombstone => Ok(Err(stream)),
            Found::Nothing => Ok(Ok(None)),
            Found::Stream(head) => {
                let (way, count) = (Direction::Forwards, u64::MAX);
                let page = reader::stream_page(view, &head, revision, way, count, room)?;
                Ok::<_, StoreError>(Ok(Some((head, page))))
            }
        };
        let place = format!("stream {:?} from revision {}", self.stream, self.revision);
        let found = self.reader.page(read).await.map_err(Refusal::reading(place))?;
        let found = found.map_err(Refusal::StreamDeleted)?;
        let Some((head, page)) = found else { return Ok((Vec::new(), true, None)) };
        if let Some(last) = page.last_revision {
            self.revision = last.saturating_add(1);
        }
        if let Some(record) = page.records.last() {
            self.counted.has_seen(record.position);
        }
        let events = page.records.into_iter().map(Answer::Event).collect();
        Ok((events, page.exhausted, head.end.last_revision))
    }
}

impl Pages for StreamSubscription {
    async fn next(&mut self) -> Result<Option<Vec<Answer>>, Refusal> {
        if self.phase == Phase::Opened {
            self.phase = Phase::CatchingUp;
            return Ok(Some(vec![Answer::message(wire::confirmation())]));
        }
        loop {
            refuse_if_closing(self.reader.store())?;
            // Before the read: what is written meanwhile wakes us again.
            self.followed.look();
            let (answers, exhausted, last_revision) = self.page().await?;
            if !answers.is_empty() {
                return Ok(Some(answers));
            }
            if !exhausted {
                continue;
            }
            self.counted.has_seen_everything();
            if self.phase == Phase::CatchingUp {
                self.phase = Phase::Live;
                return Ok(Some(vec![Answer::message(wire::caught_up(last_revision, None))]));
            }
            let store = self.reader.store();
            tokio::select! {
                () = self.followed.changed() => {}
                () = store.writer_gone() => return Err(Refusal::ShuttingDown),
                () = store.closing().cancelled() => return Err(Refusal::ShuttingDown),
            }
        }
    }

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

/// Waits until the log has grown, or the server ends.
async fn wait(store: &Store, durable: &mut watch::Receiver<u64>) -> Result<(), Refusal> {
    tokio::select! {
        changed = durable.changed() => changed.map_err(|_| Refusal::ShuttingDown),
        () = store.closing().cancelled() => Err(Refusal::ShuttingDown),
    }
}

/// A subscription must end with an error: clients take a plain end for one, and spin.
fn refuse_if_closing(store: &Store) -> Result<(), Refusal> {
    if store.closing().is_cancelled() { Err(Refusal::ShuttingDown) } else { Ok(()) }
}
