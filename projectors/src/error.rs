//! Why something that was asked of the projections was not done.

use eventlog::LogError;

use crate::verify::Verified;

/// What can go wrong with a rebuild, a check, or a repair.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Postgres did not do it")]
    Database(#[from] sqlx::Error),
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("there is no read model {0}")]
    Unknown(String),
    #[error("{0} is not installed yet: start `ticketing projectors run` once")]
    NotInstalled(&'static str),
    #[error("another process is rebuilding {0}")]
    Busy(&'static str),
    /// The rows that were filled are not what the log says.
    #[error("{} as filled is not what the log says; readers still see the old one", .0.name)]
    Unproven(Box<Verified>),
    #[error("nothing was kept of {0} to go back to: rebuild with --keep-old keeps it")]
    NoFormer(&'static str),
    #[error("{0} has only one build, so there is nothing to compare")]
    OneBuild(&'static str),
    #[error("{0} does not come nearer to the other build; do its projectors run?")]
    Behind(&'static str),
    #[error("rows of {0} follow from several aggregates: rebuild it whole")]
    NotByAggregate(&'static str),
    #[error("there is no event of {0} in the log")]
    NoStream(String),
    #[error("{0} is not parked")]
    NotParked(String),
}
