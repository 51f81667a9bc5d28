//! Mistakes made on purpose, one at a time, for the tests that must notice them. Without the feature
//! `mutants`, which no build for use has, none can be made.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// No mistake: without message ids the fence alone keeps events from being doubled.
    NoIds,
    /// Expects the last sequence of the event's subject, not of the stream.
    FencePerSubject,
    /// Moves the checkpoint before the events are acknowledged.
    CheckpointFirst,
    /// Goes on after an error without reading how far the stream has come.
    NoResync,
}

#[cfg(feature = "mutants")]
static MADE: std::sync::OnceLock<Mutant> = std::sync::OnceLock::new();

/// From now on this mistake is made; the first counts.
#[cfg(feature = "mutants")]
pub fn make(mutant: Mutant) {
    let _first = MADE.set(mutant);
}

#[cfg(feature = "mutants")]
pub(crate) fn is_made(mutant: Mutant) -> bool {
    MADE.get() == Some(&mutant)
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_made(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
impl std::str::FromStr for Mutant {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "no-ids" => Self::NoIds,
            "fence-per-subject" => Self::FencePerSubject,
            "checkpoint-first" => Self::CheckpointFirst,
            "no-resync" => Self::NoResync,
            _ => return Err("no-ids, fence-per-subject, checkpoint-first or no-resync"),
        })
    }
}
