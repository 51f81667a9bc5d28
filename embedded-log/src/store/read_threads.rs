//! The threads that read from the disk.
//!
//! A pool of their own: the runtime's makes another thread whenever none is idle at that very moment,
//! and what the allocator keeps for each of them adds up.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use super::StoreError;
use crate::limits::PAGES_READ_MAX;

/// Up to [`PAGES_READ_MAX`] threads, made as they are needed.
pub(crate) struct ReadThreads {
    pool: Option<Runtime>,
    /// One for each thread. Who goes away while waiting for one leaves nothing to be read.
    turns: Semaphore,
}

impl ReadThreads {
    pub(crate) fn new() -> io::Result<Self> {
        // Only for its threads that may block; nothing else ever runs on it.
        let mut pool = Builder::new_current_thread();
        pool.max_blocking_threads(PAGES_READ_MAX).thread_name("log-reader");
        Ok(Self { pool: Some(pool.build()?), turns: Semaphore::new(PAGES_READ_MAX) })
    }

    /// Runs a read on one of them, in its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let pool = self.pool.as_ref().ok_or(StoreError::Closed)?;
        pool.spawn_blocking(read).await.unwrap_or(Err(StoreError::Broken))
    }
}

impl Drop for ReadThreads {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            // Whoever drops the store may not wait for them.
            pool.shutdown_background();
        }
    }
}
