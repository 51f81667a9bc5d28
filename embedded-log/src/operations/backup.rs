//! A backup is the log's records up to the last one that was durable when it began, in order. As
//! records never change, that is the log at one moment, however long the copying takes.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::Bound;
use std::path::Path;

use uuid::Uuid;

use super::frames::{self, Frame, FrameError, FrameReader};
use super::{Extent, OperationError, PROGRESS_EVENTS, Progress, failed_at, io_at, open_unserved};
use crate::control;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::StoreError;
use crate::store::format::Record;
use crate::store::reader::Continuity;
use crate::store::tables::View;

/// The records of a log page by page, as frames of a backup.
pub(crate) struct Pages {
    after: Bound<u64>,
    last_position: u64,
    continuity: Continuity,
    extent: Extent,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Begun,
    Records,
    Ended,
}

/// Writes all of a log into `file`, which must not be there yet, and comes to be there only when it
/// is complete and on disk. Asks the serving process for it where there is one; readers and writers
/// go on meanwhile.
pub fn backup(
    directory: &Path,
    file: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, OperationError> {
    if file.try_exists().map_err(io_at(file))? {
        return Err(OperationError::Exists { path: file.to_owned() });
    }
    // A name of its own: of two backups to one file at a time, neither writes into the other's.
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{}.part", Uuid::new_v4().simple()));
    let part = Path::new(&part);
    let copied = File::create_new(part).map_err(io_at(part)).and_then(|made| {
        let extent = match control::ask(directory, control::Request::Backup)? {
            Some(served) => receive(directory, served, &made, part, progress)?,
            None => copy_unserved(directory, &made, part, progress)?,
        };
        made.sync_all().map_err(io_at(part))?;
        Ok(extent)
    });
    let extent = copied.inspect_err(|_| {
        // The error that matters is the one at hand.
        let _ = fs::remove_file(part);
    })?;
    // Unlike a rename, this does not replace what appeared there meanwhile.
    let linked = fs::hard_link(part, file).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            OperationError::Exists { path: file.to_owned() }
        } else {
            io_at(file)(error)
        }
    });
    fs::remove_file(part).map_err(io_at(part))?;
    linked?;
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_at(folder))?;
    Ok(extent)
}

fn receive(
    directory: &Path,
    served: impl Read,
    into: &File,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, OperationError> {
    let failed = |error| match error {
        FrameError::Io(source) => {
            OperationError::Control { directory: directory.to_owned(), problem: source.to_string() }
        }
        FrameError::CutShort => OperationError::Control {
            directory: directory.to_owned(),
            problem: "it ended before the backup was whole; make it again".to_owned(),
        },
        FrameError::Damaged(problem) | FrameError::Failure(problem) => {
            OperationError::Control { directory: directory.to_owned(), problem }
        }
    };
    let mut frames = FrameReader::new(BufReader::new(served)).map_err(failed)?;
    let mut to = BufWriter::new(into);
    let mut done = Progress::default();
    loop {
        let put = match frames.next().map_err(failed)? {
            Frame::About(events_total) => {
                done.events_total = events_total;
                frames::put_start(&mut to, events_total)
            }
            Frame::Record(record, value) => {
                done.events += 1;
                if done.events % PROGRESS_EVENTS == 0 {
                    progress(done);
                }
                frames::put_record(&mut to, record.position, &value)
            }
            Frame::End(extent) => {
                let ended = frames::put_end(&mut to, extent).and_then(|()| to.flush());
                ended.map_err(io_at(path))?;
                progress(done);
                return Ok(extent);
            }
        };
        put.map_err(io_at(path))?;
    }
}

fn copy_unserved(
    directory: &Path,
    mut into: &File,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extent, OperationError> {
    let tables = open_unserved(directory)?;
    let events_total = tables.events_about();
    let view = tables.view();
    let mut pages = Pages::up_to(u64::MAX);
    while let Some(page) = pages.next(&view, events_total).map_err(failed_at(directory))? {
        into.write_all(&page).map_err(io_at(path))?;
        progress(Progress { events: pages.extent.events, events_total });
    }
    Ok(pages.extent)
}

impl Pages {
    pub(crate) fn up_to(last_position: u64) -> Self {
        Self {
            after: Bound::Unbounded,
            last_position,
            continuity: Continuity::from_the_start(),
            extent: Extent::default(),
            state: State::Begun,
        }
    }

    /// The next page; `None` after the last.
    pub(crate) fn next(
        &mut self,
        view: &View<'_>,
        events_about: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if self.state == State::Ended {
            return Ok(None);
        }
        let mut page = Vec::new();
        if self.state == State::Begun {
            frames::put_start(&mut page, events_about).map_err(fjall::Error::Io)?;
            self.state = State::Records;
        }
        let range = (self.after, Bound::Included(self.last_position));
        let mut rows = view.values(range);
        let whole = loop {
            let Some(row) = rows.next() else { break true };
            let (position, value) = row?;
            let record = Record::decode(position, value.clone())?;
            self.continuity.check(&record)?;
            self.extent.add(&record);
            self.after = Bound::Excluded(position);
            frames::put_record(&mut page, position, &value).map_err(fjall::Error::Io)?;
            if page.len() >= PAGE_BYTES_MAX {
                // The engine must not be asked for what lies between a position and itself.
                break position >= self.last_position;
            }
        };
        if whole {
            frames::put_end(&mut page, self.extent).map_err(fjall::Error::Io)?;
            self.state = State::Ended;
        }
        Ok(Some(page))
    }
}
