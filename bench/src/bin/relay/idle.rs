//! One event after another, each timed from the log to a consumer.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use domain::event::Actor;
use domain::id::{AccountId, CommandId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Cause, Ticket};
use futures::StreamExt;
use uuid::Uuid;

use crate::place::Place;

/// Between one event and the next nothing happens.
const PAUSE: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Latencies {
    /// From the log's acknowledgement until a consumer has the event.
    from_log: Vec<Duration>,
    /// From the command, which waits for the log.
    from_command: Vec<Duration>,
}

pub(crate) async fn measure(place: &Place, count: u32) -> anyhow::Result<Latencies> {
    let stream = place.jetstream.get_stream(relay::STREAM).await?;
    let config = OrderedConfig { deliver_policy: DeliverPolicy::New, ..OrderedConfig::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let mut latencies = Latencies { from_log: Vec::new(), from_command: Vec::new() };
    // The first tells that the relay is there.
    for number in 0..=count {
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        list(place).await?;
        let logged = Instant::now();
        let message = tokio::time::timeout(PATIENCE, messages.next()).await?;
        message.context("the consumer ended")??;
        if number > 0 {
            latencies.from_log.push(logged.elapsed());
            latencies.from_command.push(begun.elapsed());
        }
    }
    latencies.from_log.sort_unstable();
    latencies.from_command.sort_unstable();
    Ok(latencies)
}

async fn list(place: &Place) -> anyhow::Result<()> {
    let list = TicketCommand::List {
        seller: AccountId(Uuid::now_v7()),
        title: Title::parse("Concert").context("a title")?,
        price: Money { minor: 1999, currency: Currency::USD },
        quantity: Quantity::ONE,
        max_per_order: Quantity::ONE,
    };
    let cause = Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Process("bench".to_owned()),
        trace: None,
        now: SystemTime::now().into(),
    };
    place.desk.log.execute::<Ticket>(&TicketId(Uuid::now_v7()), list, &cause).await?;
    Ok(())
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |times: &[Duration]| {
            let at = |percent: usize| times.get(times.len() * percent / 100).copied();
            let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1_000.0;
            format!("{:.2} | {:.2}", ms(at(50)), ms(at(99)))
        };
        writeln!(f, "| idle, one event at a time | p50 ms | p99 ms |\n|---|--:|--:|")?;
        writeln!(f, "| log → consumer | {} |", row(&self.from_log))?;
        writeln!(f, "| command → consumer | {} |", row(&self.from_command))
    }
}
