//! Folds the to-do list of a process manager from the log: the list and the checkpoint change in
//! one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{DomainEvent, Position, Recorded};
use eventlog::{Follower, TakeError, checkpoint};
use tokio::sync::Notify;

use crate::due_list::{DueList, FoldError};
use crate::process_manager::{Change, ProcessManager};

/// Follows the log for one process manager.
pub(crate) struct Feed<P> {
    process: Arc<P>,
    list: DueList,
    name: String,
    /// Rung when tasks were added, so that the worker need not wait for its next look.
    added: Arc<Notify>,
    position: Option<Position>,
    /// Whether there was a checkpoint when it was last read or moved here.
    begun: Arc<AtomicBool>,
}

impl<P: ProcessManager> Feed<P> {
    pub(crate) fn new(process: Arc<P>, list: DueList, added: Arc<Notify>) -> Self {
        let name = follower_name(P::NAME);
        Self { process, list, name, added, position: None, begun: Arc::default() }
    }

    /// Returns when somebody wants the list made anew and has taken the checkpoint away: a feed to
    /// which nothing new comes would not notice.
    pub(crate) fn forgotten(&self, look: Duration) -> impl Future<Output = ()> + use<P> {
        let (pool, name) = (self.list.pool().clone(), self.name.clone());
        let begun = Arc::clone(&self.begun);
        async move {
            loop {
                tokio::time::sleep(look).await;
                match checkpoint::read(&pool, &name).await {
                    Ok(None) if begun.load(Ordering::Relaxed) => return,
                    // Whoever needs Postgres says that it is away.
                    Ok(None | Some(_)) | Err(_) => {}
                }
            }
        }
    }

    fn is_at(&mut self, position: Option<Position>) {
        self.position = position;
        self.begun.store(position.is_some(), Ordering::Relaxed);
    }
}

#[async_trait]
impl<P: ProcessManager> Follower for Feed<P> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn position(&mut self) -> Result<Option<Position>, TakeError> {
        let read = checkpoint::read(self.list.pool(), &self.name).await;
        self.is_at(read.map_err(transient)?);
        Ok(self.position)
    }

    async fn take(
        &mut self,
        batch: &[Recorded<DomainEvent>],
        end: Position,
    ) -> Result<(), TakeError> {
        let changes: Vec<_> =
            batch.iter().flat_map(|recorded| self.process.react(recorded)).collect();
        let mut transaction = self.list.pool().begin().await.map_err(transient)?;
        // First, so that of two replicas one waits here, before either has touched the list.
        let moved = checkpoint::advance(&mut transaction, &self.name, self.position, end).await;
        if !moved.map_err(transient)? {
            return Err(TakeError::StoodDown);
        }
        self.list.fold(&mut transaction, &changes).await.map_err(|error| match error {
            FoldError::Unwritable(error) => TakeError::Halt(Box::new(error)),
            FoldError::Database(error) => transient(error),
        })?;
        transaction.commit().await.map_err(transient)?;
        self.is_at(Some(end));
        if changes.iter().any(|change| !matches!(change, Change::Strike { .. })) {
            self.added.notify_one();
        }
        Ok(())
    }
}

/// Under which the position of a process manager is kept.
pub(crate) fn follower_name(process: &str) -> String {
    format!("process-manager/{process}")
}

fn transient(error: sqlx::Error) -> TakeError {
    TakeError::Transient(Box::new(error))
}

#[cfg(test)]
mod tests;
