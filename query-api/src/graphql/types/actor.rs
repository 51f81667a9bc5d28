//! Who did something, told without telling who other people are.

use async_graphql::{Enum, SimpleObject};
use domain::Actor;
use domain::id::AccountId;

/// Who did something. Other people are not named.
#[derive(Clone, Debug, PartialEq, SimpleObject)]
#[graphql(name = "Actor")]
pub(crate) struct ActorNode {
    kind: ActorKind,
    /// Of a process: which one.
    process: Option<String>,
}

/// What kind of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum ActorKind {
    /// Whoever asks.
    You,
    /// Another person.
    SomebodyElse,
    /// A process of ours, because of what had happened before.
    Process,
    /// Somebody who was not signed in.
    Anonymous,
}

impl ActorNode {
    pub(crate) fn seen_by(viewer: Option<AccountId>, actor: &Actor) -> Self {
        let (kind, process) = match actor {
            Actor::Anonymous => (ActorKind::Anonymous, None),
            Actor::Process(name) => (ActorKind::Process, Some(name.clone())),
            Actor::Person(person) if Some(*person) == viewer => (ActorKind::You, None),
            Actor::Person(_) => (ActorKind::SomebodyElse, None),
        };
        Self { kind, process }
    }
}
