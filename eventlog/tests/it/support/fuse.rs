use std::sync::{Arc, Barrier};

use domain::event::Upcaster;
use domain::id::TicketId;
use domain::{Aggregate, Event};
use serde::{Deserialize, Serialize};

/// Counts its events, so that one taken twice shows; one of its rules has a fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fuse {
    pub(crate) lit: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum FuseCommand {
    Light,
    /// Lights it, and its owner is busy between the first time that somebody else comes to the
    /// barrier and the second.
    LightSlowly(Arc<Barrier>),
    Blow,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum FuseEvent {
    FuseLit,
}

impl Event for FuseEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("never")]
pub(crate) struct Never;

impl Aggregate for Fuse {
    const CATEGORY: &'static str = "fuse";
    type Id = TicketId;
    type Command = FuseCommand;
    type Event = FuseEvent;
    type Rejection = Never;

    fn decide(&self, command: FuseCommand) -> Result<Vec<FuseEvent>, Never> {
        match command {
            FuseCommand::Light => Ok(vec![FuseEvent::FuseLit]),
            FuseCommand::LightSlowly(barrier) => {
                // Else the runtime might have no thread left that looks at clocks and sockets.
                tokio::task::block_in_place(|| {
                    barrier.wait();
                    barrier.wait();
                });
                Ok(vec![FuseEvent::FuseLit])
            }
            FuseCommand::Blow => panic!("as a faulty rule does"),
        }
    }

    fn evolve(self, FuseEvent::FuseLit: &FuseEvent) -> Self {
        Self { lit: self.lit + 1 }
    }
}
