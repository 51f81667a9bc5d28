use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Aggregate;
use mutants::Mutant;

use super::Job;
use super::known::Known;
use crate::Loaded;

/// At most so many wait for one stream; more are told to come again.
const WAITING_MAX: usize = 4_096;
/// At most so many are decided together.
const BATCH_JOBS_MAX: usize = 256;

/// Where what is asked of one stream waits, and what is known of the stream while nobody works.
pub(super) struct Slot<A: Aggregate> {
    pub(super) stream: String,
    inner: Mutex<Inner<A>>,
    /// What it was last counted for in the cache.
    counted_bytes: AtomicU32,
}

struct Inner<A: Aggregate> {
    waiting: VecDeque<Job<A>>,
    /// Whether an owner is at work; it has what is known with it.
    owned: bool,
    known: Option<Known<A>>,
}

/// What became of a job that was pushed.
pub(super) enum Pushed {
    Full,
    Queued,
    /// Queued, and who pushed must start an owner.
    NeedsOwner,
}

impl<A: Aggregate> Slot<A> {
    pub(super) fn new(stream: String) -> Self {
        let inner = Inner { waiting: VecDeque::new(), owned: false, known: None };
        Self { stream, inner: Mutex::new(inner), counted_bytes: AtomicU32::new(0) }
    }

    pub(super) fn push(&self, job: Job<A>) -> Pushed {
        let mut inner = self.inner();
        if inner.waiting.len() >= WAITING_MAX && !Mutant::Unbounded.is_made() {
            return Pushed::Full;
        }
        inner.waiting.push_back(job);
        if inner.owned {
            return Pushed::Queued;
        }
        inner.owned = true;
        Pushed::NeedsOwner
    }

    /// Whether it takes so much more than it was counted for that it is to be counted anew.
    pub(super) fn outgrows(&self, bytes: u32) -> bool {
        let counted = self.counted_bytes.load(Ordering::Relaxed);
        let grown = bytes > counted + counted / 8;
        if grown {
            self.counted_bytes.store(bytes, Ordering::Relaxed);
        }
        grown
    }

    /// What is known, if nobody is at work and it was true within that time.
    pub(super) fn glance(&self, age: Duration) -> Option<Loaded<A>> {
        self.inner().known.as_ref()?.within(age)
    }

    /// What the last owner left.
    pub(super) fn take_known(&self) -> Option<Known<A>> {
        self.inner().known.take()
    }

    /// The next jobs in order. When there are none, leaves what is known and ends the ownership in
    /// the same breath, so that no job can be left behind.
    pub(super) fn next_jobs(&self, known: &mut Option<Known<A>>) -> Option<Vec<Job<A>>> {
        let mut inner = self.inner();
        if inner.waiting.is_empty() {
            // Room for jobs is larger than what is known of most streams.
            inner.waiting = VecDeque::new();
            inner.known = known.take();
            inner.owned = false;
            return None;
        }
        let count = inner.waiting.len().min(BATCH_JOBS_MAX);
        Some(inner.waiting.drain(..count).collect())
    }

    /// Puts jobs back to where they came from.
    pub(super) fn put_back(&self, jobs: Vec<Job<A>>) {
        let mut inner = self.inner();
        for job in jobs.into_iter().rev() {
            inner.waiting.push_front(job);
        }
    }

    pub(super) fn take_waiting(&self) -> VecDeque<Job<A>> {
        std::mem::take(&mut self.inner().waiting)
    }

    /// After an owner that ended without finishing: its jobs are dropped, which tells who waits.
    pub(super) fn abandon(&self) {
        let mut inner = self.inner();
        if inner.owned {
            inner.waiting.clear();
            inner.owned = false;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
