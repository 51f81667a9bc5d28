//! Three relays without a lease race to publish tens of thousands of events, while they are killed
//! and stopped, NATS, Postgres and the log go away and come back, and acknowledgements are lost. In
//! the end JetStream holds the log's events: none missing, none doubled, all in order.
//!
//! `RELAY_STORM_EVENTS` and `RELAY_STORM_SEED` change it; `make nightly` has more of it.

mod proxy;

use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use domain::event::Actor;
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Cause, Ticket};
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use futures::future::join_all;
use local_services::testing::{TestNats, TestPostgres};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::program::{Program, outcome, ticketing};
use proxy::Proxy;

const EVENTS_DEFAULT: u64 = 30_000;
/// Of the way without atomic batches: a shorter storm, as the rest is the same.
const EVENTS_ONE_BY_ONE: u64 = 6_000;
/// In a storm of the usual length.
const TROUBLES_MIN: u64 = 25;
const TICKETS: u64 = 300;
const RELAYS: usize = 3;
/// Long enough for everything to be published after the last trouble, on a busy machine.
const SETTLE: Duration = Duration::from_secs(120);

struct World {
    log: TestLog,
    nats: TestNats,
    postgres: TestPostgres,
    proxy: Proxy,
    relays: Vec<Program>,
    kind: Kind,
}

/// Of relays.
#[derive(Clone, Copy)]
enum Kind {
    Usual,
    /// Without atomic batches.
    OneByOne,
    #[cfg(feature = "mutants")]
    Mutant(&'static str),
}

impl World {
    async fn start(kind: Kind) -> Self {
        let (log, nats, postgres) =
            (TestLog::start().await, TestNats::start().await, TestPostgres::start().await);
        let proxy = Proxy::before(nats.url()).await;
        let mut world = Self { log, nats, postgres, proxy, relays: Vec::new(), kind };
        for _ in 0..RELAYS {
            let relay = world.relay();
            world.relays.push(relay);
        }
        world
    }

    fn relay(&self) -> Program {
        let mut command = ticketing(["relay", "run", "--racing"]);
        command.env("NATS_URL", self.proxy.url());
        self.places(&mut command);
        match self.kind {
            Kind::Usual => {}
            Kind::OneByOne => {
                command.arg("--one-by-one");
            }
            #[cfg(feature = "mutants")]
            Kind::Mutant(mutant) => {
                command.env("TICKETING_MUTANT", mutant);
            }
        }
        Program::start(command)
    }

    fn places(&self, command: &mut tokio::process::Command) {
        command.env("KURRENTDB_URL", self.log.connection_string());
        command.env("DATABASE_URL", self.postgres.url());
    }

    async fn trouble(&mut self, dice: &mut StdRng) -> &'static str {
        let pause = Duration::from_millis(dice.random_range(50..400));
        let victim = dice.random_range(0..RELAYS);
        match dice.random_range(0..12) {
            0..4 => {
                let fresh = self.relay();
                std::mem::replace(&mut self.relays[victim], fresh).kill().await;
                "a relay is killed"
            }
            4..6 => {
                self.relays[victim].signal(Signal::SIGSTOP);
                tokio::time::sleep(pause * 2).await;
                self.relays[victim].signal(Signal::SIGCONT);
                "a relay is stopped for a while"
            }
            6..9 => {
                self.proxy.lose_answers(pause).await;
                "acknowledgements are lost"
            }
            9 => {
                self.nats.stop().await;
                tokio::time::sleep(pause).await;
                self.nats.start_again().await;
                "NATS goes away and comes back"
            }
            10 => {
                self.postgres.stop().await;
                tokio::time::sleep(pause).await;
                self.postgres.start_again().await;
                "Postgres goes away and comes back"
            }
            _ => {
                self.log.restart().await;
                "the log goes away and comes back"
            }
        }
    }

    /// What `ticketing relay verify` says, once it has nothing left to wait for.
    async fn judged(&self) -> (bool, String) {
        let deadline = Instant::now() + SETTLE;
        loop {
            let mut command = ticketing(["relay", "verify"]);
            command.env("NATS_URL", self.nats.url());
            self.places(&mut command);
            let output = outcome(command).await;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let differs = said.contains("DIFFERS");
            if differs || (output.status.success() && !said.contains("not published yet")) {
                return (!differs, said);
            }
            if Instant::now() > deadline {
                let errors = String::from_utf8_lossy(&output.stderr);
                let relays: String = self.relays.iter().map(Program::output).collect();
                return (false, format!("does not settle: {said}{errors}\n{relays}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Sells while everything goes wrong. Gives what the judge says, and what went wrong how often.
async fn storm(kind: Kind, events: u64) -> (bool, String) {
    let seed = setting("RELAY_STORM_SEED").unwrap_or_else(|| rand::rng().random());
    let events: u64 = setting("RELAY_STORM_EVENTS").unwrap_or(events);
    let troubles_min = TROUBLES_MIN * events.min(EVENTS_DEFAULT) / EVENTS_DEFAULT;
    println!("RELAY_STORM_SEED={seed}");
    let mut world = World::start(kind).await;
    let connection_string = world.log.connection_string();
    let settings = eventlog::Settings { connection_string, build: "test".to_owned() };
    let log = EventLog::new(settings).unwrap();
    let selling = tokio::spawn(sell(log, events));
    let mut dice = StdRng::seed_from_u64(seed);
    let mut troubles = 0;
    while !selling.is_finished() || troubles < troubles_min {
        let what = world.trouble(&mut dice).await;
        println!("{what}");
        troubles += 1;
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
    }
    selling.await.unwrap();
    let (good, said) = world.judged().await;
    println!("{troubles} troubles; {said}");
    (good && said.contains(&format!("{events} messages")), said)
}

/// So many public events, on several tickets at the same time.
async fn sell(log: EventLog, events: u64) {
    join_all((0..TICKETS).map(|_| edit(log.clone(), events / TICKETS))).await;
}

/// A ticket that is listed and then edited again and again.
async fn edit(log: EventLog, events: u64) {
    let (ticket, seller) = (TicketId(Uuid::now_v7()), AccountId(Uuid::now_v7()));
    let title = || Title::parse("Concert").unwrap();
    let price = |minor: u64| Money { minor: minor.try_into().unwrap(), currency: Currency::USD };
    let list = TicketCommand::List {
        seller,
        title: title(),
        price: price(1),
        quantity: Quantity::ONE,
        max_per_order: Quantity::ONE,
    };
    execute(&log, ticket, list).await;
    for version in 2..=events {
        let command = TicketCommand::Edit { by: seller, title: title(), price: price(version) };
        execute(&log, ticket, command).await;
    }
}

/// Until it has had its effect once: the log goes away at times.
async fn execute(log: &EventLog, ticket: TicketId, command: TicketCommand) {
    let cause = Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Process("test".to_owned()),
        trace: None,
        now: SystemTime::now().into(),
    };
    while log.execute::<Ticket>(&ticket, command.clone(), &cause).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the tests says how long it storms")]
fn setting<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_kills_and_outages_leaves_the_stream_equal_to_the_log() {
    let (good, said) = storm(Kind::Usual, EVENTS_DEFAULT).await;
    assert!(good, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn and_so_does_one_without_atomic_batches() {
    let (good, said) = storm(Kind::OneByOne, EVENTS_ONE_BY_ONE).await;
    assert!(good, "{said}");
}

/// Each mistake shows. By hand, as each takes a build with the mistakes in it and a storm:
/// `cargo nextest run -p ticketing --features mutants relay_storm --run-ignored only --no-capture`.
#[cfg(feature = "mutants")]
mod mutants {
    use super::{EVENTS_DEFAULT, Kind, storm};

    async fn shows(mutant: &'static str) {
        let (good, said) = storm(Kind::Mutant(mutant), EVENTS_DEFAULT).await;
        println!("{mutant}: {said}");
        assert!(!good, "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn without_message_ids_the_fence_alone_holds() {
        let (good, said) = storm(Kind::Mutant("NoIds"), EVENTS_DEFAULT).await;
        assert!(good, "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn a_fence_for_each_subject_shows() {
        shows("FencePerSubject").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn a_checkpoint_before_the_acknowledgement_shows() {
        shows("CheckpointFirst").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn going_on_without_a_look_at_the_stream_shows() {
        shows("NoResync").await;
    }
}
