//! How much a log holds and takes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{OperationError, failed_at, io_at, open_unserved};
use crate::control;
use crate::store::StoreError;
use crate::store::format::FORMAT_VERSION;
use crate::store::tables::Tables;

/// Blocks of the disk as the operating system counts them.
const BLOCK_BYTES: u64 = 512;

/// How much a log holds and takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Version of what lies on disk.
    pub format: u32,
    /// Whether a process serves the log.
    pub served: bool,
    /// Whether a write or a sync failed, so that it refuses writes until it is started again.
    pub writes_stopped: bool,
    /// Whether it refuses writes until there is room on the disk.
    pub disk_full: bool,
    /// Events, those of metadata streams included.
    pub events: u64,
    /// Streams that were ever written.
    pub streams: u64,
    /// Of the first event; absent for an empty log.
    pub first_position: Option<u64>,
    /// Of the last event.
    pub last_position: Option<u64>,
    /// What the journals take on disk.
    pub journal_bytes: u64,
    /// What the tables take on disk.
    pub table_bytes: u64,
}

/// Asks the serving process, or looks itself where there is none.
pub fn stats(directory: &Path) -> Result<Stats, OperationError> {
    if let Some(served) = control::ask(directory, control::Request::Stats)? {
        return serde_json::from_reader(served).map_err(|error| OperationError::Control {
            directory: directory.to_owned(),
            problem: error.to_string(),
        });
    }
    let tables = open_unserved(directory)?;
    let stats = of(&tables).map_err(failed_at(directory))?;
    let (journal_bytes, table_bytes) =
        disk_bytes(&tables.directory().data()).map_err(io_at(directory))?;
    Ok(Stats { journal_bytes, table_bytes, ..stats })
}

/// All but the bytes on disk.
pub(crate) fn of(tables: &Tables) -> Result<Stats, StoreError> {
    let view = tables.view();
    let positions = view.ends()?;
    Ok(Stats {
        format: FORMAT_VERSION,
        events: tables.events_about(),
        streams: view.last_stream_number()?,
        first_position: positions.map(|(first, _)| first),
        last_position: positions.map(|(_, last)| last),
        ..Stats::default()
    })
}

/// What the journals and everything else below `data` take on disk. Files may come and go meanwhile.
pub(crate) fn disk_bytes(data: &Path) -> io::Result<(u64, u64)> {
    let (mut journals, mut tables) = (0, 0);
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "jnl") {
                journals += about.blocks() * BLOCK_BYTES;
            } else {
                tables += about.blocks() * BLOCK_BYTES;
            }
        }
    }
    Ok((journals, tables))
}
