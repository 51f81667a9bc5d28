//! Executing commands: one owner per stream in this process.
//!
//! Whatever is asked of an aggregate waits in its slot. The first to ask starts an owner, a task of
//! its own, so that an asker who goes away neither loses nor doubles a command. The owner takes all
//! that wait, decides them one after another on the evolving state, appends their events as one,
//! and answers; when nothing waits it ends. Other processes may own the same stream: the expected
//! revision decides between them, and the loser reads what is new and decides again.

mod known;
mod owner;
mod round;
mod slot;

use std::any::Any;
use std::sync::Arc;

use domain::{Aggregate, Cause, Revision};
use moka::future::Cache;
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::{ExecuteError, Executed, LogError};
use owner::own;
use slot::{Pushed, Slot};

/// Aggregates whose state is kept, the least used dropped first.
const STREAMS_KEPT_MAX: u64 = 10_000;

/// All owners of this process, by stream.
#[derive(Clone, Debug)]
pub(crate) struct Owners {
    shared: Arc<Shared>,
    slots: Cache<String, Arc<dyn Any + Send + Sync>>,
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
    answer: oneshot::Sender<Answer<A>>,
}

enum Ask<A: Aggregate> {
    /// Only to be told the state.
    Look,
    Execute {
        command: A::Command,
        cause: Cause,
        expected: Option<Revision>,
    },
}

type Answer<A> = Result<Executed<A>, ExecuteError<<A as Aggregate>::Rejection>>;

impl Owners {
    pub(crate) fn new(connection: Arc<Connection>, build: String) -> Self {
        let shared = Arc::new(Shared { connection, build });
        Self { shared, slots: Cache::new(STREAMS_KEPT_MAX) }
    }

    pub(crate) async fn look<A: Aggregate>(&self, id: &A::Id) -> Answer<A> {
        self.ask(id, Ask::Look).await
    }

    pub(crate) async fn execute<A: Aggregate>(
        &self,
        id: &A::Id,
        command: A::Command,
        cause: &Cause,
        expected: Option<Revision>,
    ) -> Answer<A> {
        self.ask(id, Ask::Execute { command, cause: cause.clone(), expected }).await
    }

    async fn ask<A: Aggregate>(&self, id: &A::Id, ask: Ask<A>) -> Answer<A> {
        let slot = self.slot::<A>(id).await?;
        let (answer, answered) = oneshot::channel();
        match slot.push(Job { ask, answer }) {
            Pushed::Full => return Err(ExecuteError::Contended { attempts: 0 }),
            Pushed::Queued => {}
            Pushed::NeedsOwner => {
                tokio::spawn(own(Arc::clone(&self.shared), slot));
            }
        }
        answered.await.unwrap_or_else(|_| {
            let reason = "the stream's owner ended before it answered".to_owned();
            Err(LogError::Unavailable(reason).into())
        })
    }

    async fn slot<A: Aggregate>(&self, id: &A::Id) -> Result<Arc<Slot<A>>, LogError> {
        let stream = stream_of::<A>(id);
        let make = {
            let stream = stream.clone();
            async move { Arc::new(Slot::<A>::new(stream)) as Arc<dyn Any + Send + Sync> }
        };
        let slot = self.slots.get_with_by_ref(&stream, make).await;
        slot.downcast()
            .map_err(|_| LogError::Refused(format!("two kinds of aggregate share {stream}")))
    }
}

pub(crate) fn stream_of<A: Aggregate>(id: &A::Id) -> String {
    format!("{}-{id}", A::CATEGORY)
}
