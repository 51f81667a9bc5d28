//! A durable consumer of ticketing's public events.
//!
//! `NATS_URL=nats://127.0.0.1:4222 GROUP=mailer HANDLED=handled.txt cargo run -p consumer-example`
//!
//! - Durable: the server remembers how far the group has come. Start it several times with the same
//!   `GROUP`, and they share the work (give each its own `HANDLED`, or better, a database).
//! - At least once: an event that was not acknowledged comes again. What is done for an event and the
//!   event's id are stored together, so that a repeat is noticed.
//! - An event that cannot be handled is tried a few times and then set aside as a dead letter, so that
//!   the others go on.

#![allow(clippy::print_stdout, reason = "a program for the command line")]
#![allow(clippy::disallowed_methods, reason = "an example reads its settings from the environment")]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind, Message};
use futures::StreamExt;

const ATTEMPTS_MAX: i64 = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let group = setting("GROUP", "example");
    let mut store = Store::open(&setting("HANDLED", "handled.txt"))?;
    let poison = setting("POISON", "");
    let nats = jetstream::new(async_nats::connect(setting("NATS_URL", "127.0.0.1:4222")).await?);

    let stream = nats.get_stream(setting("STREAM", "TICKETING")).await?;
    let config = pull::Config {
        durable_name: Some(group.clone()),
        // All events; `ticketing.ticket.*.sold` would be one kind.
        filter_subject: "ticketing.>".to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(30),
        ..pull::Config::default()
    };
    let consumer = stream.get_or_create_consumer(&group, config).await?;
    let mut messages = consumer.messages().await?;
    println!("consuming as {group}");
    while let Some(message) = messages.next().await {
        let message = message?;
        let id = header(&message, "ce-id");
        if store.has(&id) {
            acknowledge(&message).await?;
            continue;
        }
        match handle(&message, &poison).and_then(|line| store.store(&id, &line)) {
            Ok(()) => acknowledge(&message).await?,
            Err(error) => failed(&nats, &group, &message, &error).await?,
        }
    }
    Ok(())
}

/// What there is to do for an event. Here: a line about it.
fn handle(message: &Message, poison: &str) -> Result<String> {
    let kind = header(message, "ce-type");
    if kind == poison {
        bail!("cannot handle {kind}");
    }
    Ok(format!("{kind} {}", header(message, "ce-subject")))
}

/// What was done, with the ids of the events it was done for. In your program this is a table in the
/// database that holds the effect, written in the same transaction.
struct Store {
    ids: HashSet<String>,
    file: File,
}

impl Store {
    fn open(path: &str) -> Result<Self> {
        let file = File::options().append(true).create(true).open(path).context("HANDLED")?;
        let lines = std::fs::read_to_string(path)?;
        let ids = lines.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned()));
        Ok(Self { ids: ids.collect(), file })
    }

    fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn store(&mut self, id: &str, line: &str) -> Result<()> {
        // One write, so that effect and id are there together or not at all.
        self.file.write_all(format!("{id} {line}\n").as_bytes())?;
        self.file.sync_data()?;
        self.ids.insert(id.to_owned());
        Ok(())
    }
}

/// Tries again later, or sets the event aside.
async fn failed(
    nats: &jetstream::Context,
    group: &str,
    message: &Message,
    error: &anyhow::Error,
) -> Result<()> {
    let attempt = message.info().map_err(anyhow::Error::from_boxed)?.delivered;
    if attempt < ATTEMPTS_MAX {
        let wait = Duration::from_millis(200 * attempt.unsigned_abs());
        let again = message.ack_with(AckKind::Nak(Some(wait))).await;
        return again.map_err(anyhow::Error::from_boxed);
    }
    let inner = message.subject.strip_prefix("ticketing.").unwrap_or(&message.subject);
    let mut headers = HeaderMap::new();
    for name in ["ce-id", "ce-type", "ce-subject", "ce-time"] {
        headers.insert(name, header(message, name));
    }
    headers.insert("Dead-Letter-Reason", error.to_string());
    let subject = format!("ticketing-dead-letters.{group}.{inner}");
    nats.publish_with_headers(subject, headers, message.payload.clone()).await?.await?;
    println!("set aside: {error}");
    message.ack_with(AckKind::Term).await.map_err(anyhow::Error::from_boxed)
}

async fn acknowledge(message: &Message) -> Result<()> {
    message.ack().await.map_err(anyhow::Error::from_boxed)
}

fn header(message: &Message, name: &str) -> String {
    let value = message.headers.as_ref().and_then(|headers| headers.get(name));
    value.map(|value| value.as_str().to_owned()).unwrap_or_default()
}
