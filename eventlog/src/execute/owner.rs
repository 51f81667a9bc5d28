use std::sync::Arc;
use std::time::Duration;

use domain::Aggregate;
use mutants::Mutant;
use tokio::time::Instant;

use super::known::Known;
use super::round::{Round, tell};
use super::slot::Slot;
use super::{Job, Owners, Shared};
use crate::backoff::Backoff;
use crate::connection::{Appended, Call, GIVE_UP_AFTER, RETRY_WITHIN, retry_backoff};
use crate::{ExecuteError, LogError};

/// So often a command is decided anew because others appended first.
const ATTEMPTS_MAX: u32 = 10;
/// Between two attempts; enough for the other one to finish.
const CONFLICT_WAIT_FIRST: Duration = Duration::from_millis(1);
const CONFLICT_WAIT_MAX: Duration = Duration::from_millis(50);

/// Works off a slot until nothing waits in it.
pub(super) async fn own<A: Aggregate>(owners: Arc<Owners>, slot: Arc<Slot<A>>) {
    let mut ownership = Ownership::of(&slot);
    let mut known = slot.take_known();
    while let Some(jobs) = ownership.next_jobs(&mut known) {
        let jobs = in_time(jobs);
        if jobs.is_empty() {
            continue;
        }
        known = owners.shared.work(&slot, known, jobs).await;
        if let Some(known) = &known {
            owners.kept.weigh(&slot, known.bytes()).await;
        }
    }
}

/// What makes a task the owner of a slot. If it panics or its runtime ends, nobody may wait for it
/// for ever.
struct Ownership<'a, A: Aggregate> {
    slot: &'a Slot<A>,
    /// Not any more once nothing was left to do: another may own the slot by then, and what waits
    /// is not ours to drop.
    held: bool,
}

impl<'a, A: Aggregate> Ownership<'a, A> {
    /// For whoever was told that the slot needs an owner.
    fn of(slot: &'a Slot<A>) -> Self {
        Self { slot, held: true }
    }

    fn next_jobs(&mut self, known: &mut Option<Known<A>>) -> Option<Vec<Job<A>>> {
        let jobs = self.slot.next_jobs(known);
        self.held = jobs.is_some();
        jobs
    }
}

impl<A: Aggregate> Drop for Ownership<'_, A> {
    fn drop(&mut self) {
        if self.held {
            self.slot.abandon();
        }
    }
}

impl Shared {
    /// Answers all jobs, or puts some back; gives what is known of the stream then, which is nothing
    /// after an unclear outcome.
    async fn work<A: Aggregate>(
        &self,
        slot: &Slot<A>,
        known: Option<Known<A>>,
        mut jobs: Vec<Job<A>>,
    ) -> Option<Known<A>> {
        // A stream whose name has just been made up need not be read: the append tells if there is
        // one all the same. Else what was read after the jobs came is as new as they can ask for.
        let mut up_to_date = known.is_none() && !jobs.iter().all(Job::is_of_new_stream);
        let mut known = known.unwrap_or_else(Known::nothing);
        if up_to_date && let Err(error) = self.catch_up(slot, &mut known).await {
            return fail(slot, jobs, &error);
        }
        let mut attempts = 0;
        let mut backoff = Backoff::new(CONFLICT_WAIT_FIRST, CONFLICT_WAIT_MAX);
        loop {
            // Reading, or losing against others, may have taken a while.
            jobs = in_time(jobs);
            let began = Instant::now();
            let round = Round::decide(&slot.stream, &self.build, &known, &jobs);
            let appended = if round.events.is_empty() {
                // Nothing is appended, so nothing but a read can tell whether this is still true.
                up_to_date.then_some(None)
            } else {
                let events = &round.events;
                let call = Call { way: known.way(), deadline: latest(&jobs) };
                match self.connection.append(&slot.stream, known.revision, events, call).await {
                    Ok(Appended::At(position)) => {
                        known.seen_at(began);
                        Some(Some(position))
                    }
                    Ok(Appended::Conflict) => None,
                    Err(error) => return fail(slot, jobs, &error),
                }
            };
            if let Some(position) = appended {
                slot.put_back(jobs.split_off(round.jobs()));
                round.settle(&mut known, jobs, position);
                return Some(known);
            }
            if !round.events.is_empty() {
                metrics::counter!("log_append_conflicts_total").increment(1);
                known.conflicted();
                attempts += 1;
                if attempts >= ATTEMPTS_MAX {
                    jobs.into_iter()
                        .for_each(|job| tell(job, Err(ExecuteError::Contended { attempts })));
                    return Some(known);
                }
                backoff.wait().await;
            }
            if let Err(error) = self.catch_up(slot, &mut known).await {
                return fail(slot, jobs, &error);
            }
            up_to_date = true;
        }
    }

    /// Reads what is new in the stream.
    async fn catch_up<A: Aggregate>(
        &self,
        slot: &Slot<A>,
        known: &mut Known<A>,
    ) -> Result<(), LogError> {
        let started = Instant::now();
        let mut backoff = retry_backoff();
        let mut first = true;
        loop {
            let began = Instant::now();
            let from = if Mutant::ReadsAll.is_made() { 0 } else { known.next() };
            let take = |stored| known.absorb(&stored);
            let read = self.connection.read_stream(&slot.stream, from, take);
            let read = if first {
                read.await
            } else {
                let read = tokio::time::timeout_at(started + GIVE_UP_AFTER, read).await;
                read.unwrap_or_else(|_| Err(LogError::Unavailable("no answer in time".to_owned())))
            };
            first = false;
            match read {
                Err(error) if error.is_unavailable() && started.elapsed() < RETRY_WITHIN => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    known.seen_at(began);
                    return Ok(());
                }
            }
            backoff.wait().await;
        }
    }
}

/// Those for whom it is not too late; the others are told.
fn in_time<A: Aggregate>(jobs: Vec<Job<A>>) -> Vec<Job<A>> {
    let mut left = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job.too_late() {
            None => left.push(job),
            Some(error) => tell(job, Err(error.into())),
        }
    }
    left
}

/// When nobody waits any more; none: somebody does without end.
fn latest<A: Aggregate>(jobs: &[Job<A>]) -> Option<Instant> {
    let deadlines = jobs.iter().map(|job| job.deadline).collect::<Option<Vec<_>>>()?;
    deadlines.into_iter().max()
}

/// Tells everybody, and with the log away also those who still wait: each trying in turn would take
/// far longer than they are ready to wait.
fn fail<A: Aggregate>(slot: &Slot<A>, jobs: Vec<Job<A>>, error: &LogError) -> Option<Known<A>> {
    let away = matches!(error, LogError::Unavailable(_));
    let waiting = if away { slot.take_waiting() } else { Default::default() };
    for job in jobs.into_iter().chain(waiting) {
        tell(job, Err(error.clone().into()));
    }
    None
}

#[cfg(test)]
mod tests {
    use domain::Ticket;
    use tokio::sync::{Semaphore, oneshot};

    use super::*;
    use crate::execute::slot::Pushed;
    use crate::execute::{Answer, Ask};

    fn asked() -> (Job<Ticket>, oneshot::Receiver<Answer<Ticket>>) {
        let (answer, answered) = oneshot::channel();
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (ask, asked) = (Ask::Look, Instant::now());
        (Job { ask, asked, deadline: None, answer, _room: room }, answered)
    }

    #[tokio::test]
    async fn an_owner_that_found_nothing_left_to_do_drops_nothing_that_came_after() {
        let slot = Slot::<Ticket>::new("ticket-1".to_owned());
        let (first, _answered) = asked();
        assert!(matches!(slot.push(first), Pushed::NeedsOwner));
        let mut ending = Ownership::of(&slot);
        assert!(ending.next_jobs(&mut None).is_some());
        assert!(ending.next_jobs(&mut None).is_none());

        let (second, mut answered) = asked();
        assert!(matches!(slot.push(second), Pushed::NeedsOwner));
        drop(ending);
        assert_eq!(answered.try_recv().unwrap_err(), oneshot::error::TryRecvError::Empty);
        assert_eq!(slot.take_waiting().len(), 1);
    }

    #[tokio::test]
    async fn an_owner_that_breaks_off_leaves_nobody_waiting() {
        let slot = Slot::<Ticket>::new("ticket-1".to_owned());
        let (job, mut answered) = asked();
        assert!(matches!(slot.push(job), Pushed::NeedsOwner));
        drop(Ownership::of(&slot));
        assert_eq!(answered.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    }
}
