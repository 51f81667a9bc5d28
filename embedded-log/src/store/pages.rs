//! The memory that pages of events take until clients have taken them, and how readers share it.
//!
//! Each page gets a share of what is free: much where few read, little where many do, and never less
//! than it takes to get on. So clients that are slow to take their pages make those of others
//! smaller, and hold nobody up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reader::Room;
use super::tables::View;
use super::{Store, StoreError};
use crate::limits::{PAGE_BYTES_MAX, PAGE_BYTES_MIN, PAGES_BYTES_MAX, PAGES_READ_MAX, READERS_MAX};

/// The pages of all readers.
pub(crate) struct PageMemory {
    held_bytes: AtomicUsize,
    readers: Arc<Semaphore>,
}

/// Somebody who reads page by page, and has one at a time.
pub(crate) struct Reader {
    store: Store,
    pages: Arc<PageMemory>,
    held: Option<Held>,
    /// Given back with the reader.
    _place: OwnedSemaphorePermit,
}

/// A page counts until this is dropped.
struct Held {
    pages: Arc<PageMemory>,
    bytes: usize,
}

impl Default for PageMemory {
    fn default() -> Self {
        Self { held_bytes: AtomicUsize::new(0), readers: Arc::new(Semaphore::new(READERS_MAX)) }
    }
}

impl PageMemory {
    /// What the next page may hold. No more than [`PAGES_READ_MAX`] are being read at a time, so
    /// together these get no more than is free.
    fn share(&self) -> usize {
        let free = PAGES_BYTES_MAX.saturating_sub(self.held_bytes.load(Ordering::Relaxed));
        (free / PAGES_READ_MAX).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    }
}

impl Held {
    fn new(pages: Arc<PageMemory>, bytes: usize) -> Self {
        pages.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { pages, bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pages.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Reader {
    /// None while there are as many as there may be.
    pub(super) fn new(store: Store, pages: Arc<PageMemory>) -> Option<Self> {
        let place = Arc::clone(&pages.readers).try_acquire_owned().ok()?;
        Some(Self { store, pages, held: None, _place: place })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Reads a page into the room there is for it, where blocking is allowed. It counts until the
    /// next one is read, or until [`Reader::has_taken_page`].
    pub(crate) async fn page<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&View<'_>, &mut Room) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.has_taken_page();
        let pages = Arc::clone(&self.pages);
        let reading = self.store.read(move |view| {
            let mut room = Room::for_bytes(pages.share());
            let page = read(view, &mut room)?;
            Ok((page, Held::new(pages, room.taken_bytes())))
        });
        let (page, held) = reading.await?;
        self.held = Some(held);
        Ok(page)
    }

    /// Nothing is left of the last page.
    pub(crate) fn has_taken_page(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use bytes::Bytes;
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;
    use crate::filter::Filter;
    use crate::store::reader::{Direction, all_page};
    use crate::store::write::{Change, Expected, Proposed, Write};

    const EVENT_BYTES: usize = 10_000;
    const EVENTS: usize = 200;
    const READERS: usize = 600;

    async fn fill(store: &Store) {
        let event = |_| Proposed {
            id: Uuid::new_v4(),
            event_type: "T".to_owned(),
            json: false,
            metadata: Bytes::new(),
            data: vec![7; EVENT_BYTES].into(),
        };
        let change = Change::Append((0..EVENTS).map(event).collect());
        let expected = Expected::NoStream;
        let write = Write { stream: "s".to_owned(), expected, change, deadline: None };
        store.write(write).await.unwrap();
    }

    /// How many events the reader's next page has.
    async fn page(reader: &mut Reader) -> usize {
        let everything = (Bound::Unbounded, Bound::Unbounded);
        let read = move |view: &View<'_>, room: &mut Room| {
            all_page(view, everything, Direction::Forwards, &Filter::everything(), u64::MAX, room)
        };
        reader.page(read).await.unwrap().seen.len()
    }

    #[tokio::test]
    async fn pages_shrink_as_more_of_them_wait_and_never_take_more_than_there_is() {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path()).unwrap();
        fill(&store).await;
        let held = || store.shared.pages.held_bytes.load(Ordering::Relaxed);
        let mut readers = Vec::new();
        let mut lengths = Vec::new();
        for _ in 0..READERS {
            let mut reader = store.reader().unwrap();
            lengths.push(page(&mut reader).await);
            readers.push(reader);
        }
        assert!(lengths[0] >= 20, "the first is alone: {}", lengths[0]);
        assert!(lengths.is_sorted_by(|earlier, later| earlier >= later), "{lengths:?}");
        let last = lengths[READERS - 1];
        assert!((1..=4).contains(&last), "the last gets on: {last}");
        // Each may exceed its share by one event.
        assert!(held() <= PAGES_BYTES_MAX + READERS * 2 * EVENT_BYTES, "{}", held());

        // Who waits for more has taken its page; who is gone has none.
        readers.truncate(READERS / 2);
        readers.iter_mut().for_each(Reader::has_taken_page);
        assert_eq!(held(), 0);
        assert_eq!(page(&mut readers[0]).await, lengths[0]);
        drop(readers);
        assert_eq!(held(), 0);
        store.close().await;
    }

    #[tokio::test]
    async fn there_are_so_many_readers_and_no_more() {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut readers: Vec<_> = (0..READERS_MAX).map(|_| store.reader().unwrap()).collect();
        assert!(store.reader().is_none());
        readers.pop();
        assert!(store.reader().is_some());
        store.close().await;
    }
}
