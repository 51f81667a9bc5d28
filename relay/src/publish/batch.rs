//! Atomic batches.

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SEQUENCE,
};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{Client, Request};
use uuid::Uuid;

use super::{PublishError, is_fence};
use crate::broker::{BrokerError, within};
use crate::message::Message;

/// Messages stored in one step of the server, which itself takes at most 1,000.
pub(super) const MESSAGES_MAX: usize = 200;

/// All of a batch or nothing of it. The fence is on the first message: the server checks it when
/// it stores the batch.
pub(super) async fn publish(
    client: &Client,
    after: u64,
    mut batch: Vec<Message>,
) -> Result<u64, PublishError> {
    if let Some(first) = batch.first_mut() {
        first.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, after.to_string());
    }
    if batch.len() > 1 {
        let id = Uuid::new_v4().to_string();
        for (message, number) in batch.iter_mut().zip(1_u64..) {
            message.headers.insert(NATS_BATCH_ID, id.as_str());
            message.headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
        }
        if let Some(last) = batch.last_mut() {
            last.headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
    }
    let mut expected = after;
    let mut answer = None;
    let mut messages = batch.into_iter().peekable();
    while let Some(message) = messages.next() {
        expected += 1;
        if messages.peek().is_some() {
            within(client.publish_with_headers(message.subject, message.headers, message.body))
                .await?;
        } else {
            answer = Some(request(client, message).await?);
        }
    }
    match answer {
        // A message that was there already is acknowledged with the sequence it has.
        Some(last) if last != expected => Err(PublishError::Fenced),
        Some(_) | None => Ok(expected),
    }
}

/// The sequence that the server acknowledges.
async fn request(client: &Client, message: Message) -> Result<u64, PublishError> {
    let request = Request::new().headers(message.headers).payload(message.body);
    let answer = within(client.send_request(message.subject, request)).await?;
    match serde_json::from_slice(&answer.payload).map_err(BrokerError::from)? {
        Response::Ok(PublishAck { sequence, .. }) => Ok(sequence),
        Response::Err { error } if is_fence(error.error_code()) => Err(PublishError::Fenced),
        Response::Err { error } => Err(BrokerError::Refused(error).into()),
    }
}
