//! The test language of the rules: `given(history).when(command).then(events)`.

use std::fmt::Debug;

use crate::aggregate::Aggregate;

/// Starts a test of a rule with what has happened before.
pub fn given<A: Aggregate>(history: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { state: history.into_iter().fold(A::default(), |state, event| state.evolve(&event)) }
}

/// The state after the history.
#[derive(Debug)]
pub struct Given<A> {
    state: A,
}

impl<A: Aggregate> Given<A> {
    #[must_use]
    pub fn when(self, command: A::Command) -> Decided<A> {
        Decided { outcome: self.state.decide(command) }
    }
}

/// What the rule said.
#[derive(Debug)]
pub struct Decided<A: Aggregate> {
    outcome: Result<Vec<A::Event>, A::Rejection>,
}

impl<A: Aggregate> Decided<A>
where
    A::Rejection: Debug,
{
    /// # Panics
    /// When other events, or a refusal, came out.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = A::Event>) {
        assert_eq!(self.outcome, Ok(events.into_iter().collect()));
    }

    /// It is already so: accepted, and nothing happens.
    ///
    /// # Panics
    /// When an event or a refusal came out.
    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.outcome, Ok(Vec::new()));
    }

    /// # Panics
    /// When it was accepted or refused for another reason.
    #[track_caller]
    pub fn then_refused(self, rejection: A::Rejection) {
        assert_eq!(self.outcome, Err(rejection));
    }
}
