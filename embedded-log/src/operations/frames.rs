//! How a backup lies in its file, and goes over the control socket: a line that says what it is,
//! then frames of a number (8 bytes), a length (4 bytes) and so many bytes; numbers big-endian.
//!
//! A number from the first position on is the position of the record that follows, exactly as the
//! log stores it, checksum included. The numbers below, and the last one, mean something else. A
//! backup without its last frame was cut short.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};

use super::Extent;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::store::format::{FIRST_POSITION, Record, open_sealed, seal_new};
use crate::store::reader::Continuity;

const HEADER: &[u8] = b"embedded-log backup 1\n";
/// About how many events there are.
const ABOUT: u64 = 1;
/// What went wrong; only on the socket.
const FAILURE: u64 = 2;
/// The extent of the backup, which ends here.
const END: u64 = u64::MAX;
/// No stored record is longer.
const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// One frame of a backup that is in order so far.
pub(crate) enum Frame {
    About(u64),
    Record(Record, Bytes),
    End(Extent),
}

/// Why a backup cannot be read on.
#[derive(Debug)]
pub(crate) enum FrameError {
    Io(io::Error),
    /// It ends before its last frame.
    CutShort,
    /// It is not what was written.
    Damaged(String),
    /// The sender says why it broke off.
    Failure(String),
}

/// Reads frames and checks that each follows the one before.
pub(crate) struct FrameReader<R> {
    from: R,
    continuity: Continuity,
    extent: Extent,
}

pub(crate) fn put_start(to: &mut impl Write, events_about: u64) -> io::Result<()> {
    to.write_all(HEADER)?;
    put(to, ABOUT, &events_about.to_be_bytes())
}

pub(crate) fn put_record(to: &mut impl Write, position: u64, value: &[u8]) -> io::Result<()> {
    put(to, position, value)
}

pub(crate) fn put_failure(to: &mut impl Write, text: &str) -> io::Result<()> {
    put(to, FAILURE, text.as_bytes())
}

pub(crate) fn put_end(to: &mut impl Write, extent: Extent) -> io::Result<()> {
    let last_position = extent.last_position.unwrap_or_default();
    let numbers = [extent.events, extent.streams, last_position].map(u64::to_be_bytes);
    put(to, END, &seal_new(&END.to_be_bytes(), numbers.as_flattened()))
}

fn put(to: &mut impl Write, number: u64, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&number.to_be_bytes())?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

impl Extent {
    /// Counts one record more.
    pub(crate) fn add(&mut self, record: &Record) {
        self.events += 1;
        self.streams += u64::from(record.revision == 0);
        self.last_position = Some(record.position);
    }
}

impl<R: Read> FrameReader<R> {
    /// Reads the line that every backup begins with.
    pub(crate) fn new(mut from: R) -> Result<Self, FrameError> {
        let mut header = [0; HEADER.len()];
        from.read_exact(&mut header).map_err(cut_short)?;
        if header != HEADER {
            return Err(FrameError::Damaged("it is not a backup of this format".to_owned()));
        }
        let continuity = Continuity::from_the_start();
        Ok(Self { from, continuity, extent: Extent::default() })
    }

    pub(crate) fn next(&mut self) -> Result<Frame, FrameError> {
        let mut start = [0; 12];
        self.from.read_exact(&mut start).map_err(cut_short)?;
        let mut start = &start[..];
        let (number, length) = (start.get_u64(), start.get_u32());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::Damaged(format!("{} is too long", self.place())));
        }
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes).map_err(cut_short)?;
        let bytes = Bytes::from(bytes);
        match number {
            ABOUT => Ok(Frame::About(bytes.clone().try_get_u64().unwrap_or_default())),
            FAILURE => Err(FrameError::Failure(String::from_utf8_lossy(&bytes).into_owned())),
            END => self.end(bytes),
            FIRST_POSITION.. => self.record(number, bytes),
            _ => Err(FrameError::Damaged(format!("{} is of no known kind", self.place()))),
        }
    }

    fn record(&mut self, position: u64, value: Bytes) -> Result<Frame, FrameError> {
        let damaged = |corrupt: crate::store::Corrupt| FrameError::Damaged(corrupt.to_string());
        let record = Record::decode(position, value.clone()).map_err(damaged)?;
        self.continuity.check(&record).map_err(damaged)?;
        self.extent.add(&record);
        Ok(Frame::Record(record, value))
    }

    fn end(&self, bytes: Bytes) -> Result<Frame, FrameError> {
        let stated = open_sealed(&END.to_be_bytes(), bytes).and_then(|mut rest| {
            let (events, streams) = (rest.try_get_u64().ok()?, rest.try_get_u64().ok()?);
            let last_position = Some(rest.try_get_u64().ok()?).filter(|last| *last > 0);
            Some(Extent { events, streams, last_position })
        });
        if stated == Some(self.extent) {
            return Ok(Frame::End(self.extent));
        }
        Err(FrameError::Damaged("its end does not agree with what it holds".to_owned()))
    }

    fn place(&self) -> String {
        match self.extent.last_position {
            Some(position) => format!("the frame after position {position}"),
            None => "the first frame".to_owned(),
        }
    }
}

fn cut_short(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return FrameError::CutShort;
    }
    FrameError::Io(error)
}
