//! What an event came of and what came of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use domain::Timestamp;
use domain::id::AccountId;
use uuid::Uuid;

use super::actor::ActorNode;
use crate::graphql::scalars::Position;
use crate::read_model::Happening;

/// Everything that came of one request: a command led to an event, a process saw the event and gave
/// a command, that led to another event, and so on.
#[derive(SimpleObject)]
pub(crate) struct Cause {
    /// The request that began it.
    request: ID,
    /// What it led to directly. One request may give several commands: an order reserves units of
    /// the ticket, and is placed.
    leads_to: Vec<CausedEvent>,
    /// All of it, in the order of the log.
    events: Vec<CausedEvent>,
}

/// An event, and what came of it.
pub(crate) struct CausedEvent {
    all: Arc<Vec<Happening>>,
    index: usize,
    shared: Arc<Shared>,
}

/// What the events of an answer are shown by.
struct Shared {
    viewer: AccountId,
    /// The things that whoever asks may see the history of.
    own: HashSet<Uuid>,
    by_cause: HashMap<Uuid, Vec<usize>>,
}

impl Cause {
    /// None: there is nothing.
    pub(crate) fn of(viewer: AccountId, own: HashSet<Uuid>, all: Vec<Happening>) -> Option<Self> {
        let request = all.first()?.correlation;
        let known: HashSet<Uuid> = all.iter().map(|happening| happening.id).collect();
        let mut by_cause: HashMap<Uuid, Vec<usize>> = HashMap::new();
        for (index, happening) in all.iter().enumerate() {
            // What came of something that is not shown, stands with what came of the request.
            let cause = happening.causation;
            let cause = if known.contains(&cause) { cause } else { request };
            by_cause.entry(cause).or_default().push(index);
        }
        let count = all.len();
        let (all, shared) = (Arc::new(all), Arc::new(Shared { viewer, own, by_cause }));
        let event = |index| CausedEvent { all: all.clone(), index, shared: shared.clone() };
        let roots = shared.by_cause.get(&request).cloned().unwrap_or_default();
        Some(Self {
            request: request.into(),
            leads_to: roots.into_iter().map(event).collect(),
            events: (0..count).map(event).collect(),
        })
    }
}

impl CausedEvent {
    fn happening(&self) -> &Happening {
        &self.all[self.index]
    }

    /// Whether whoever asks may see the history of the thing that it happened to.
    fn is_own(&self) -> bool {
        self.happening().aggregate_id.is_some_and(|id| self.shared.own.contains(&id))
    }
}

/// An event, and what came of it.
#[Object]
impl CausedEvent {
    async fn id(&self) -> ID {
        self.happening().id.into()
    }

    /// The kind of event, such as `TicketReserved`.
    async fn event(&self) -> &str {
        &self.happening().event
    }

    /// The kind of thing that it happened to: `ticket`, `order`, `payment` or `account`.
    async fn thing(&self) -> &str {
        &self.happening().aggregate
    }

    /// The thing; null when it is somebody else's.
    async fn thing_id(&self) -> Option<ID> {
        self.happening().aggregate_id.filter(|_| self.is_own()).map(ID::from)
    }

    async fn by(&self) -> ActorNode {
        ActorNode::seen_by(Some(self.shared.viewer), &self.happening().actor)
    }

    async fn at(&self) -> Timestamp {
        self.happening().at
    }

    async fn position(&self) -> Position {
        Position(self.happening().position)
    }

    /// The command that was carried out.
    async fn command(&self) -> ID {
        self.happening().command.into()
    }

    /// The request or the event that led to the command.
    async fn caused_by(&self) -> ID {
        self.happening().causation.into()
    }

    /// What came of it directly.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn leads_to(&self) -> Vec<CausedEvent> {
        let next = self.shared.by_cause.get(&self.happening().id).cloned().unwrap_or_default();
        let event = |index| Self { all: self.all.clone(), index, shared: self.shared.clone() };
        next.into_iter().map(event).collect()
    }
}
