//! How far an answer has come.

use async_graphql::{SimpleObject, Value, value};

use crate::freshness::Seen;
use crate::graphql::scalars::{Long, Position};

/// How far the log is contained in an answer.
#[derive(SimpleObject)]
pub(crate) struct Consistency {
    /// Everything up to here is in it; null when nothing is known to be.
    position: Option<Position>,
    /// For how many milliseconds it is known to be behind the log, 0 if it is not; null when the log
    /// cannot be asked.
    lag: Option<Long>,
    /// It does not contain what was asked for with `atLeast`, or one's own last write: that had not
    /// come after two seconds.
    stale: bool,
}

impl From<Seen> for Consistency {
    fn from(seen: Seen) -> Self {
        let lag = seen.lag().map(|lag| Long(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX)));
        Self { position: seen.position().map(Position), lag, stale: seen.is_stale() }
    }
}

impl From<Consistency> for Value {
    /// As it is in the extensions of every answer.
    fn from(it: Consistency) -> Self {
        let position = it.position.map(|Position(position)| position.to_string());
        let lag = it.lag.map(|Long(milliseconds)| milliseconds);
        value!({"position": (position), "lag": (lag), "stale": (it.stale)})
    }
}
