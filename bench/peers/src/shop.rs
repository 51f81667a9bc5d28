//! What the load asks of a crate.

use uuid::Uuid;

use crate::ticket::{TicketCommand, TicketEvent};

/// What became of one try of a command.
pub enum Tried {
    Done,
    /// Somebody else appended first: to be tried again.
    Conflict,
}

pub trait Shop: Clone + Send + Sync + 'static {
    /// Loads, decides, appends; a refusal by a rule is an error, because the load gives no reason
    /// for one.
    fn execute(
        &self,
        ticket: Uuid,
        command: TicketCommand,
    ) -> impl Future<Output = anyhow::Result<Tried>> + Send;

    /// Makes the tables.
    fn install(&self) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Writes the whole histories of new tickets, as its own appends would have written them.
    fn fill(
        &self,
        histories: Vec<(Uuid, Vec<TicketEvent>)>,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Brings a read model of tickets, a row each, from nothing to what all the events say, as the
    /// crate offers it.
    fn replay(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}
