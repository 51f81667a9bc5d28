use std::mem;
use std::time::Duration;

use domain::{Aggregate, Position, Revision};
use tokio::time::Instant;

use super::commands::Commands;
use crate::codec::{Stored, decode_command, decode_event};
use crate::connection::Way;
use crate::{Loaded, LogError};

/// A stream that conflicted is taken for contended this long.
const CONTENDED_FOR: Duration = Duration::from_secs(10);

/// What is known of a stream: the fold of its events up to a revision.
#[derive(Debug)]
pub(super) struct Known<A> {
    pub(super) state: A,
    pub(super) revision: Option<Revision>,
    pub(super) position: Option<Position>,
    pub(super) commands: Commands,
    /// When the log was last seen to have no more than this.
    seen: Option<Instant>,
    conflicted: Option<Instant>,
}

impl<A: Aggregate> Known<A> {
    pub(super) fn nothing() -> Self {
        Self {
            state: A::default(),
            revision: None,
            position: None,
            commands: Commands::default(),
            seen: None,
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
            let event = decode_event::<A::Event>(stored)?;
            let given = decode_command(stored)?;
            self.state = mem::take(&mut self.state).evolve(&event);
            self.commands.insert(given.command, given.fingerprint.as_deref(), stored.revision);
        }
        self.revision = Some(stored.revision);
        self.position = Some(stored.position);
        Ok(())
    }

    /// At that moment the stream was no longer than what is known now.
    pub(super) fn seen_at(&mut self, moment: Instant) {
        self.seen = Some(moment);
    }

    /// What is known, if the log has been seen to have no more within that time.
    pub(super) fn within(&self, age: Duration) -> Option<Loaded<A>> {
        self.seen.filter(|seen| seen.elapsed() <= age)?;
        let Self { state, revision, position, .. } = self;
        Some(Loaded { state: state.clone(), revision: *revision, position: *position })
    }

    /// Roughly the memory that this takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.state.heap_bytes() + self.commands.heap_bytes()
    }

    pub(super) fn conflicted(&mut self) {
        self.conflicted = Some(Instant::now());
    }

    pub(super) fn way(&self) -> Way {
        let lately = self.conflicted.is_some_and(|at| at.elapsed() < CONTENDED_FOR);
        if lately { Way::Alone } else { Way::Shared }
    }
}
