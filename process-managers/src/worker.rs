//! Works a to-do list off: claims what is due, performs it, says what became of it.

use std::collections::HashMap;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::due_list::{Claimed, DueList, Verdict};
use crate::process_manager::{Clock, ProcessManager, TaskError};
use crate::tuning::Tuning;

/// Claims are renewed so many times before they would run out.
const RENEWALS_PER_LEASE: u32 = 4;

/// Performs the due tasks of one process manager.
pub(crate) struct Worker<P> {
    hand: Arc<Hand<P>>,
    tuning: Tuning,
}

/// What the performance of one task needs.
struct Hand<P> {
    process: Arc<P>,
    list: DueList,
    /// Rung when a task may be due at once.
    added: Arc<Notify>,
    tuning: Tuning,
}

/// The tasks at hand.
#[derive(Default)]
struct AtHand {
    tasks: JoinSet<()>,
    claims: HashMap<Id, Uuid>,
}

impl<P: ProcessManager> Worker<P> {
    pub(crate) fn new(process: Arc<P>, list: DueList, added: Arc<Notify>, tuning: Tuning) -> Self {
        let hand = Hand { process, list, added, tuning: tuning.clone() };
        Self { hand: Arc::new(hand), tuning }
    }

    /// Works until `stop`, then lets the tasks at hand finish for a while.
    pub(crate) async fn run(self, stop: &CancellationToken) {
        let mut at_hand = AtHand::default();
        let renew_every = self.tuning.lease / RENEWALS_PER_LEASE;
        let mut renew_at = Instant::now() + renew_every;
        let mut look_at = Instant::now();
        let mut failures = 0;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.hand.added.notified() => look_at = Instant::now(),
                Some(ended) = at_hand.tasks.join_next_with_id() => {
                    // A performance catches its own panics, so only its id matters here.
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    at_hand.claims.remove(&id);
                }
                () = sleep_until(renew_at), if !at_hand.claims.is_empty() => {
                    self.renew(&at_hand).await;
                    renew_at = Instant::now() + renew_every;
                }
                () = sleep_until(look_at), if at_hand.tasks.len() < self.tuning.concurrency => {
                    let found = self.claim(&mut at_hand).await;
                    failures = if found.is_some() { 0 } else { failures + 1 };
                    let wait = match found {
                        // There may be more; it is taken as soon as there is room.
                        Some(true) => Duration::ZERO,
                        Some(false) => self.tuning.poll,
                        None => self.tuning.poll.max(self.tuning.wait_after(failures)),
                    };
                    look_at = Instant::now() + wait;
                }
            }
        }
        self.drain(at_hand).await;
    }

    /// Starts as many due tasks as there is room for. True: there may be more; none: the list
    /// cannot be reached.
    async fn claim(&self, at_hand: &mut AtHand) -> Option<bool> {
        let room = self.tuning.concurrency.saturating_sub(at_hand.tasks.len());
        let claimed = match self.hand.list.claim(room, self.tuning.lease).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(process = P::NAME, %error, "cannot look for due tasks");
                return None;
            }
        };
        let more = claimed.len() == room;
        for claimed in claimed {
            let claim = claimed.claim;
            let task = at_hand.tasks.spawn(Arc::clone(&self.hand).perform(claimed));
            at_hand.claims.insert(task.id(), claim);
        }
        Some(more)
    }

    async fn renew(&self, at_hand: &AtHand) {
        let claims: Vec<Uuid> = at_hand.claims.values().copied().collect();
        if let Err(error) = self.hand.list.renew(&claims, self.tuning.lease).await {
            tracing::warn!(process = P::NAME, %error, "cannot renew the claims on tasks at hand");
        }
    }

    /// What is not finished in time is dropped; its claim runs out and another takes it up.
    async fn drain(&self, mut at_hand: AtHand) {
        let finish = async { while at_hand.tasks.join_next().await.is_some() {} };
        if timeout(self.tuning.drain, finish).await.is_err() {
            tracing::warn!(process = P::NAME, "tasks at hand are left for the next start");
        }
    }
}

impl<P: ProcessManager> Hand<P> {
    async fn perform(self: Arc<Self>, claimed: Claimed) {
        let verdict = match self.attempt(&claimed).await {
            Ok(()) => Verdict::Done,
            Err(error) => self.verdict(&claimed, &error),
        };
        match self.list.conclude(&claimed, &verdict).await {
            Ok(true) => self.added.notify_one(),
            Ok(false) => {}
            // Its claim runs out, and it is performed again.
            Err(error) => {
                tracing::warn!(process = P::NAME, %error, "cannot note what became of a task");
            }
        }
    }

    async fn attempt(&self, claimed: &Claimed) -> Result<(), TaskError> {
        let task = serde_json::from_value(claimed.task.clone()).map_err(TaskError::permanent)?;
        let performance = self.process.perform(task, Clock::showing(claimed.now));
        let performance =
            AssertUnwindSafe(performance.instrument(span_of::<P>(claimed))).catch_unwind();
        match timeout(self.tuning.perform_limit, performance).await {
            Ok(Ok(performed)) => performed,
            Ok(Err(_panic)) => Err(TaskError::permanent("the task panicked")),
            Err(_elapsed) => Err(TaskError::transient("the task took too long")),
        }
    }

    fn verdict(&self, claimed: &Claimed, error: &TaskError) -> Verdict {
        let wait = self.tuning.wait_after(claimed.attempts);
        let text = with_sources(error);
        match error {
            TaskError::Later { within, .. } => {
                Verdict::Again { wait: wait.min(*within), refusals: 0, error: None }
            }
            TaskError::Transient(_) => {
                tracing::warn!(
                    process = P::NAME, key = %claimed.key, attempt = claimed.attempts,
                    error = text, "a task did not work for now",
                );
                Verdict::Again { wait, refusals: 0, error: Some(text) }
            }
            TaskError::Permanent(_) => {
                let refusals = claimed.refusals.saturating_add(1);
                if refusals < self.tuning.refusals_max {
                    return Verdict::Again { wait, refusals, error: Some(text) };
                }
                Self::park(claimed, text)
            }
            TaskError::Person(_) => Self::park(claimed, text),
        }
    }

    fn park(claimed: &Claimed, error: String) -> Verdict {
        tracing::error!(
            process = P::NAME, key = %claimed.key, error,
            "a task is parked until somebody has looked at it",
        );
        metrics::counter!("process_manager_parked_total", "process" => P::NAME).increment(1);
        Verdict::Park { error }
    }
}

/// Goes on in the trace of the event that led to the task.
fn span_of<P: ProcessManager>(claimed: &Claimed) -> Span {
    let span = tracing::info_span!(
        "task",
        otel.name = format!("task {}", P::NAME),
        process = P::NAME,
        key = %claimed.key,
    );
    // A task is an object, or the only member of one that names its kind.
    let inner = claimed.task.as_object().and_then(|task| task.values().next());
    let origins = [Some(&claimed.task), inner].into_iter().flatten();
    let trace = origins.filter_map(|task| task.pointer("/origin/trace")?.as_str()).next();
    if let Some(trace) = trace {
        trace_context::go_on(&span, trace);
    }
    span
}

pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
