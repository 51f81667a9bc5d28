//! Fenced publishing: a message gets the sequence it was meant for, or it is not in the stream.

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SEQUENCE,
};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{Client, Request};
use uuid::Uuid;

use crate::broker::{BrokerError, within};
use crate::message::Message;

/// Messages stored in one step of the server, which itself takes at most 1,000.
const BATCH_MESSAGES_MAX: usize = 200;

/// Why events were not published, or not surely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The stream does not end where it was thought to: somebody else publishes too.
    #[error("somebody else has published to the stream")]
    Fenced,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Publishes the messages right after sequence `after`, and says which sequence the last one has.
/// On an error any number of them, from the first on, may be in the stream.
pub(crate) async fn publish(
    jetstream: &Context,
    after: u64,
    messages: Vec<Message>,
) -> Result<u64, PublishError> {
    let client = jetstream.client();
    let mut messages = messages.into_iter();
    let mut last = after;
    loop {
        let batch: Vec<Message> = messages.by_ref().take(BATCH_MESSAGES_MAX).collect();
        if batch.is_empty() {
            return Ok(last);
        }
        last = publish_batch(&client, last, batch).await?;
    }
}

/// All of a batch or nothing of it. The fence is on the first message: the server checks it when
/// it stores the batch.
async fn publish_batch(
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

/// Ids that are in the stream already are checked before the sequence, and say the same.
fn is_fence(code: ErrorCode) -> bool {
    [
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
        ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use async_nats::jetstream::{self, stream};
    use bytes::Bytes;
    use local_services::testing::TestNats;

    use super::*;

    /// Without an id, so that nothing but the fence tells them apart.
    fn messages(count: usize) -> Vec<Message> {
        let message = |number: usize| Message {
            subject: format!("ticketing.test.{number}"),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        };
        (0..count).map(message).collect()
    }

    #[tokio::test]
    async fn whoever_does_not_know_the_end_of_the_stream_publishes_nothing() {
        let nats = TestNats::start().await;
        let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
        let config = stream::Config {
            name: "S".to_owned(),
            subjects: vec!["ticketing.>".to_owned()],
            allow_atomic_publish: true,
            ..stream::Config::default()
        };
        jetstream.create_stream(config).await.unwrap();
        let many = 2 * BATCH_MESSAGES_MAX + 1;
        let mut end = 0;
        for count in [1, 3, many] {
            end = publish(&jetstream, end, messages(count)).await.unwrap();
            for behind in [0, end - 1, end + 1] {
                for count in [1, 3, many] {
                    let outcome = publish(&jetstream, behind, messages(count)).await;
                    assert!(matches!(outcome, Err(PublishError::Fenced)), "{outcome:?}");
                }
            }
            let stream = jetstream.get_stream("S").await.unwrap();
            assert_eq!(stream.cached_info().state.last_sequence, end);
        }
    }
}
