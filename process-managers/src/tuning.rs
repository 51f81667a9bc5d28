//! Every limit and waiting time of the process managers, by name.

use std::time::Duration;

/// How long things may take, and how many at once. Tests shorten them.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// How long the request that reserved a ticket has to place the order itself.
    pub placement_grace: Duration,
    /// How long the request that started a payment has to put its intent into the log; longer than
    /// a request may last.
    pub initiation_grace: Duration,
    /// How long the request that asked to erase a person has to do it itself.
    pub erasure_grace: Duration,
    /// How long units stay reserved that are taken again for money that came late. They are sold in
    /// the next step, so this only fills the field.
    pub reinstated_hold: Duration,
    /// How long a payment that waits for the buyer's bank goes without a look at most.
    pub look_again_max: Duration,
    /// How often the provider's own list of events is read, to find what no webhook has told.
    pub reconcile_every: Duration,
    /// Tasks of one process manager performed at once.
    pub concurrency: usize,
    /// Calls to the payment provider under way at once, of all process managers together.
    pub provider_calls: usize,
    /// How long a worker sleeps at most before it looks for due tasks; so late a timer may be.
    pub poll: Duration,
    /// How soon it is noticed that a list is to be made anew.
    pub rebuild_look: Duration,
    /// How long the tasks of a killed worker stay with it before another takes them.
    pub lease: Duration,
    /// How long one performance of a task may take.
    pub perform_limit: Duration,
    /// The wait after the first failure of a task; it doubles with each.
    pub retry_first: Duration,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// Attempts that fail for good before a task is parked, for a person to look at.
    pub refusals_max: i32,
    /// How long tasks at hand may go on after shutdown was asked for.
    pub drain: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            placement_grace: Duration::from_secs(2),
            initiation_grace: Duration::from_secs(60),
            erasure_grace: Duration::from_secs(5),
            reinstated_hold: Duration::from_secs(15 * 60),
            look_again_max: Duration::from_secs(60),
            reconcile_every: Duration::from_secs(30),
            concurrency: 16,
            provider_calls: 24,
            poll: Duration::from_millis(500),
            rebuild_look: Duration::from_secs(2),
            lease: Duration::from_secs(10),
            perform_limit: Duration::from_secs(180),
            retry_first: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
            refusals_max: 10,
            drain: Duration::from_secs(8),
        }
    }
}

impl Tuning {
    /// The wait after an attempt, the first being 1: doubling, and up to half of it shorter by
    /// chance, so that tasks that failed together do not come back together.
    pub(crate) fn wait_after(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(31);
        let full = self.retry_first.saturating_mul(1 << doublings).min(self.retry_max);
        rand::random_range(full / 2..=full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let tuning = Tuning::default();
        for (attempt, full) in [(1, 200), (2, 400), (4, 1_600), (9, 30_000), (i32::MAX, 30_000)] {
            let full = Duration::from_millis(full);
            let wait = tuning.wait_after(attempt);
            assert!(wait >= full / 2 && wait <= full, "{attempt}: {wait:?}");
        }
    }
}
