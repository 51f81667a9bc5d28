//! Which commands had an effect in a stream.

use std::collections::HashMap;
use std::hash::BuildHasher;

use domain::id::CommandId;

/// What one command takes, with its share of the table's free places.
const COMMAND_BYTES: usize = 2 * size_of::<(CommandId, u64)>();

/// Every command that had an effect, as the log tells, so none is ever forgotten. A stream may have
/// hundreds of thousands: of a fingerprint only a hash is kept, keyed anew in each table, so that
/// nobody can find another request with the same.
#[derive(Debug, Default)]
pub(super) struct Commands(HashMap<CommandId, u64>);

impl Commands {
    pub(super) fn insert(&mut self, command: CommandId, fingerprint: Option<&str>) {
        let hash = self.hash(fingerprint);
        self.0.insert(command, hash);
    }

    /// Whether the command was given with that very fingerprint; none: it had no effect here.
    pub(super) fn given_as(&self, command: CommandId, fingerprint: Option<&str>) -> Option<bool> {
        Some(*self.0.get(&command)? == self.hash(fingerprint))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len() * COMMAND_BYTES
    }

    fn hash(&self, fingerprint: Option<&str>) -> u64 {
        self.0.hasher().hash_one(fingerprint)
    }
}
