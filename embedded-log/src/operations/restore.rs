//! A log out of a backup. The index and the rows of the streams are made anew from the records.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::frames::{Frame, FrameError, FrameReader};
use super::{Extent, OperationError, PROGRESS_EVENTS, Progress, failed_at, io_at};
use crate::limits::{COMMIT_BYTES_MAX, HEADS_GENERATION_MAX};
use crate::metadata;
use crate::store::changed::ChangedStreams;
use crate::store::directory::Directory;
use crate::store::format::{DELETED_REVISION, Head, Record};
use crate::store::generations::Generations;
use crate::store::tables::{Rows, Tables};
use crate::store::{Corrupt, StoreError};

/// Makes the log that the backup `file` holds in `directory`, which may be missing or hold a restore
/// that did not end, but no log. Until it is whole it does not open.
pub fn restore(
    file: &Path,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, OperationError> {
    let backup = File::open(file).map_err(io_at(file))?;
    let mut frames = FrameReader::new(BufReader::new(backup)).map_err(unreadable(file))?;
    let Some(locked) = Directory::for_restore(directory)? else {
        return Err(OperationError::Exists { path: directory.to_owned() });
    };
    let failed = |error: StoreError| match error {
        StoreError::Corrupt(corrupt) => {
            OperationError::Damaged { path: file.to_owned(), place: corrupt.to_string() }
        }
        StoreError::Engine(_) | StoreError::Broken | StoreError::Closed => {
            failed_at(directory)(error)
        }
    };
    let mut building = Building::new(Tables::open(locked)?);
    let mut done = Progress::default();
    let extent = loop {
        match frames.next().map_err(unreadable(file))? {
            Frame::About(events_total) => done.events_total = events_total,
            Frame::Record(record, value) => {
                building.add(&record, value.into()).map_err(failed)?;
                done.events += 1;
                if done.events % PROGRESS_EVENTS == 0 {
                    progress(done);
                }
            }
            Frame::End(extent) => break extent,
        }
    };
    let tables = building.finish().map_err(failed)?;
    let last_position = extent.last_position.unwrap_or_default();
    tables.directory().restored(last_position).map_err(io_at(directory))?;
    tables.close().map_err(failed)?;
    progress(done);
    Ok(extent)
}

fn unreadable(file: &Path) -> impl Fn(FrameError) -> OperationError {
    let path = file.to_owned();
    move |error| match error {
        FrameError::Io(source) => OperationError::Io { path: path.clone(), source },
        FrameError::CutShort => {
            OperationError::Damaged { path: path.clone(), place: "it is cut short".to_owned() }
        }
        FrameError::Damaged(place) | FrameError::Failure(place) => {
            OperationError::Damaged { path: path.clone(), place }
        }
    }
}

/// A log in the making. Nothing is durable before the end.
struct Building {
    tables: Tables,
    rows: Rows,
    rows_bytes: usize,
    heads: Generations<String, Head>,
    /// Streams that the rows have changed.
    changed: ChangedStreams,
}

impl Building {
    fn new(tables: Tables) -> Self {
        let rows = tables.rows_for_later();
        let heads = Generations::new(HEADS_GENERATION_MAX);
        Self { tables, rows, rows_bytes: 0, heads, changed: ChangedStreams::default() }
    }

    fn add(&mut self, record: &Record, value: Vec<u8>) -> Result<(), StoreError> {
        let stream = record.stream();
        let before = self.head(stream)?;
        let mut head = before;
        if head.row.stream_number == 0 {
            head.row.stream_number = record.stream_number;
        }
        let follows = record.revision == head.next_revision();
        let ends = record.revision == DELETED_REVISION && !head.end.tombstoned;
        if head.row.stream_number != record.stream_number || !(follows || ends) {
            let place = format!("position {}", record.position);
            let problem = "the record does not follow the one before it in its stream";
            return Err(Corrupt { place, problem }.into());
        }
        if ends {
            head.end.tombstoned = true;
        } else {
            head.end.last_revision = Some(record.revision);
        }
        self.changed.set(stream, &before, head);
        if let (false, Some(described)) = (ends, metadata::described_by(stream)) {
            let before = self.head(described)?;
            let mut head = before;
            head.row.hides = metadata::hides(&record.data);
            self.changed.set(described, &before, head);
        }
        self.rows_bytes += value.len();
        let Record { position, stream_number, revision, .. } = *record;
        self.tables.put_record(&mut self.rows, position, stream_number, revision, value);
        if self.rows_bytes >= COMMIT_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn head(&mut self, stream: &str) -> Result<Head, StoreError> {
        if let Some(head) = self.changed.get(stream) {
            return Ok(head);
        }
        if let Some(head) = self.heads.get(stream) {
            return Ok(head);
        }
        self.tables.view().head(stream)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let mut rows = std::mem::replace(&mut self.rows, self.tables.rows_for_later());
        self.changed.put_rows(&self.tables, &mut rows);
        for (stream, head) in self.changed.drain() {
            self.heads.insert(stream, head);
        }
        self.rows_bytes = 0;
        rows.commit()
    }

    fn finish(mut self) -> Result<Tables, StoreError> {
        self.flush()?;
        self.tables.sync()?;
        Ok(self.tables)
    }
}
