//! How a record and the row of a stream lie on disk. A change here is a new [`FORMAT_VERSION`].
//!
//! Numbers are big-endian, so that keys sort as numbers do. Every value begins with a CRC-32 of its
//! key and the rest of the value: a value that is damaged, or stored under another key, is found out
//! when it is read.

use bytes::{Buf, Bytes};
use crc::{CRC_32_ISO_HDLC, Crc, Table};
use uuid::Uuid;

use super::Corrupt;

/// Version of everything in this file and of the keyspaces in `tables.rs`.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The version before, which is read as well. Its rows of streams said where the stream ends, too;
/// now only the index does.
pub(crate) const EARLIER_FORMAT_VERSION: u32 = 1;

/// Where the first record lies. Above 0, as in a log that has its own records first.
pub(crate) const FIRST_POSITION: u64 = 64;

/// The revision of a tombstone, and the `$tb` of a soft-deleted stream.
pub(crate) const DELETED_REVISION: u64 = i64::MAX.unsigned_abs();

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

const FLAG_JSON: u8 = 1;
/// Begins the row of a stream. In the earlier format this byte was 1 for a tombstoned stream and 0
/// for another.
const STREAM_ROW: u8 = 2;
const CRC_BYTES: usize = 4;

/// One event as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) position: u64,
    /// Where the next record of the log lies: positions rise by the length of what is stored.
    pub(crate) next_position: u64,
    pub(crate) id: Uuid,
    /// Ticks of 100 ns since the Unix epoch.
    pub(crate) created_ticks: u64,
    pub(crate) stream_number: u64,
    pub(crate) revision: u64,
    pub(crate) json: bool,
    /// UTF-8, checked on decoding.
    stream: Bytes,
    pub(crate) event_type: String,
    pub(crate) metadata: Bytes,
    pub(crate) data: Bytes,
}

/// What is known when a record is written.
pub(crate) struct NewRecord<'a> {
    pub(crate) position: u64,
    pub(crate) id: Uuid,
    pub(crate) created_ticks: u64,
    pub(crate) stream_number: u64,
    pub(crate) revision: u64,
    pub(crate) json: bool,
    pub(crate) stream: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) metadata: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// What is written about a stream when it begins and when its metadata changes, and not with every
/// event: names come in no order, so a table of them is dear to keep sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StreamRow {
    /// Numbers streams in the index; 0 until the stream has its first event.
    pub(crate) stream_number: u64,
    pub(crate) hides: Hides,
}

/// A stream as a whole: its row, and what the index says of its end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Head {
    pub(crate) row: StreamRow,
    pub(crate) end: StreamEnd,
}

/// Where a stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StreamEnd {
    /// Absent for a stream of which only the metadata was written.
    pub(crate) last_revision: Option<u64>,
    pub(crate) tombstoned: bool,
}

/// The part of a stream's metadata that hides events from readers of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hides {
    /// `$tb`: events below this revision are hidden.
    pub(crate) before_revision: u64,
    /// `$maxCount`: only so many of the last events are shown.
    pub(crate) count_max: Option<u64>,
    /// `$maxAge`: only events younger than this are shown.
    pub(crate) age_seconds_max: Option<u64>,
}

impl Record {
    /// The stream's name.
    pub(crate) fn stream(&self) -> &str {
        std::str::from_utf8(&self.stream).unwrap_or_default()
    }

    /// The stream's name, shared with the record's own bytes.
    pub(crate) fn stream_bytes(&self) -> Bytes {
        self.stream.clone()
    }

    /// Bytes this record takes in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        /// Fields that are stored before the stream's name, and what three allocations waste.
        const STORED_FIELDS: usize = 128;
        size_of::<Self>()
            + STORED_FIELDS
            + self.stream.len()
            + self.event_type.len()
            + self.metadata.len()
            + self.data.len()
    }

    /// The record is there, but not where its stream is looked for.
    pub(crate) fn beside_its_stream(&self) -> Corrupt {
        let place = format!("position {}", self.position);
        Corrupt { place, problem: "the index of its stream does not name the record" }
    }

    /// Reads the value stored at `position`.
    pub(crate) fn decode(position: u64, value: Bytes) -> Result<Self, Corrupt> {
        let corrupt = |problem| Corrupt { place: format!("position {position}"), problem };
        let next_position = after(position, value.len());
        let mut rest = checked(&position.to_be_bytes(), value).map_err(corrupt)?;
        Self::parse(position, next_position, &mut rest)
            .ok_or_else(|| corrupt("the record is cut short"))
    }

    fn parse(position: u64, next_position: u64, rest: &mut Bytes) -> Option<Self> {
        let flags = rest.try_get_u8().ok()?;
        let id = Uuid::from_u128(rest.try_get_u128().ok()?);
        let created_ticks = rest.try_get_u64().ok()?;
        let stream_number = rest.try_get_u64().ok()?;
        let revision = rest.try_get_u64().ok()?;
        let stream = take_short(rest)?;
        std::str::from_utf8(&stream).ok()?;
        let event_type = String::from_utf8(take_short(rest)?.into()).ok()?;
        let metadata_bytes = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let metadata = take(rest, metadata_bytes)?;
        let data = std::mem::take(rest);
        let json = flags & FLAG_JSON != 0;
        Some(Self {
            position,
            next_position,
            id,
            created_ticks,
            stream_number,
            revision,
            json,
            stream,
            event_type,
            metadata,
            data,
        })
    }
}

impl NewRecord<'_> {
    /// The value to store under the record's position. `None` if a length does not fit its field,
    /// which the limits of an append rule out.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let stream_bytes = u16::try_from(self.stream.len()).ok()?;
        let type_bytes = u16::try_from(self.event_type.len()).ok()?;
        let metadata_bytes = u32::try_from(self.metadata.len()).ok()?;
        let mut value = Vec::with_capacity(
            64 + self.stream.len() + self.event_type.len() + self.metadata.len() + self.data.len(),
        );
        value.extend_from_slice(&[0; CRC_BYTES]);
        value.push(if self.json { FLAG_JSON } else { 0 });
        value.extend_from_slice(self.id.as_bytes());
        value.extend_from_slice(&self.created_ticks.to_be_bytes());
        value.extend_from_slice(&self.stream_number.to_be_bytes());
        value.extend_from_slice(&self.revision.to_be_bytes());
        value.extend_from_slice(&stream_bytes.to_be_bytes());
        value.extend_from_slice(self.stream.as_bytes());
        value.extend_from_slice(&type_bytes.to_be_bytes());
        value.extend_from_slice(self.event_type.as_bytes());
        value.extend_from_slice(&metadata_bytes.to_be_bytes());
        value.extend_from_slice(self.metadata);
        value.extend_from_slice(self.data);
        seal(&self.position.to_be_bytes(), &mut value);
        Some(value)
    }
}

impl Head {
    /// Whether the stream was deleted in a way that lets it be written again.
    pub(crate) fn soft_deleted(&self) -> bool {
        self.row.hides.before_revision == DELETED_REVISION
    }

    /// The revision the next event gets.
    pub(crate) fn next_revision(&self) -> u64 {
        self.end.last_revision.map_or(0, |last| last + 1)
    }

    /// The lowest revision that `$tb` and `$maxCount` leave to be seen.
    pub(crate) fn first_visible(&self) -> u64 {
        let hides = self.row.hides;
        let by_count =
            hides.count_max.map_or(0, |count_max| self.next_revision().saturating_sub(count_max));
        hides.before_revision.max(by_count)
    }
}

impl StreamRow {
    /// The value to store under the stream's name.
    pub(crate) fn encode(&self, name: &str) -> Vec<u8> {
        let mut value = vec![0; CRC_BYTES];
        value.push(STREAM_ROW);
        value.extend_from_slice(&self.stream_number.to_be_bytes());
        value.extend_from_slice(&self.hides.before_revision.to_be_bytes());
        // One more than the number, so that 0 stands for "none".
        for optional in [self.hides.count_max, self.hides.age_seconds_max] {
            let shifted = optional.map_or(0, |number| number.saturating_add(1));
            value.extend_from_slice(&shifted.to_be_bytes());
        }
        seal(name.as_bytes(), &mut value);
        value
    }

    /// Reads the value stored under `name`.
    pub(crate) fn decode(name: &str, value: Bytes) -> Result<Self, Corrupt> {
        let corrupt = |problem| Corrupt { place: format!("the row of stream {name:?}"), problem };
        let mut rest = checked(name.as_bytes(), value).map_err(corrupt)?;
        Self::parse(&mut rest).ok_or_else(|| corrupt("the row is cut short"))
    }

    fn parse(rest: &mut Bytes) -> Option<Self> {
        let kind = rest.try_get_u8().ok()?;
        let stream_number = rest.try_get_u64().ok()?;
        let before_revision = rest.try_get_u64().ok()?;
        if kind != STREAM_ROW {
            // Of the earlier format, where the last revision stood here.
            rest.try_get_u64().ok()?;
        }
        let count_max = rest.try_get_u64().ok()?.checked_sub(1);
        let age_seconds_max = rest.try_get_u64().ok()?.checked_sub(1);
        let hides = Hides { before_revision, count_max, age_seconds_max };
        Some(Self { stream_number, hides })
    }
}

/// The position after a value of `value_bytes` at `position`.
pub(crate) fn after(position: u64, value_bytes: usize) -> u64 {
    position.saturating_add(u64::try_from(value_bytes).unwrap_or(u64::MAX))
}

/// The key of an event in the index.
pub(crate) fn index_key(stream_number: u64, revision: u64) -> [u8; 16] {
    (u128::from(stream_number) << 64 | u128::from(revision)).to_be_bytes()
}

/// Stream number and revision of an index key.
pub(crate) fn parse_index_key(key: &[u8]) -> Option<(u64, u64)> {
    let (mut number, mut revision) = key.split_at_checked(8)?;
    Some((number.try_get_u64().ok()?, revision.try_get_u64().ok()?))
}

/// A number on its own, with its checksum.
pub(crate) fn sealed_number(number: u64) -> Vec<u8> {
    seal_new(b"", &number.to_be_bytes())
}

/// The number in what [`sealed_number`] made; `None` for anything else.
pub(crate) fn open_sealed_number(value: Vec<u8>) -> Option<u64> {
    open_sealed(b"", value.into())?.try_get_u64().ok()
}

/// `body` behind a checksum of it and of `key`.
pub(crate) fn seal_new(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = vec![0; CRC_BYTES];
    value.extend_from_slice(body);
    seal(key, &mut value);
    value
}

/// The body in what [`seal_new`] made for the same key; `None` for anything else.
pub(crate) fn open_sealed(key: &[u8], value: Bytes) -> Option<Bytes> {
    checked(key, value).ok()
}

fn seal(key: &[u8], value: &mut [u8]) {
    let crc = checksum(key, &value[CRC_BYTES..]);
    value[..CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
}

fn checked(key: &[u8], mut value: Bytes) -> Result<Bytes, &'static str> {
    let stored = value.try_get_u32().map_err(|_| "the value is cut short")?;
    if stored == checksum(key, &value) { Ok(value) } else { Err("the checksum does not match") }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(key);
    digest.update(body);
    digest.finalize()
}

fn take_short(rest: &mut Bytes) -> Option<Bytes> {
    let count = usize::from(rest.try_get_u16().ok()?);
    take(rest, count)
}

fn take(rest: &mut Bytes, count: usize) -> Option<Bytes> {
    (rest.len() >= count).then(|| rest.split_to(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Vec<u8> {
        let record = NewRecord {
            position: 77,
            id: Uuid::from_u128(5),
            created_ticks: 9,
            stream_number: 3,
            revision: 4,
            json: true,
            stream: "order-ü",
            event_type: "Placed.v1",
            metadata: b"{}",
            data: b"payload",
        };
        record.encode().unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let record = Record::decode(77, value().into()).unwrap();
        assert_eq!(record.stream(), "order-ü");
        assert_eq!((record.stream_number, record.revision), (3, 4));
        assert_eq!(record.event_type, "Placed.v1");
        assert_eq!((&*record.metadata, &*record.data), (&b"{}"[..], &b"payload"[..]));
        assert!(record.json);
    }

    #[test]
    fn any_flipped_bit_any_cut_and_any_other_place_is_found_out() {
        let value = value();
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 1;
            assert!(Record::decode(77, damaged.into()).is_err(), "byte {at}");
            assert!(Record::decode(77, value[..at].to_vec().into()).is_err(), "cut at {at}");
        }
        let error = Record::decode(78, value.into()).unwrap_err();
        assert_eq!(error.to_string(), "position 78: the checksum does not match");
    }

    #[test]
    fn a_row_of_a_stream_comes_back_as_it_was_written() {
        let hides = Hides { before_revision: 2, count_max: Some(0), age_seconds_max: None };
        let row = StreamRow { stream_number: 8, hides };
        let value = row.encode("a");
        assert_eq!(StreamRow::decode("a", value.clone().into()).unwrap(), row);
        assert!(StreamRow::decode("b", value.into()).is_err());
        let empty = StreamRow::default();
        assert_eq!(StreamRow::decode("", empty.encode("").into()).unwrap(), empty);
    }

    #[test]
    fn a_row_of_the_earlier_format_says_the_same() {
        let numbers = [8_u64, 2, 5, 1, 0].map(u64::to_be_bytes);
        for tombstoned in [0, 1] {
            let body = [&[tombstoned], numbers.as_flattened()].concat();
            let row = StreamRow::decode("a", seal_new(b"a", &body).into()).unwrap();
            let hides = Hides { before_revision: 2, count_max: Some(0), age_seconds_max: None };
            assert_eq!(row, StreamRow { stream_number: 8, hides });
        }
    }
}
