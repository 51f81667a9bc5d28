//! How long to wait before trying again: longer each time, and never the same for two of us.

use std::time::Duration;

/// Waits that double from `first` up to `longest`, each cut by a random part of up to a half so
/// that those who failed together do not come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        rand::random_range(full / 2..=full)
    }

    /// After a success the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_success() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(millis(10), millis(40));
        for full in [10, 20, 40, 40] {
            let wait = backoff.next();
            assert!((millis(full) / 2..=millis(full)).contains(&wait), "{wait:?} of {full}");
        }
        backoff.reset();
        assert!(backoff.next() <= millis(10));
    }
}
