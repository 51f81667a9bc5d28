//! Who follows the log, how far each has come, and who is to be told of which stream.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::metadata;

/// What a subscriber that waits for its stream has seen: of all there is, nothing is left for it.
const EVERYTHING: u64 = u64::MAX;

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
    /// Who is told when a stream changes.
    followed: Mutex<HashMap<String, watch::Sender<()>>>,
    /// How many streams are in there, to be asked by the writer without the lock.
    followed_count: AtomicUsize,
}

/// One subscription; it counts until it is dropped.
pub(crate) struct Subscriber {
    number: u64,
    seen: Arc<AtomicU64>,
    all: Subscribers,
}

/// Tells when a stream may have changed, until it is dropped. So a subscriber of one stream looks at
/// the log only when it has something to find, however much others write.
pub(crate) struct Followed {
    stream: String,
    changes: watch::Receiver<()>,
    all: Subscribers,
}

impl Subscribers {
    /// Counts one more, that has seen everything up to `position`.
    pub(crate) fn join(&self, position: u64) -> Subscriber {
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::new(AtomicU64::new(position));
        lock(&self.shared.seen).insert(number, Arc::clone(&seen));
        metrics::gauge!("log_subscribers").increment(1);
        Subscriber { number, seen, all: self.clone() }
    }

    /// How many bytes of the log the slowest has yet to see; 0 if there is none.
    pub(crate) fn lag_bytes_max(&self, durable: u64) -> u64 {
        let seen = lock(&self.shared.seen);
        let slowest = seen.values().map(|seen| seen.load(Ordering::Relaxed)).min();
        durable.saturating_sub(slowest.unwrap_or(durable))
    }

    /// Follows `stream` from now on: what the writer commits later is told.
    pub(crate) fn follow(&self, stream: &str) -> Followed {
        let mut followed = lock(&self.shared.followed);
        let changes = match followed.get(stream) {
            Some(teller) => teller.subscribe(),
            None => {
                let (teller, changes) = watch::channel(());
                followed.insert(stream.to_owned(), teller);
                changes
            }
        };
        self.shared.followed_count.store(followed.len(), Ordering::SeqCst);
        Followed { stream: stream.to_owned(), changes, all: self.clone() }
    }

    /// Tells those who follow one of the streams that it has changed. The change must be there to be
    /// read.
    pub(crate) fn tell<'s>(&self, changed: impl Iterator<Item = &'s str>) {
        if self.shared.followed_count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let followed = lock(&self.shared.followed);
        for stream in changed {
            // The end of a stream is the end of its metadata, too.
            for name in [stream, &metadata::stream_of(stream)] {
                if let Some(teller) = followed.get(name) {
                    teller.send_replace(());
                }
            }
        }
    }
}

impl Subscriber {
    /// Takes note that everything up to `position` was handed on.
    pub(crate) fn has_seen(&self, position: u64) {
        self.seen.store(position, Ordering::Relaxed);
    }

    /// Takes note that nothing is left for it until its stream changes.
    pub(crate) fn has_seen_everything(&self) {
        self.has_seen(EVERYTHING);
    }
}

impl Followed {
    /// Forgets the changes so far: what follows is read after this.
    pub(crate) fn look(&mut self) {
        self.changes.mark_unchanged();
    }

    /// Waits until the stream may have changed since [`Followed::look`].
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The sender stays as long as somebody follows.
            std::future::pending().await
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut followed = lock(&self.all.shared.followed);
        // This one still counts.
        if followed.get(&self.stream).is_some_and(|teller| teller.receiver_count() <= 1) {
            followed.remove(&self.stream);
            self.all.shared.followed_count.store(followed.len(), Ordering::SeqCst);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        lock(&self.all.shared.seen).remove(&self.number);
        metrics::gauge!("log_subscribers").decrement(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_slowest_tells_the_lag_until_it_leaves() {
        let all = Subscribers::default();
        assert_eq!(all.lag_bytes_max(100), 0);
        let (slow, quick) = (all.join(0), all.join(90));
        assert_eq!(all.lag_bytes_max(100), 100);
        slow.has_seen(40);
        assert_eq!(all.lag_bytes_max(100), 60);
        drop(slow);
        assert_eq!(all.lag_bytes_max(100), 10);
        quick.has_seen_everything();
        assert_eq!(all.lag_bytes_max(200), 0);
        drop(quick);
        assert_eq!(all.lag_bytes_max(100), 0);
    }

    #[test]
    fn only_who_follows_a_stream_is_told_of_it() {
        let all = Subscribers::default();
        let [mut one, mut same, mut other, mut about] =
            ["a", "a", "b", "$$a"].map(|stream| all.follow(stream));
        all.tell(["a"].into_iter());
        for told in [&mut one, &mut same, &mut about] {
            assert!(told.changed().now_or_never().is_some());
            assert!(told.changed().now_or_never().is_none(), "once");
        }
        assert!(other.changed().now_or_never().is_none());
        all.tell(["a", "b"].into_iter());
        one.look();
        assert!(one.changed().now_or_never().is_none(), "it has looked since");
        assert!(other.changed().now_or_never().is_some());
        drop((one, about));
        all.tell(["a"].into_iter());
        assert!(same.changed().now_or_never().is_some(), "the other one still follows");
        drop((same, other));
        assert!(lock(&all.shared.followed).is_empty());
    }
}
