//! Executing commands: one owner per stream in this process.
//!
//! Whatever is asked of an aggregate waits in its slot. The first to ask starts an owner, a task of
//! its own, so that an asker who goes away neither loses nor doubles a command. The owner takes all
//! that wait, decides them one after another on the evolving state, appends their events as one,
//! and answers; when nothing waits it ends. Other processes may own the same stream: the expected
//! revision decides between them, and the loser reads what is new and decides again.

mod commands;
mod kept;
mod known;
mod measure;
mod owner;
mod round;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use domain::{Aggregate, Cause, Revision};
use mutants::Mutant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::{ExecuteError, Executed, Loaded, LogError};
use kept::Kept;
use owner::own;
use slot::Pushed;

/// At most so many commands wait or are carried out in this process; more are told to come again.
const COMMANDS_MAX: usize = 16_384;

/// All owners of this process, by stream.
#[derive(Debug)]
pub(crate) struct Owners {
    shared: Arc<Shared>,
    kept: Kept,
    /// A permit for each command there is room for.
    room: Arc<Semaphore>,
}

/// What every owner needs.
#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    build: String,
}

/// Something asked of an aggregate, and where the answer goes.
struct Job<A: Aggregate> {
    ask: Ask<A>,
    asked: Instant,
    /// Nobody waits for the answer after this, so nothing is begun for it.
    deadline: Option<Instant>,
    answer: oneshot::Sender<Answer<A>>,
    /// Held until it is answered, even if nobody waits for the answer any more.
    _room: OwnedSemaphorePermit,
}

enum Ask<A: Aggregate> {
    /// Only to be told the state.
    Look,
    /// The state, and whether that command took effect before.
    Recall {
        cause: Cause,
    },
    Execute {
        command: A::Command,
        cause: Cause,
        expected: Expected,
    },
}

/// What an asker knows of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// It is at this revision, or the command is not to be carried out.
    At(Revision),
    /// There is none, because its name has just been made up.
    New,
}

impl From<Option<Revision>> for Expected {
    fn from(revision: Option<Revision>) -> Self {
        revision.map_or(Self::Anything, Self::At)
    }
}

/// Whoever asked longer ago has hardly waited for the answer; nothing is begun for it any more.
const QUEUED_MAX: Duration = Duration::from_secs(5);

impl<A: Aggregate> Job<A> {
    /// Why nothing is to be begun for it any more, if that is so.
    fn too_late(&self) -> Option<LogError> {
        if Mutant::BeginsLate.is_made() {
            return None;
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Some(LogError::TooLate);
        }
        (self.asked.elapsed() >= QUEUED_MAX).then_some(LogError::Overloaded)
    }

    fn is_of_new_stream(&self) -> bool {
        matches!(self.ask, Ask::Execute { expected: Expected::New, .. })
    }
}

type Answer<A> = Result<Executed<A>, ExecuteError<<A as Aggregate>::Rejection>>;

impl Owners {
    pub(crate) fn new(connection: Arc<Connection>, build: String) -> Self {
        let shared = Arc::new(Shared { connection, build });
        let room = Arc::new(Semaphore::new(COMMANDS_MAX));
        Self { shared, kept: Kept::new(), room }
    }

    pub(crate) async fn look<A: Aggregate>(
        self: &Arc<Self>,
        id: &A::Id,
        deadline: Option<Instant>,
    ) -> Answer<A> {
        self.ask(id, Ask::Look, deadline).await
    }

    pub(crate) async fn recall<A: Aggregate>(
        self: &Arc<Self>,
        id: &A::Id,
        cause: &Cause,
        deadline: Option<Instant>,
    ) -> Answer<A> {
        self.ask(id, Ask::Recall { cause: cause.clone() }, deadline).await
    }

    /// What is known already, if it was true within that time and nobody is at work on it.
    pub(crate) async fn glance<A: Aggregate>(
        &self,
        id: &A::Id,
        age: Duration,
    ) -> Result<Option<Loaded<A>>, LogError> {
        Ok(self.kept.slot::<A>(stream_of::<A>(id)).await?.glance(age))
    }

    pub(crate) async fn execute<A: Aggregate>(
        self: &Arc<Self>,
        id: &A::Id,
        command: A::Command,
        cause: &Cause,
        expected: Expected,
        deadline: Option<Instant>,
    ) -> Answer<A> {
        let began = Instant::now();
        let ask = Ask::Execute { command, cause: cause.clone(), expected };
        let answer = self.ask(id, ask, deadline).await;
        measure::command(&answer, began.elapsed());
        answer
    }

    async fn ask<A: Aggregate>(
        self: &Arc<Self>,
        id: &A::Id,
        ask: Ask<A>,
        deadline: Option<Instant>,
    ) -> Answer<A> {
        let slot = self.kept.slot::<A>(stream_of::<A>(id)).await?;
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| LogError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        match slot.push(Job { ask, asked: Instant::now(), deadline, answer, _room: room }) {
            Pushed::Full => return Err(LogError::Overloaded.into()),
            Pushed::Queued => {}
            Pushed::NeedsOwner => {
                tokio::spawn(own(Arc::clone(self), slot));
            }
        }
        match deadline {
            None => answered.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, answered).await {
                Ok(answered) => answered,
                Err(_) => return Err(LogError::TooLate.into()),
            },
        }
        .unwrap_or_else(|_| {
            let reason = "the stream's owner ended before it answered".to_owned();
            Err(LogError::Unavailable(reason).into())
        })
    }
}

pub(crate) fn stream_of<A: Aggregate>(id: &A::Id) -> String {
    format!("{}-{id}", A::CATEGORY)
}
