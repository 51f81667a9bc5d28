//! Streams that were deleted and written again.
//!
//! A deletion is an event in the metadata of the stream. The next event of a deleted stream makes the
//! log write one there by itself, and so does new metadata: that the target does too, at the same
//! revision, so the one in the file is not appended.

use std::collections::{HashMap, HashSet};

use eventlog::raw::{RawEvent, TOMBSTONE_REVISION};
use serde::Deserialize;

/// What the metadata of a stream begins with.
const DESCRIBES: &str = "$$";
const METADATA_TYPE: &str = "$metadata";

/// Which streams are deleted, as far as the file was read.
#[derive(Default)]
pub(super) struct Deletions {
    deleted: HashMap<String, Deleted>,
    /// Metadata stream and revision of what the target writes by itself.
    by_the_log: HashSet<(String, u64)>,
}

struct Deleted {
    /// The last revision of its metadata.
    metadata_revision: u64,
    /// The log's own metadata event came in the file before the event that made the log write it.
    written_again: bool,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "$tb")]
    truncate_before: Option<u64>,
}

impl Deletions {
    /// Whether the event must be appended: otherwise the target has written it by itself, or will.
    pub(super) fn must_append(&mut self, event: &RawEvent) -> bool {
        let place = (event.stream.clone(), event.revision);
        if self.by_the_log.remove(&place) {
            return false;
        }
        match event.stream.strip_prefix(DESCRIBES) {
            Some(described) if event.event_type == METADATA_TYPE => self.metadata(described, event),
            Some(_) | None => {
                self.written(&event.stream);
                true
            }
        }
    }

    fn metadata(&mut self, described: &str, event: &RawEvent) -> bool {
        let metadata = serde_json::from_slice(&event.data);
        let truncate_before = metadata.ok().and_then(|it: Metadata| it.truncate_before);
        if truncate_before == Some(TOMBSTONE_REVISION) {
            let deleted = Deleted { metadata_revision: event.revision, written_again: false };
            self.deleted.insert(described.to_owned(), deleted);
            return true;
        }
        let Some(deleted) = self.deleted.get_mut(described) else { return true };
        if truncate_before.is_some() {
            deleted.written_again = true;
            return false;
        }
        self.deleted.remove(described);
        self.by_the_log.insert((event.stream.clone(), event.revision + 1));
        true
    }

    fn written(&mut self, stream: &str) {
        if let Some(deleted) = self.deleted.remove(stream)
            && !deleted.written_again
        {
            let metadata = format!("{DESCRIBES}{stream}");
            self.by_the_log.insert((metadata, deleted.metadata_revision + 1));
        }
    }
}
