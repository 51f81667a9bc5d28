//! One request, several commands: each has an id of its own, derived from the request's.

use domain::id::CommandId;
use domain::{Aggregate, Cause};
use eventlog::{EventLog, ExecuteError, Executed};
use uuid::Uuid;
use web::ApiError;

use crate::refusal::not_logged;

/// The cause of one of the commands that a request leads to.
pub(crate) fn step(cause: &Cause, name: &str) -> Cause {
    Cause { command: CommandId(derived(cause, name)), ..cause.clone() }
}

/// An id for something that a request makes: the same when the request is made again.
pub(crate) fn derived(cause: &Cause, name: &str) -> Uuid {
    Uuid::new_v5(&cause.command.0, name.as_bytes())
}

/// Begins what a request makes. Only of a request that names itself by a key can an earlier one be
/// in the log, so only then is the log asked.
pub(crate) async fn begin<A: Aggregate>(
    log: &EventLog,
    id: &A::Id,
    command: A::Command,
    cause: &Cause,
    repeatable: bool,
) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
    if repeatable {
        log.execute(id, command, cause).await
    } else {
        log.execute_new(id, command, cause).await
    }
}

/// What a command was answered with when it took effect. A request made again is answered as it was
/// the first time, however much has happened since.
pub(crate) async fn first_answer<A: Aggregate>(
    log: &EventLog,
    id: &A::Id,
    executed: Executed<A>,
) -> Result<Executed<A>, ApiError> {
    log.as_answered_first(id, executed).await.map_err(|error| not_logged(&error))
}
