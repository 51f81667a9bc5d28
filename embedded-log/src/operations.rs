//! What an operator does with a log beside serving it. All of it blocks.
//!
//! - `verify` — reads everything and names the first place that is wrong
//! - `backup` — one file out of a log, served or not; `restore` — a log out of that file
//! - `stats` — how much there is
//! - `frames` — how a backup lies in its file and on the control socket

pub(crate) mod backup;
pub(crate) mod frames;
mod restore;
pub(crate) mod stats;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

pub use self::backup::backup;
pub use self::restore::restore;
pub use self::stats::{Stats, stats};
pub use self::verify::verify;
use crate::store::directory::Directory;
use crate::store::tables::Tables;
use crate::store::{OpenError, StoreError};

/// How far an operation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Events done.
    pub events: u64,
    /// Events there are, about; 0 if that is not known.
    pub events_total: u64,
}

/// How much an operation found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// Events of the log.
    pub events: u64,
    /// Streams that have a first event.
    pub streams: u64,
    /// Of the last event; absent for an empty log.
    pub last_position: Option<u64>,
}

/// Why an operation failed. One line each, naming the file or directory.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The log could not be opened; in use, perhaps.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something is not as it was written.
    #[error("{} is damaged: {place}", path.display())]
    Damaged {
        /// The log or the backup.
        path: PathBuf,
        /// The first place found, and what is wrong there.
        place: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What would be made is there already.
    #[error("{} is there already and is left as it is", path.display())]
    Exists {
        /// The file or directory.
        path: PathBuf,
    },
    /// There is nothing to work on.
    #[error("there is no log in {}", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// The serving process did not do what it was asked for.
    #[error("the process that serves {} answered: {problem}", directory.display())]
    Control {
        /// The log's directory.
        directory: PathBuf,
        /// What it said.
        problem: String,
    },
}

/// Operations tell their progress whenever so many events were done.
const PROGRESS_EVENTS: u64 = 4096;

/// Opens a log that is there and that nobody serves.
fn open_unserved(directory: &Path) -> Result<Tables, OperationError> {
    if !Directory::holds_log(directory) {
        return Err(OperationError::NoLog { path: directory.to_owned() });
    }
    Ok(Tables::open(Directory::open(directory)?)?)
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> OperationError {
    let path = path.to_owned();
    move |source| OperationError::Io { path: path.clone(), source }
}

/// Damage, unless only the disk did not do as it should.
fn failed_at(path: &Path) -> impl Fn(StoreError) -> OperationError {
    let path = path.to_owned();
    move |error| match error.disk() {
        // An error of the system cannot be copied, but its kind and its text can.
        Some(disk) => OperationError::Io {
            path: path.clone(),
            source: io::Error::new(disk.kind(), disk.to_string()),
        },
        None => OperationError::Damaged { path: path.clone(), place: error.to_string() },
    }
}
