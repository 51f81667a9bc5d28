//! Atomic batches.

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SEQUENCE,
};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{Client, HeaderValue, Request};
use uuid::Uuid;

use super::{PublishError, is_fence};
use crate::broker::{BrokerError, within};
use crate::halt::Halt;
use crate::message::Message;

/// Messages stored in one step of the server, which itself takes at most 1,000.
pub(super) const MESSAGES_MAX: usize = 200;

/// A batch that the server has but for its last message. Nothing of it is in the stream before that
/// comes; if it never does, the server forgets the rest after some seconds.
struct Staged {
    last: Message,
    /// The sequence that the last message is to get.
    expected: u64,
}

/// Each batch is sent while the one before it is stored, but for its last message, which waits for
/// that one's acknowledgement. So a batch is in the stream only behind the one before it, even if
/// somebody published just as many messages in the place of that one.
pub(super) async fn publish(
    client: &Client,
    after: u64,
    mut messages: impl Iterator<Item = Result<Message, Halt>> + Send,
) -> Result<u64, PublishError> {
    let mut stored = after;
    let mut staged = stage(client, after, &mut messages).await?;
    while let Some(batch) = staged {
        let expected = batch.expected;
        let (committed, next) =
            tokio::join!(commit(client, batch), stage(client, expected, &mut messages));
        committed?;
        stored = expected;
        staged = next?;
    }
    Ok(stored)
}

/// None: there is nothing left. The fence is on the first message; the server checks it when it
/// stores the batch.
async fn stage(
    client: &Client,
    after: u64,
    messages: &mut (impl Iterator<Item = Result<Message, Halt>> + Send),
) -> Result<Option<Staged>, PublishError> {
    // Making messages leaves the connection's task no turn, and the batch before is to be on its way.
    tokio::task::yield_now().await;
    let batch: Vec<Message> = messages.take(MESSAGES_MAX).collect::<Result<_, Halt>>()?;
    let id = HeaderValue::from(Uuid::new_v4().simple().to_string());
    let (single, mut expected) = (batch.len() == 1, after);
    let mut before: Option<Message> = None;
    let send = async {
        for mut message in batch {
            if expected == after {
                message.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, after.to_string());
            }
            expected += 1;
            if !single {
                message.headers.insert(NATS_BATCH_ID, id.clone());
                message.headers.insert(NATS_BATCH_SEQUENCE, (expected - after).to_string());
            }
            if let Some(Message { subject, headers, body }) = before.replace(message) {
                client.publish_with_headers(subject, headers, body).await?;
            }
        }
        Ok::<(), BrokerError>(())
    };
    within(send).await?;
    let Some(mut last) = before else { return Ok(None) };
    if !single {
        last.headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
    }
    Ok(Some(Staged { last, expected }))
}

/// Has the whole batch stored, or nothing of it.
async fn commit(client: &Client, Staged { last, expected }: Staged) -> Result<(), PublishError> {
    let request = Request::new().headers(last.headers).payload(last.body);
    let answer = within(client.send_request(last.subject, request)).await?;
    match serde_json::from_slice(&answer.payload).map_err(BrokerError::from)? {
        Response::Ok(PublishAck { sequence, .. }) if sequence == expected => Ok(()),
        // A message that was there already is acknowledged with the sequence it has.
        Response::Ok(_) => Err(PublishError::Fenced),
        Response::Err { error } if is_fence(error.error_code()) => Err(PublishError::Fenced),
        Response::Err { error } => Err(BrokerError::Refused(error).into()),
    }
}
