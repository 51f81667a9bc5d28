//! Which commands had an effect in a stream.

use std::collections::HashMap;
use std::hash::BuildHasher;

use domain::Revision;
use domain::id::CommandId;
use mutants::Mutant;

/// What one command takes, with its share of the table's free places.
const COMMAND_BYTES: usize = 2 * size_of::<(CommandId, Given)>();

/// Every command that had an effect, as the log tells, so none is ever forgotten. A stream may have
/// hundreds of thousands: of a fingerprint only a hash is kept, keyed anew in each table, so that
/// nobody can find another request with the same.
#[derive(Debug, Default)]
pub(super) struct Commands(HashMap<CommandId, Given>);

#[derive(Clone, Copy, Debug)]
struct Given {
    fingerprint: u64,
    /// Of the last event that came of it.
    revision: Revision,
}

/// The id was given before, with another fingerprint.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtherCommand;

impl Commands {
    pub(super) fn insert(
        &mut self,
        command: CommandId,
        fingerprint: Option<&str>,
        revision: Revision,
    ) {
        let fingerprint = self.hash(fingerprint);
        self.0.insert(command, Given { fingerprint, revision });
    }

    /// Where the command took effect. None: it had no effect here.
    pub(super) fn given(
        &self,
        command: CommandId,
        fingerprint: Option<&str>,
    ) -> Option<Result<Revision, OtherCommand>> {
        let given = self.0.get(&command).filter(|_| !Mutant::Forgetful.is_made())?;
        let same = given.fingerprint == self.hash(fingerprint);
        Some(if same { Ok(given.revision) } else { Err(OtherCommand) })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len() * COMMAND_BYTES
    }

    fn hash(&self, fingerprint: Option<&str>) -> u64 {
        self.0.hasher().hash_one(fingerprint)
    }
}
