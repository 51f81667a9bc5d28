//! One request, several commands: each has an id of its own, derived from the request's.

use domain::Cause;
use domain::id::CommandId;
use uuid::Uuid;

/// The cause of one of the commands that a request leads to.
pub(crate) fn step(cause: &Cause, name: &str) -> Cause {
    Cause { command: CommandId(derived(cause, name)), ..cause.clone() }
}

/// An id for something that a request makes: the same when the request is made again.
pub(crate) fn derived(cause: &Cause, name: &str) -> Uuid {
    Uuid::new_v5(&cause.command.0, name.as_bytes())
}
