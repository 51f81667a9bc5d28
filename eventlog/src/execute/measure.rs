//! What became of commands, counted.

use std::time::Duration;

use domain::Aggregate;

use super::Answer;
use crate::{ExecuteError, LogError};

pub(super) fn command<A: Aggregate>(answer: &Answer<A>, took: Duration) {
    let outcome = outcome(answer);
    metrics::counter!("commands_total", "aggregate" => A::CATEGORY, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("command_seconds", "aggregate" => A::CATEGORY).record(took);
}

fn outcome<A: Aggregate>(answer: &Answer<A>) -> &'static str {
    match answer {
        Ok(executed) if executed.repeated.is_some() => "repeated",
        Ok(executed) if executed.events.is_empty() => "already_so",
        Ok(_) => "accepted",
        Err(ExecuteError::Rejected(_)) => "refused",
        Err(ExecuteError::Contended { .. }) => "contended",
        Err(ExecuteError::RevisionMismatch { .. }) => "other_version",
        Err(ExecuteError::KeyReused) => "key_reused",
        Err(ExecuteError::Log(LogError::Unavailable(_))) => "log_away",
        Err(ExecuteError::Log(LogError::Overloaded)) => "overloaded",
        Err(ExecuteError::Log(LogError::TooLate)) => "too_late",
        Err(ExecuteError::Log(
            LogError::Undecodable { .. }
            | LogError::Unencodable { .. }
            | LogError::Settings(_)
            | LogError::Refused(_),
        )) => "failed",
    }
}
