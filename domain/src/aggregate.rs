//! What an aggregate is.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use crate::event::Event;

/// One consistency boundary: its events lie in one stream, and each command to it is decided
/// against all of them. The implementing type is the state, an enum whose default is "nothing yet".
pub trait Aggregate: Default + Clone + Debug + Send + Sync + 'static {
    /// The first part of the stream's name: `ticket` for the streams `ticket-<id>`.
    const CATEGORY: &'static str;
    type Id: Display + Clone + Debug + Eq + Hash + Send + Sync + 'static;
    type Command: Clone + Debug + Send + Sync + 'static;
    type Event: Event;
    type Rejection: Error + Clone + PartialEq + Send + Sync + 'static;

    /// What happens on a command: the events to append, none when it is already so.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after an event. Total: what is in the log has happened, whatever today's rules say.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// Roughly the memory that the state takes beside its own size. A state that grows with its
    /// history must say so, for those who keep many states count by it.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// The state after a whole history.
    fn fold<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self {
        events.into_iter().fold(Self::default(), Self::evolve)
    }
}
