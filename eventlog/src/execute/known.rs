use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use domain::id::CommandId;
use domain::{Aggregate, Position, Revision};
use tokio::time::Instant;

use crate::LogError;
use crate::codec::{Stored, decode};
use crate::connection::Way;

/// A stream that conflicted is taken for contended this long.
const CONTENDED_FOR: Duration = Duration::from_secs(10);

/// What is known of a stream: the fold of its events up to a revision.
#[derive(Debug)]
pub(super) struct Known<A> {
    pub(super) state: A,
    pub(super) revision: Option<Revision>,
    pub(super) position: Option<Position>,
    /// Every command that had an effect here, with its fingerprint.
    pub(super) commands: HashMap<CommandId, Option<String>>,
    conflicted: Option<Instant>,
}

impl<A: Aggregate> Known<A> {
    pub(super) fn nothing() -> Self {
        Self {
            state: A::default(),
            revision: None,
            position: None,
            commands: HashMap::new(),
            conflicted: None,
        }
    }

    /// The revision that the next event will have.
    pub(super) fn next(&self) -> u64 {
        self.revision.map_or(0, |Revision(revision)| revision + 1)
    }

    /// Takes in an event read from the log.
    pub(super) fn absorb(&mut self, stored: &Stored) -> Result<(), LogError> {
        if stored.revision.0 < self.next() {
            return Ok(());
        }
        if stored.revision.0 > self.next() {
            return Err(stored.undecodable("events before it are missing from its stream"));
        }
        if !stored.is_of_the_log() {
            let recorded = decode::<A::Event>(stored)?;
            self.evolve(&recorded.event);
            self.commands.insert(recorded.metadata.command, recorded.metadata.fingerprint);
        }
        self.revision = Some(stored.revision);
        self.position = Some(stored.position);
        Ok(())
    }

    pub(super) fn evolve(&mut self, event: &A::Event) {
        self.state = mem::take(&mut self.state).evolve(event);
    }

    pub(super) fn conflicted(&mut self) {
        self.conflicted = Some(Instant::now());
    }

    pub(super) fn way(&self) -> Way {
        let lately = self.conflicted.is_some_and(|at| at.elapsed() < CONTENDED_FOR);
        if lately { Way::Alone } else { Way::Shared }
    }
}
