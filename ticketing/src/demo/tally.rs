//! What the demo's people saw.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::id::OrderId;

/// Counts, from many buyers at once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) offered: Count,
    pub(crate) reserved: Count,
    pub(crate) paid: Count,
    pub(crate) declined: Count,
    pub(crate) cancelled: Count,
    pub(crate) abandoned: Count,
    pub(crate) refused: Count,
    /// By the seller.
    pub(crate) refunded: Count,
    /// At the provider, without the shop.
    pub(crate) refunded_elsewhere: Count,
    pub(crate) disputed: Count,
    orders: Mutex<HashSet<OrderId>>,
}

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    pub(crate) fn remember(&self, order: OrderId) {
        self.reserved.add(1);
        self.orders().insert(order);
    }

    pub(crate) fn orders(&self) -> std::sync::MutexGuard<'_, HashSet<OrderId>> {
        // A buyer that panicked has left the set whole: one insertion is all anybody does.
        self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reserved {}, paid {}, declined {}, cancelled {}, abandoned {}, refused {}",
            self.reserved.get(),
            self.paid.get(),
            self.declined.get(),
            self.cancelled.get(),
            self.abandoned.get(),
            self.refused.get(),
        )
    }
}
