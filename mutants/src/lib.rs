//! Mistakes made on purpose, one at a time, for the tests that must notice them.
//!
//! `TICKETING_MUTANT` names the mistake that a process makes: `OtherIds`. Without the feature `made`,
//! which no build for use has, none can be made, and the compiler leaves out what asks for them.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    // Of eventlog. Who notices them: eventlog/tests/it/mutants.rs.
    /// Appends whatever revision the stream is at.
    AnyRevision,
    /// Appends again under other ids when an answer was lost.
    OtherIds,
    /// Forgets which commands have had an effect.
    Forgetful,
    /// Answers a command that is given again as things stand now.
    AnswersAnew,
    /// Reads a stream from its start after a conflict.
    ReadsAll,
    /// Gives a stream as many waiting commands as there are.
    Unbounded,
    /// Begins what nobody waits for any more.
    BeginsLate,

    // Of process-managers. Who notices them: ticketing/tests/it/storm.rs.
    /// Records that money was taken, and asks for it afterwards.
    ResultFirst,
    /// Asks the provider under a new key each time.
    RandomKey,
    /// Lets an order go without having its payment called off at the provider.
    ReleaseUnasked,
    /// Ends an order at its time though a payment is undecided.
    ExpireUndecided,

    // Of relay. Who notices them: ticketing/tests/it/relay_storm.rs.
    /// No mistake: without message ids the fence alone keeps events from being doubled.
    NoIds,
    /// Expects the last sequence of the event's subject, not of the stream.
    FencePerSubject,
    /// Moves the checkpoint before the events are acknowledged.
    CheckpointFirst,
    /// Goes on after an error without reading how far the stream has come.
    NoResync,
}

impl Mutant {
    /// Whether this process makes it.
    #[cfg(feature = "made")]
    #[must_use]
    pub fn is_made(self) -> bool {
        use std::sync::LazyLock;
        static NAME: LazyLock<Option<String>> =
            LazyLock::new(|| std::env::var("TICKETING_MUTANT").ok());
        NAME.as_deref() == Some(format!("{self:?}").as_str())
    }

    /// Whether this process makes it: never.
    #[cfg(not(feature = "made"))]
    #[must_use]
    pub const fn is_made(self) -> bool {
        false
    }
}
