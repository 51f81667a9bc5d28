use domain::event::Upcaster;
use domain::id::TicketId;
use domain::{Aggregate, Event};
use embedded_log::testing::TestLog;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::{cause, process};

/// A rule with a fault in it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fuse {
    lit: u32,
}

#[derive(Clone, Debug)]
enum FuseCommand {
    Light,
    Blow,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum FuseEvent {
    FuseLit,
}

impl Event for FuseEvent {
    const UPCASTERS: &'static [Upcaster] = &[];
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("never")]
struct Never;

impl Aggregate for Fuse {
    const CATEGORY: &'static str = "fuse";
    type Id = TicketId;
    type Command = FuseCommand;
    type Event = FuseEvent;
    type Rejection = Never;

    fn decide(&self, command: FuseCommand) -> Result<Vec<FuseEvent>, Never> {
        match command {
            FuseCommand::Light => Ok(vec![FuseEvent::FuseLit]),
            FuseCommand::Blow => panic!("as a faulty rule does"),
        }
    }

    fn evolve(self, FuseEvent::FuseLit: &FuseEvent) -> Self {
        Self { lit: self.lit + 1 }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_panics_leaves_nobody_waiting_and_its_stream_usable() {
    let server = TestLog::start().await;
    let log = process(&server);
    let fuse = TicketId(Uuid::new_v4());
    let causes: Vec<_> = (0..20).map(|_| cause()).collect();
    let asked = causes.iter().enumerate().map(|(n, cause)| {
        let command = if n == 7 { FuseCommand::Blow } else { FuseCommand::Light };
        log.execute::<Fuse>(&fuse, command, cause)
    });
    let answers = join_all(asked).await;
    assert!(answers[7].is_err());
    let lit = answers.iter().filter(|answer| answer.is_ok()).count();
    let lit = u32::try_from(lit).unwrap();

    let again = log.execute::<Fuse>(&fuse, FuseCommand::Light, &cause()).await.unwrap();
    assert_eq!(again.state.lit, lit + 1);
    assert_eq!(process(&server).load::<Fuse>(&fuse).await.unwrap().state.lit, lit + 1);
}
