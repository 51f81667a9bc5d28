//! The same messages in the same batches into a stream with the same settings, from memory: no log,
//! no Postgres, no mapping.

use std::time::Instant;

use anyhow::{Context, ensure};
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::Config;
use async_nats::{HeaderMap, Request};
use bench::processor::own_cpu;
use bytes::Bytes;
use futures::StreamExt;
use uuid::Uuid;

use crate::place::Place;
use crate::turn::Turn;

/// As many as the relay stores in one step.
const BATCH_MESSAGES: usize = 200;
const STREAM: &str = "BARE";

struct Message {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Publishes so many.
pub(crate) async fn publish(place: &Place, count: u64) -> anyhow::Result<Turn> {
    let jetstream = &place.jetstream;
    let messages = read(place, count).await?;
    let _absent = jetstream.delete_stream(STREAM).await;
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec!["bare.>".to_owned()],
        allow_atomic_publish: true,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    };
    jetstream.create_stream(config).await?;
    let client = jetstream.client();
    let (before, own_before) = (place.used()?, own_cpu()?);
    let (begun, mut messages) = (Instant::now(), messages.into_iter().peekable());
    while messages.peek().is_some() {
        let batch: Vec<Message> = messages.by_ref().take(BATCH_MESSAGES).collect();
        let (id, last) = (Uuid::new_v4().to_string(), batch.len());
        for (mut message, number) in batch.into_iter().zip(1..) {
            message.headers.insert("Nats-Batch-Id", id.as_str());
            message.headers.insert("Nats-Batch-Sequence", number.to_string());
            if number < last {
                client.publish_with_headers(message.subject, message.headers, message.body).await?;
                continue;
            }
            message.headers.insert("Nats-Batch-Commit", "1");
            let request = Request::new().headers(message.headers).payload(message.body);
            let answer = client.send_request(message.subject, request).await?;
            let told = String::from_utf8_lossy(&answer.payload);
            ensure!(!told.contains("error"), "{told}");
        }
    }
    let took = begun.elapsed();
    Ok(Turn {
        messages: count,
        took,
        publisher: own_cpu()?.saturating_sub(own_before),
        others: place.used()?.since(before),
    })
}

/// What the relay has published, with its headers.
async fn read(place: &Place, count: u64) -> anyhow::Result<Vec<Message>> {
    let stream = place.jetstream.get_stream(relay::STREAM).await?;
    let mut there = stream.create_consumer(OrderedConfig::default()).await?.messages().await?;
    let mut messages = Vec::new();
    for _ in 0..count {
        let message = there.next().await.context("the stream is too short")??;
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
            let name = name.to_string();
            // The id stays: the server keeps it in both streams.
            if name == "Nats-Msg-Id" || !name.starts_with("Nats-") {
                values.iter().for_each(|value| headers.insert(name.as_str(), value.as_str()));
            }
        }
        let subject = format!("bare.{}", message.subject);
        messages.push(Message { subject, headers, body: message.payload.clone() });
    }
    Ok(messages)
}
