//! Stores: each size is filled once, and every round works on a copy of its own. The tables of a log
//! never change, so a copy shares them with the store it was made from.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use eventstore::{BatchAppendClient, BatchAppendOptions, EventData, StreamState};
use futures::future::try_join_all;
use uuid::Uuid;

use crate::load::{EVENT_TYPE, Events};
use crate::server::ServerProcess;

/// A store is filled with streams of so many events, as orders have.
const EVENTS_PER_STREAM: u64 = 10;
const FILL_IN_FLIGHT: usize = 128;
/// Bytes of a block, as `stat` counts them.
const STAT_BLOCK_BYTES: u64 = 512;

/// Filled stores by their number of events.
pub(crate) struct Stores {
    folder: PathBuf,
    sizes: BTreeMap<u64, Filled>,
}

struct Filled {
    directory: PathBuf,
    bytes: u64,
}

impl Stores {
    /// Takes the stores that an earlier run kept in `kept`, and fills those that are not there.
    pub(crate) async fn fill(folder: &Path, kept: &Path, sizes: &[u64]) -> anyhow::Result<Self> {
        let mut stores = Self { folder: folder.to_owned(), sizes: BTreeMap::new() };
        for &size in sizes {
            let directory = kept.join(filled_name(size));
            if !directory.exists() {
                eprintln!("bench: filling a store with {size} events");
                let in_making = folder.join("in-making");
                let begun = Instant::now();
                fill(&in_making, size).await?;
                eprintln!("bench:   in {:.0} s", begun.elapsed().as_secs_f64());
                fs::rename(in_making, &directory)?;
            }
            let bytes = bytes_on_disk(&directory)?;
            stores.sizes.insert(size, Filled { directory, bytes });
        }
        Ok(stores)
    }

    pub(crate) fn remove(self) -> io::Result<()> {
        self.sizes.into_values().try_for_each(|filled| fs::remove_dir_all(filled.directory))
    }

    /// A copy of a filled store, on the disk.
    pub(crate) fn copy(&self, size: u64) -> anyhow::Result<PathBuf> {
        let copy = self.folder.join("round");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        copy_directory(&self.sizes[&size].directory, &copy)?;
        Ok(copy)
    }

    /// What the filled store takes on the disk for each of its events.
    pub(crate) fn bytes_per_event(&self, size: u64) -> Option<f64> {
        (size > 0).then(|| self.sizes[&size].bytes as f64 / size as f64)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn filled_name(size: u64) -> String {
    format!("filled-{size}")
}

async fn fill(directory: &Path, size: u64) -> anyhow::Result<()> {
    let server = ServerProcess::start(directory).await?;
    let client = server.client()?;
    let batch = Arc::new(client.batch_append(&BatchAppendOptions::default()).await?);
    let (events, left) = (Arc::new(Events::make()), Arc::new(AtomicU64::new(size)));
    let workers = (0..FILL_IN_FLIGHT).map(|worker| {
        let (batch, events, left) = (Arc::clone(&batch), Arc::clone(&events), Arc::clone(&left));
        tokio::spawn(fill_streams(batch, events, left, worker))
    });
    for worker in try_join_all(workers).await? {
        worker?;
    }
    server.idle().await?;
    server.stop().await
}

async fn fill_streams(
    batch: Arc<BatchAppendClient>,
    events: Arc<Events>,
    left: Arc<AtomicU64>,
    worker: usize,
) -> anyhow::Result<()> {
    let take = |left: u64| left.checked_sub(left.min(EVENTS_PER_STREAM)).filter(|_| left > 0);
    let mut number = worker * 31;
    while let Ok(before) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
        let count = before.min(EVENTS_PER_STREAM);
        let several = (0..count).map(|_| {
            number += 1;
            EventData::binary(EVENT_TYPE, events.get(number))
        });
        let stream = format!("order-{}", Uuid::new_v4());
        batch.append_to_stream(&stream, StreamState::NoStream, several.collect()).await?;
    }
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if from.ends_with("tables") {
            fs::hard_link(entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            // So that the system does not write it out while something is measured.
            fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

fn bytes_on_disk(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_on_disk(&entry.path())?
        } else {
            entry.metadata()?.blocks() * STAT_BLOCK_BYTES
        };
    }
    Ok(bytes)
}
