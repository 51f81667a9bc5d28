//! Who follows the log, and how far each has come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All subscriptions of a served log. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Subscribers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next_number: AtomicU64,
    /// The position each has seen.
    seen: Mutex<HashMap<u64, Arc<AtomicU64>>>,
}

/// One subscription; it counts until it is dropped.
pub(crate) struct Subscriber {
    number: u64,
    seen: Arc<AtomicU64>,
    all: Subscribers,
}

impl Subscribers {
    /// Counts one more, that has seen everything up to `position`.
    pub(crate) fn join(&self, position: u64) -> Subscriber {
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::new(AtomicU64::new(position));
        self.lock().insert(number, Arc::clone(&seen));
        metrics::gauge!("log_subscribers").increment(1);
        Subscriber { number, seen, all: self.clone() }
    }

    /// How many bytes of the log the slowest has yet to see; 0 if there is none.
    pub(crate) fn lag_bytes_max(&self, durable: u64) -> u64 {
        let seen = self.lock();
        let slowest = seen.values().map(|seen| seen.load(Ordering::Relaxed)).min();
        durable.saturating_sub(slowest.unwrap_or(durable))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<AtomicU64>>> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Takes note that everything up to `position` was handed on.
    pub(crate) fn has_seen(&self, position: u64) {
        self.seen.fetch_max(position, Ordering::Relaxed);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
        metrics::gauge!("log_subscribers").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_tells_the_lag_until_it_leaves() {
        let all = Subscribers::default();
        assert_eq!(all.lag_bytes_max(100), 0);
        let (slow, quick) = (all.join(0), all.join(90));
        assert_eq!(all.lag_bytes_max(100), 100);
        slow.has_seen(40);
        slow.has_seen(30);
        assert_eq!(all.lag_bytes_max(100), 60);
        drop(slow);
        assert_eq!(all.lag_bytes_max(100), 10);
        drop(quick);
        assert_eq!(all.lag_bytes_max(100), 0);
    }
}
