//! The directory of a log: one process at a time, one format.
//!
//! ```text
//! LOCK     held by the serving process, with its id
//! FORMAT   the version of what lies in `data`
//! REACHED  the position the log had reached, so that a log cut short is noticed
//! CONTROL  a socket of the serving process, for backups and statistics
//! CUT      the commit last cut off a journal, as it never became durable; of no use but to look at
//! RESTORE  here while a backup is being restored; the log is not whole then
//! data/    the tables
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::format::{EARLIER_FORMAT_VERSION, FORMAT_VERSION, open_sealed_number, sealed_number};
use crate::limits::ROOM_BYTES_MIN;

const REACHED: &str = "REACHED";
const RESTORE: &str = "RESTORE";
const FORMAT_LINE_START: &str = "embedded-log format ";

/// An open directory. The lock ends with the value, or with the process.
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

/// How far the log is known to have gone. Written after each commit, without a sync of its own: it
/// may lag behind after a loss of power, but is never ahead of what is on disk. A log that ends
/// before it has lost what was acknowledged, for instance to a damaged journal.
pub(crate) struct Reached {
    file: File,
}

impl Reached {
    /// With the position noted last; 0 if there is none to be read.
    pub(crate) fn open(directory: &Directory) -> io::Result<(Self, u64)> {
        let path = directory.path.join(REACHED);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok((Self { file }, directory.reached()?))
    }

    pub(crate) fn note(&self, position: u64) {
        if let Err(error) = self.file.write_all_at(&sealed_number(position), 0) {
            tracing::warn!("the position reached could not be noted: {error}");
        }
    }
}

impl Directory {
    /// Creates the directory if need be, locks it and checks its format.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { directory: path.to_owned(), source };
        create(path).map_err(io)?;
        let lock = lock(path)?;
        check_format(path)?;
        if path.join(RESTORE).try_exists().map_err(io)? {
            let place = "a backup was not restored into it to the end; restore it again".to_owned();
            return Err(OpenError::Corrupt { directory: path.to_owned(), place });
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Locks a directory to restore a backup into it; `None` if it holds a log already. It opens for
    /// nothing else until [`Directory::restored`].
    pub(crate) fn for_restore(path: &Path) -> Result<Option<Self>, OpenError> {
        let io = |source| OpenError::Io { directory: path.to_owned(), source };
        create(path).map_err(io)?;
        let directory = Self { path: path.to_owned(), _lock: lock(path)? };
        let unfinished = path.join(RESTORE).try_exists().map_err(io)?;
        if directory.data().try_exists().map_err(io)? {
            if !unfinished {
                return Ok(None);
            }
            fs::remove_dir_all(directory.data()).map_err(io)?;
        }
        File::create(path.join(RESTORE)).and_then(|file| file.sync_all()).map_err(io)?;
        directory.sync().map_err(io)?;
        check_format(path)?;
        Ok(Some(directory))
    }

    /// The restore is done: the log reaches to `position`, and opens.
    pub(crate) fn restored(&self, position: u64) -> io::Result<()> {
        let file = File::create(self.path.join(REACHED))?;
        file.write_all_at(&sealed_number(position), 0)?;
        file.sync_all()?;
        fs::remove_file(self.path.join(RESTORE))?;
        self.sync()
    }

    /// The position noted in `REACHED`; 0 if there is none to be read.
    pub(crate) fn reached(&self) -> io::Result<u64> {
        let file = match File::open(self.path.join(REACHED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(64).read_to_end(&mut bytes)?;
        Ok(open_sealed_number(bytes).unwrap_or_default())
    }

    /// Where a serving process listens for backups and statistics.
    pub(crate) fn control(path: &Path) -> PathBuf {
        path.join("CONTROL")
    }

    /// Whether there is a log in the directory `path`.
    pub(crate) fn holds_log(path: &Path) -> bool {
        path.join("FORMAT").exists()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the tables lie.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where the tables are made before they are renamed into place.
    pub(crate) fn data_in_making(&self) -> PathBuf {
        self.path.join("data.new")
    }

    /// Whether the disk takes [`ROOM_BYTES_MIN`] more, found out by trying. An error is one that has
    /// nothing to do with room.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        let path = self.path.join("ROOM");
        let tried = File::create(&path).and_then(|mut file| {
            let zeros = [0; 64 * 1024];
            for _ in 0..ROOM_BYTES_MIN / zeros.len() {
                file.write_all(&zeros)?;
            }
            file.sync_data()
        });
        // Without it there is only less room.
        let _ = fs::remove_file(&path);
        match tried {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a rename or a new file in the directory outlive a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Whether the disk, a quota or a limit of the process is what stands in the way.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    [FileTooLarge, QuotaExceeded, StorageFull].contains(&error.kind())
}

/// For its owner only: whoever can read the files can read every event.
fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io { directory: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join("LOCK"))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is told on a best-effort basis: the holder may be writing it just now.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim().to_owned();
            return Err(OpenError::InUse { directory: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).map_err(io)?;
    writeln!(file, "process {}", std::process::id()).map_err(io)?;
    Ok(file)
}

fn check_format(path: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { directory: path.to_owned(), source };
    let file = path.join("FORMAT");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let found = text.trim().strip_prefix(FORMAT_LINE_START).unwrap_or("unknown");
            if found == FORMAT_VERSION.to_string() {
                return Ok(());
            }
            if found == EARLIER_FORMAT_VERSION.to_string() {
                // What is written from now on is nothing an earlier version of this crate may read.
                return write_format(path, &file).map_err(io);
            }
            let (directory, found) = (path.to_owned(), found.to_owned());
            Err(OpenError::OtherFormat { directory, found, known: FORMAT_VERSION })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.join("data").try_exists().map_err(io)? {
                let (directory, found) = (path.to_owned(), "unknown".to_owned());
                return Err(OpenError::OtherFormat { directory, found, known: FORMAT_VERSION });
            }
            write_format(path, &file).map_err(io)
        }
        Err(source) => Err(io(source)),
    }
}

fn write_format(path: &Path, file: &Path) -> io::Result<()> {
    let in_making = path.join("FORMAT.new");
    let mut new = File::create(&in_making)?;
    writeln!(new, "{FORMAT_LINE_START}{FORMAT_VERSION}")?;
    new.sync_all()?;
    fs::rename(in_making, file)?;
    File::open(path)?.sync_all()
}
