//! The engine's journals, looked at before the engine opens them.
//!
//! The engine cuts a journal at the first bytes it cannot read, and what came after is gone: right
//! for a tail that was being written when the power went, fatal for a bit that flipped in the
//! middle. It also takes a tail whose bytes were torn within a value for damage. So the difference is
//! made here: every commit was synced before the next was written, hence only the last one can be
//! torn. What cannot be read, has no whole commit behind it and lies beyond what was acknowledged is
//! cut; anything else that cannot be read is damage and refused, with its place, untouched.
//!
//! A journal holds commits back to back, then zeros (it is made longer ahead of time). Numbers are
//! little-endian:
//!
//! ```text
//! 1 count:u32 sequence:u64                                             begins a commit
//! 2 kind:u8 compression:u8 keyspace:u64 key:u16 value:u32 stored:u32   a row; key and value follow
//! 4 keyspace:u64                                                       a keyspace is emptied
//! 3 checksum:u64 "FJL" 3                                               ends a commit
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Buf;
use xxhash_rust::xxh3::xxh3_64;

use super::directory::Directory;
use super::{Corrupt, OpenError};

const START: u8 = 1;
const ROW: u8 = 2;
const END: u8 = 3;
const EMPTIED: u8 = 4;
const END_MARK: &[u8] = b"FJL\x03";
/// A row of the index: stream number and revision, to a position. No other row has this shape.
const INDEX_KEY_BYTES: usize = 16;
const INDEX_VALUE_BYTES: usize = 8;
/// Bytes of a block, as `stat` counts them.
const STAT_BLOCK_BYTES: u64 = 512;

/// A commit that was read whole.
#[derive(Clone, Copy)]
struct Commit {
    end: usize,
    sequence: u64,
    /// The highest position among its events.
    position: Option<u64>,
}

struct Journal {
    path: PathBuf,
    commits: Vec<Commit>,
    /// Where what can be read ends.
    end: usize,
    /// What lies behind that, up to the zeros the file ends with.
    rest: Vec<u8>,
    /// Whether a whole commit lies in the rest.
    goes_on: bool,
}

/// Cuts the torn tail off, or names the damage. With `keep_to`, commits beyond that position are cut
/// too: those of which a running server knows that they failed.
pub(crate) fn settle(directory: &Directory, keep_to: Option<u64>) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { directory: directory.path().to_owned(), source };
    let reached = directory.reached().map_err(io)?;
    let mut sequence = 0;
    let mut journals = Vec::new();
    for path in paths(&directory.data()).map_err(io)? {
        let journal = Journal::read(path, sequence).map_err(io)?;
        sequence = journal.commits.last().map_or(sequence, |commit| commit.sequence);
        journals.push(journal);
    }
    if let Some(damage) = damage(&journals, reached) {
        let place = damage.to_string();
        return Err(OpenError::Corrupt { directory: directory.path().to_owned(), place });
    }
    for journal in &journals {
        let failed = journal.commits.iter().position(|commit| commit.position > keep_to);
        let end = match (keep_to, failed) {
            (Some(_), Some(0)) => 0,
            (Some(_), Some(failed)) => journal.commits[failed - 1].end,
            (Some(_) | None, _) => journal.end,
        };
        if end < journal.end || !journal.rest.is_empty() {
            journal.cut(directory, end).map_err(io)?;
        }
    }
    Ok(())
}

/// Bytes that the journals take on the disk.
pub(crate) fn bytes_on_disk(directory: &Directory) -> io::Result<u64> {
    let mut bytes = 0;
    for path in paths(&directory.data())? {
        bytes += fs::metadata(path)?.blocks() * STAT_BLOCK_BYTES;
    }
    Ok(bytes)
}

/// Empties the journals of a closed engine, all of whose rows are in tables. The last file stays: an
/// engine that finds none takes itself for new.
pub(crate) fn empty(directory: &Directory) -> io::Result<()> {
    let mut paths = paths(&directory.data())?;
    let Some(last) = paths.pop() else { return Ok(()) };
    for path in paths {
        fs::remove_file(path)?;
    }
    let file = OpenOptions::new().write(true).open(last)?;
    file.set_len(0)?;
    file.sync_all()?;
    File::open(directory.data())?.sync_all()
}

/// The journals in `data`, oldest first.
fn paths(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut numbered = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|end| end == "jnl")) {
            numbered.push((number, path));
        }
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

fn damage(journals: &[Journal], reached: u64) -> Option<Corrupt> {
    let position = journals.iter().flat_map(|journal| &journal.commits).filter_map(|c| c.position);
    let last_position = position.max();
    for (number, journal) in journals.iter().enumerate() {
        if journal.rest.is_empty() {
            continue;
        }
        let later = journals.get(number + 1..).unwrap_or_default();
        let followed = journal.goes_on || later.iter().any(|later| !later.commits.is_empty());
        let problem = if followed {
            "it cannot be read, but whole commits follow"
        } else if last_position.is_some_and(|last| last < reached) {
            "it cannot be read, but was acknowledged"
        } else {
            continue;
        };
        let name = journal.path.file_name().unwrap_or_default().display();
        return Some(Corrupt { place: format!("journal {name}, byte {}", journal.end), problem });
    }
    None
}

/// The bytes up to the last that is not zero. The engine lays a journal out as many MiB of zeros, of
/// which none is kept in memory.
fn read_used(path: &Path) -> io::Result<Vec<u8>> {
    const PIECE_BYTES: usize = 64 * 1024;
    let file = File::open(path)?;
    let (mut piece, blank) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let (mut at, mut used) = (0, 0);
    loop {
        let read = file.read_at(&mut piece, at)?;
        let Some(found) = piece.get(..read).filter(|found| !found.is_empty()) else { break };
        // Whole pieces are compared at once: looking at each byte takes a debug build seconds.
        let last =
            if blank.starts_with(found) { None } else { found.iter().rposition(|b| *b != 0) };
        if let Some(last) = last {
            used = usize::try_from(at).map_err(io::Error::other)? + last + 1;
        }
        at += u64::try_from(read).map_err(io::Error::other)?;
    }
    let mut bytes = vec![0; used];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

impl Journal {
    fn read(path: PathBuf, mut sequence: u64) -> io::Result<Self> {
        let bytes = read_used(&path)?;
        let mut commits: Vec<Commit> = Vec::new();
        let mut end = 0;
        while let Some(commit) = Commit::read(&bytes, end).filter(|c| c.sequence >= sequence) {
            sequence = commit.sequence + 1;
            end = commit.end;
            commits.push(commit);
        }
        let rest = bytes.get(end..).unwrap_or_default().to_vec();
        let goes_on = (end + 1..bytes.len()).any(|at| {
            bytes[at] == START && Commit::read(&bytes, at).is_some_and(|c| c.sequence >= sequence)
        });
        Ok(Self { path, commits, end, rest, goes_on })
    }

    /// Ends the file at `end`. What is cut off stays in `CUT`, as this cannot be undone.
    fn cut(&self, directory: &Directory, end: usize) -> io::Result<()> {
        tracing::warn!(
            journal = %self.path.display(),
            byte = end,
            "a commit that never became durable is cut off the journal"
        );
        let kept = File::create(directory.path().join("CUT"))?;
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        copy_from(&file, end, self.end + self.rest.len(), &kept)?;
        kept.sync_all()?;
        file.set_len(u64::try_from(end).map_err(io::Error::other)?)?;
        file.sync_all()
    }
}

fn copy_from(file: &File, from: usize, to: usize, mut into: &File) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let (from_byte, count) = (u64::try_from(from), u64::try_from(to.saturating_sub(from)));
    let mut file = file;
    file.seek(SeekFrom::Start(from_byte.map_err(io::Error::other)?))?;
    io::copy(&mut file.take(count.map_err(io::Error::other)?), &mut into)?;
    Ok(())
}

impl Commit {
    /// The commit that begins at `at`, if it is whole and its checksum is right.
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let mut rest = bytes.get(at..)?;
        if rest.try_get_u8().ok()? != START {
            return None;
        }
        let count = rest.try_get_u32_le().ok()?;
        let sequence = rest.try_get_u64_le().ok()?;
        let rows = rest;
        let mut position = None;
        for _ in 0..count {
            position = position.max(row(&mut rest)?);
        }
        let rows = rows.get(..rows.len() - rest.len())?;
        if rest.try_get_u8().ok()? != END {
            return None;
        }
        let checksum = rest.try_get_u64_le().ok()?;
        let whole = rest.starts_with(END_MARK) && checksum == xxh3_64(rows);
        let end = bytes.len() - rest.len() + END_MARK.len();
        (whole && count > 0).then_some(Self { end, sequence, position })
    }
}

/// Goes past one row. The position in it, if it is one of the index; `None` if it cannot be read.
fn row(rest: &mut &[u8]) -> Option<Option<u64>> {
    match rest.try_get_u8().ok()? {
        ROW => {
            let (_kind, _compression) = (rest.try_get_u8().ok()?, rest.try_get_u8().ok()?);
            let _keyspace = rest.try_get_u64_le().ok()?;
            let key_bytes = usize::from(rest.try_get_u16_le().ok()?);
            let _value_bytes = rest.try_get_u32_le().ok()?;
            let stored_bytes = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
            let (_, after_key) = rest.split_at_checked(key_bytes)?;
            let (stored, after) = after_key.split_at_checked(stored_bytes)?;
            *rest = after;
            if key_bytes != INDEX_KEY_BYTES {
                return Some(None);
            }
            let position: Option<[u8; INDEX_VALUE_BYTES]> = stored.try_into().ok();
            Some(position.map(u64::from_be_bytes))
        }
        EMPTIED => {
            rest.try_get_u64_le().ok()?;
            Some(None)
        }
        _ => None,
    }
}
