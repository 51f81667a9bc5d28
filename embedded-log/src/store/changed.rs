//! Streams that a group of writes has changed, before the group is on disk.

use std::collections::HashMap;

use super::format::Head;
use super::tables::{Rows, Tables};

/// The streams as they will be, by name.
#[derive(Default)]
pub(crate) struct ChangedStreams(HashMap<String, Changed>);

struct Changed {
    head: Head,
    /// Whether the stream's row is another, and not only its end, which the index tells.
    row_changed: bool,
}

impl ChangedStreams {
    pub(crate) fn get(&self, stream: &str) -> Option<Head> {
        self.0.get(stream).map(|changed| changed.head)
    }

    /// Notes what becomes of a stream that is `before` now.
    pub(crate) fn set(&mut self, stream: &str, before: &Head, head: Head) {
        let row_changed = before.row != head.row;
        match self.0.get_mut(stream) {
            Some(changed) => {
                changed.head = head;
                changed.row_changed |= row_changed;
            }
            None => {
                self.0.insert(stream.to_owned(), Changed { head, row_changed });
            }
        }
    }

    /// Adds the rows that are to be written.
    pub(crate) fn put_rows(&self, tables: &Tables, rows: &mut Rows) {
        for (stream, changed) in self.0.iter().filter(|(_, changed)| changed.row_changed) {
            tables.put_stream(rows, stream, &changed.head.row);
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Gives all of them away.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (String, Head)> {
        self.0.drain().map(|(stream, changed)| (stream, changed.head))
    }
}
