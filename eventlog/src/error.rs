//! What can go wrong at the log. Refusal, contention and outage are told apart by type.

use domain::{Position, Revision};

use crate::parking::Unfit;

/// The log could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// Away, too slow, or shutting down: try again later.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// More is asked of this process than it does at once: try again later.
    #[error("too many commands wait in this process")]
    Overloaded,
    /// The time for it was over: nothing was begun for it, or its outcome was not waited for. Try
    /// again under the same id.
    #[error("it was not done in time")]
    TooLate,
    /// An event that this program cannot read.
    #[error(
        "event {event_type} at revision {revision} of {stream} (position {position}) cannot be read: {reason}"
    )]
    Undecodable {
        stream: String,
        revision: Revision,
        position: Position,
        event_type: String,
        reason: String,
    },
    /// An event that this program cannot write; a fault in the program.
    #[error("event {event_type} cannot be written: {reason}")]
    Unencodable { event_type: String, reason: String },
    /// The connection string cannot be read.
    #[error("the connection string of the log cannot be read: {0}")]
    Settings(String),
    /// The log refused the call itself, such as for a missing permission or an event too large.
    #[error("the log refused: {0}")]
    Refused(String),
}

impl LogError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded | Self::TooLate)
    }

    /// The event that cannot be read, if that is what is wrong.
    #[must_use]
    pub fn unfit(&self) -> Option<Unfit> {
        let Self::Undecodable { stream, revision, position, event_type, .. } = self else {
            return None;
        };
        Some(Unfit {
            stream: stream.clone(),
            revision: *revision,
            position: *position,
            event_type: event_type.clone(),
            error: self.to_string(),
        })
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// A rule forbids it.
    #[error("refused by a rule")]
    Rejected(#[source] R),
    /// Others changed the stream again and again.
    #[error("too much contention, given up after {attempts} attempts")]
    Contended { attempts: u32 },
    /// The stream is not at the revision that was asked for.
    #[error("the stream is at another revision")]
    RevisionMismatch { actual: Option<Revision> },
    /// The same command id was used for another command.
    #[error("the command id was used before, for another command")]
    KeyReused,
    #[error(transparent)]
    Log(#[from] LogError),
}
