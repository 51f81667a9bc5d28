//! The store without the server, so that a benchmark can tell what the protocol costs.

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use crate::OpenError;
use crate::store::Store;
use crate::store::write::{Change, Expected, Proposed, Write};

/// An open store that nobody serves. Clones share it.
#[derive(Clone)]
pub struct BareStore(Store);

impl BareStore {
    /// Locks the directory and recovers the log in it. Blocks on the disk.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        Store::open(directory).map(Self)
    }

    /// Appends one event to a stream whose last revision is `after`, none for a new stream; returns
    /// when it is on the disk.
    ///
    /// # Errors
    /// Why it was not appended.
    pub async fn append(
        &self,
        stream: String,
        after: Option<u64>,
        event_type: &str,
        data: Bytes,
    ) -> Result<(), String> {
        let event = Proposed {
            id: Uuid::new_v4(),
            event_type: event_type.to_owned(),
            json: false,
            metadata: Bytes::new(),
            data,
        };
        let expected = after.map_or(Expected::NoStream, Expected::Exact);
        let change = Change::Append(vec![event]);
        let write = Write { stream, expected, change, deadline: None };
        self.0.write(write).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Ends the writer and frees the directory.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
