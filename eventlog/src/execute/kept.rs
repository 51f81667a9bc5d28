//! The slots of this process, as many as its memory is to hold.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use domain::Aggregate;
use moka::future::Cache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use super::slot::Slot;
use crate::LogError;

/// What is known of all streams takes about so much; the longest unused are forgotten first.
const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// No stream is counted for more, so that the cache never refuses the very one that is busiest.
const STREAM_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// A slot, its name and its place in the cache, as measured.
const SLOT_BYTES: usize = 1024;

/// By the name of the stream.
#[derive(Clone)]
pub(super) struct Kept(Cache<String, Entry>);

#[derive(Clone)]
struct Entry {
    slot: Arc<dyn Any + Send + Sync>,
    bytes: u32,
}

impl Kept {
    pub(super) fn new() -> Self {
        // Not by frequency: that may turn a newcomer away at once, and whoever is turned away with
        // its commands still waiting gets a second owner.
        let cache = Cache::builder()
            .max_capacity(KEPT_BYTES_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Entry| entry.bytes);
        Self(cache.build())
    }

    pub(super) async fn slot<A: Aggregate>(
        &self,
        stream: String,
    ) -> Result<Arc<Slot<A>>, LogError> {
        let entry = match self.0.get(&stream).await {
            Some(entry) => entry,
            // Boxed, as it is large and seldom: most streams are known.
            None => {
                let begun = Entry::begin::<A>(stream.clone());
                Box::pin(self.0.get_with_by_ref(&stream, begun)).await
            }
        };
        let mismatch = |_| LogError::Refused(format!("two kinds of aggregate share {stream}"));
        entry.slot.downcast().map_err(mismatch)
    }

    /// Notes what a slot has grown to, unless it has been forgotten meanwhile.
    pub(super) async fn weigh<A: Aggregate>(&self, slot: &Arc<Slot<A>>, known_bytes: usize) {
        let bytes = u32::try_from(SLOT_BYTES + known_bytes).unwrap_or(STREAM_BYTES_MAX);
        let bytes = bytes.min(STREAM_BYTES_MAX);
        if !slot.outgrows(bytes) {
            return;
        }
        let weighed = self.0.entry_by_ref(&slot.stream).and_compute_with(async |entry| {
            let entry = entry.map(moka::Entry::into_value);
            let same = entry.filter(|entry| Arc::as_ptr(&entry.slot).cast() == Arc::as_ptr(slot));
            same.map_or(Op::Nop, |entry| Op::Put(Entry { bytes, ..entry }))
        });
        Box::pin(weighed).await;
    }
}

impl Entry {
    async fn begin<A: Aggregate>(stream: String) -> Self {
        let bytes = u32::try_from(SLOT_BYTES).unwrap_or_default();
        Self { slot: Arc::new(Slot::<A>::new(stream)), bytes }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("streams", &self.0.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::id::{AccountId, CommandId, OrderId, TicketId};
    use domain::money::{Currency, Money};
    use domain::order::{OrderEvent, OrderPlaced};
    use domain::text::{Quantity, Title};
    use domain::{Order, Revision};
    use tokio::sync::{Semaphore, oneshot};
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::execute::known::Known;
    use crate::execute::{Ask, Job, stream_of};

    const STREAMS: u32 = 40_000;

    /// The order of that number, as the shop leaves it when it has been placed.
    async fn place(kept: &Kept, number: u32) {
        let id = OrderId(Uuid::from_u128(number.into()));
        let slot = kept.slot::<Order>(stream_of::<Order>(&id)).await.unwrap();
        let (answer, _) = oneshot::channel();
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (ask, asked) = (Ask::Look, Instant::now());
        slot.push(Job { ask, asked, deadline: None, answer, _room: room });
        assert_eq!(slot.next_jobs(&mut None).unwrap().len(), 1);

        let price = Money { minor: 2_000, currency: Currency::USD };
        let placed = OrderPlaced {
            buyer: AccountId(Uuid::from_u128(1)),
            ticket: TicketId(Uuid::from_u128(2)),
            title: Title::parse("Concert in the park").unwrap(),
            quantity: Quantity::ONE,
            unit_price: price,
            total: price,
            expires_at: DateTime::UNIX_EPOCH,
        };
        let mut known = Known::nothing();
        known.state = Order::fold(&[OrderEvent::OrderPlaced(placed)]);
        known.commands.insert(CommandId(id.0), Some("fingerprint"), Revision(0));
        let bytes = known.bytes();
        assert!(slot.next_jobs(&mut Some(known)).is_none());
        kept.weigh(&slot, bytes).await;
    }

    fn resident_bytes() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    }

    #[tokio::test]
    async fn a_stream_is_counted_for_what_it_takes() {
        let Some(before) = resident_bytes() else { return };
        let kept = Kept::new();
        for number in 0..STREAMS {
            place(&kept, number).await;
        }
        kept.0.run_pending_tasks().await;
        let taken = resident_bytes().unwrap().saturating_sub(before);
        let (counted, streams) = (kept.0.weighted_size(), u64::from(STREAMS));
        assert_eq!(kept.0.entry_count(), streams);
        let each = (taken / streams, counted / streams);
        assert!(each.0 < each.1 * 5 / 4, "each takes {} bytes, is counted for {}", each.0, each.1);
        assert!(each.0 > each.1 / 2, "each takes {} bytes, is counted for {}", each.0, each.1);
    }
}
