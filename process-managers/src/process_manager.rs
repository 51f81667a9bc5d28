//! What a process manager is: a to-do list folded from the log, and an idempotent hand.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use chrono::TimeDelta;
use domain::id::CommandId;
use domain::{Actor, Aggregate, Cause, DomainEvent, Recorded, Timestamp};
use eventlog::{ExecuteError, Executed, LogError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

/// Turns events into commands, by way of tasks that are kept until they are done.
pub trait ProcessManager: Send + Sync + 'static {
    /// Names its tasks, its checkpoint and its commands; never changes.
    const NAME: &'static str;
    /// What is to be done, with all that doing it takes. Stored: old ones must stay readable.
    type Task: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What an event changes on the to-do list. Pure: the same event, the same changes.
    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Self::Task>>;

    /// Does a task. It may be done again after it has been done, and while a part of it is done.
    fn perform(
        &self,
        task: Self::Task,
        clock: Clock,
    ) -> impl Future<Output = Result<(), TaskError>> + Send;
}

/// A change of a to-do list.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<T> {
    /// Puts a task on the list, in the place of an earlier one with the same key.
    Add { key: Uuid, due: Timestamp, task: T },
    /// Takes a task off, also one that is being performed: it does not come back.
    Strike { key: Uuid },
    /// What a task waits for has happened: look at it now. Nothing when there is none.
    Hasten { key: Uuid },
}

/// Why a task stays on the list.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// All is well, but something else has to happen first.
    #[error("waits because {reason}")]
    Later {
        reason: &'static str,
        /// When to look again at the latest.
        within: Duration,
    },
    /// Worth trying again for ever.
    #[error("did not work for now")]
    Transient(#[source] Box<dyn Error + Send + Sync>),
    /// Trying again will hardly help; after a few attempts a person has to look.
    #[error("cannot be done")]
    Permanent(#[source] Box<dyn Error + Send + Sync>),
    /// Something is so that nobody but a person may decide about.
    #[error("a person has to look: {0}")]
    Person(String),
}

impl TaskError {
    pub(crate) fn transient(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient(error.into())
    }

    pub(crate) fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent(error.into())
    }
}

impl From<LogError> for TaskError {
    /// Also what the log cannot read: a newer program may.
    fn from(error: LogError) -> Self {
        Self::transient(error)
    }
}

/// What a rule said to a command; whatever else went wrong is worth another attempt.
///
/// # Errors
/// [`TaskError`] when no rule was asked.
pub(crate) fn decided<A: Aggregate>(
    executed: Result<Executed<A>, ExecuteError<A::Rejection>>,
) -> Result<Result<Executed<A>, A::Rejection>, TaskError> {
    match executed {
        Ok(executed) => Ok(Ok(executed)),
        Err(ExecuteError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(ExecuteError::Log(error)) => Err(error.into()),
        Err(error @ ExecuteError::KeyReused) => Err(TaskError::permanent(error)),
        Err(error @ (ExecuteError::Contended { .. } | ExecuteError::RevisionMismatch { .. })) => {
            Err(TaskError::transient(error))
        }
    }
}

/// The event that led to a task, as far as the commands of the task have to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub event: Uuid,
    pub correlation: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl Origin {
    #[must_use]
    pub fn of<E>(recorded: &Recorded<E>) -> Self {
        Self {
            event: recorded.id,
            correlation: recorded.metadata.correlation,
            trace: recorded.metadata.trace.clone(),
        }
    }

    /// As [`Cause::after`] the event itself.
    #[must_use]
    pub fn cause(&self, process: &str, step: &str, now: Timestamp) -> Cause {
        Cause {
            command: CommandId(Uuid::new_v5(&self.event, format!("{process}/{step}").as_bytes())),
            fingerprint: None,
            correlation: self.correlation,
            causation: self.event,
            actor: Actor::Process(process.to_owned()),
            trace: self.trace.clone(),
            now,
        }
    }
}

/// The time by the clock of Postgres, which also says when a task is due: a timer that has run out
/// there has run out for the command as well.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    read: Timestamp,
    at: Instant,
}

impl Clock {
    /// A clock that was just read.
    #[must_use]
    pub fn showing(now: Timestamp) -> Self {
        Self { read: now, at: Instant::now() }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        later(self.read, self.at.elapsed())
    }

    /// How long it is until then; nothing when it has passed.
    pub(crate) fn until(&self, then: Timestamp) -> Duration {
        (then - self.now()).to_std().unwrap_or_default()
    }
}

/// `wait` after `moment`, or `moment` itself when no calendar goes so far.
pub(crate) fn later(moment: Timestamp, wait: Duration) -> Timestamp {
    let wait = TimeDelta::from_std(wait).ok();
    wait.and_then(|wait| moment.checked_add_signed(wait)).unwrap_or(moment)
}

/// The id of the aggregate that an event belongs to.
pub(crate) fn aggregate_id<E>(recorded: &Recorded<E>) -> Option<Uuid> {
    let (_category, id) = recorded.stream.split_once('-')?;
    id.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::{Metadata, Position, Revision};

    use super::*;

    /// An event as if it came from the log, at a fixed moment.
    pub(crate) fn recorded(stream: &str, event: DomainEvent) -> Recorded<DomainEvent> {
        Recorded {
            event,
            event_type: "Test.v1".to_owned(),
            id: Uuid::from_u128(7),
            stream: stream.to_owned(),
            revision: Revision(0),
            position: Position { commit: 1, prepare: 1 },
            metadata: Metadata {
                correlation: Uuid::from_u128(8),
                causation: Uuid::from_u128(9),
                actor: Actor::Anonymous,
                command: CommandId(Uuid::from_u128(10)),
                fingerprint: None,
                trace: Some("00-trace-span-01".to_owned()),
                occurred_at: moment(),
                build: "test".to_owned(),
            },
            at: moment(),
        }
    }

    pub(crate) fn moment() -> Timestamp {
        "2026-05-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_kept_origin_gives_the_same_cause_as_the_event() {
        let event = domain::ticket::TicketEvent::TicketWithdrawn(domain::ticket::TicketWithdrawn {
            reason: String::new(),
        });
        let recorded = recorded("ticket-1", DomainEvent::Ticket(event));
        let kept = serde_json::to_string(&Origin::of(&recorded)).unwrap();
        let origin: Origin = serde_json::from_str(&kept).unwrap();
        assert_eq!(
            origin.cause("payment", "complete", moment()),
            Cause::after(&recorded, "payment", "complete", moment()),
        );
    }

    #[test]
    fn the_id_of_an_aggregate_is_read_from_its_stream() {
        let id = Uuid::from_u128(0x1234_5678);
        let event = || {
            DomainEvent::Order(domain::order::OrderEvent::OrderExpired(
                domain::order::OrderExpired {},
            ))
        };
        assert_eq!(aggregate_id(&recorded(&format!("order-{id}"), event())), Some(id));
        assert_eq!(aggregate_id(&recorded("order", event())), None);
        assert_eq!(aggregate_id(&recorded("order-x", event())), None);
    }
}
