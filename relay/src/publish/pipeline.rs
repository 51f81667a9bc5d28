//! One message after the other, for servers without atomic batches.

use async_nats::HeaderValue;
use async_nats::header::{
    NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SEQUENCE,
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID,
};
use async_nats::jetstream;
use async_nats::jetstream::context::{Context, PublishAckFuture, PublishErrorKind};

use super::{PublishError, is_fence};
use crate::broker::{BrokerError, within};
use crate::message::Message;

/// Messages under way at the same time.
pub(super) const MESSAGES_MAX: usize = 256;

/// Each names the sequence and the id of the one before it. The sequence alone would not do: with a
/// message of somebody else in the place of the first, the second would find the sequence it expects.
pub(super) async fn publish(
    jetstream: &Context,
    after: u64,
    messages: Vec<Message>,
) -> Result<u64, PublishError> {
    let mut last = after;
    let mut under_way = Vec::with_capacity(messages.len());
    let mut id_before: Option<HeaderValue> = None;
    for mut message in messages {
        message.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
        if let Some(id) = id_before.take() {
            message.headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, id);
        }
        id_before = message.headers.get(NATS_MESSAGE_ID).cloned();
        let Message { subject, headers, body } = message;
        under_way.push(jetstream.publish_with_headers(subject, headers, body).await.map_err(told)?);
        last += 1;
    }
    for (answer, expected) in under_way.into_iter().zip(after + 1..) {
        if acknowledged(answer).await? != expected {
            return Err(PublishError::Fenced);
        }
    }
    Ok(last)
}

/// What [`crate::mutant::Mutant::FencePerSubject`] does.
pub(super) async fn publish_fenced_per_subject(
    jetstream: &Context,
    messages: Vec<Message>,
) -> Result<u64, PublishError> {
    let mut last = 0;
    for mut message in messages {
        let stream = message.headers.get(async_nats::header::NATS_EXPECTED_STREAM);
        let stream = stream.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let stream = within(jetstream.get_stream(stream)).await?;
        let before = stream.get_last_raw_message_by_subject(&message.subject).await;
        let before = before.map_or(0, |message| message.sequence);
        message.headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, before.to_string());
        let Message { subject, headers, body } = message;
        let answer = jetstream.publish_with_headers(subject, headers, body).await.map_err(told)?;
        last = acknowledged(answer).await?;
    }
    Ok(last)
}

/// The sequence that the server acknowledges.
async fn acknowledged(answer: PublishAckFuture) -> Result<u64, PublishError> {
    answer.await.map(|answer| answer.sequence).map_err(told)
}

fn told(error: jetstream::context::PublishError) -> PublishError {
    let refusal = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<jetstream::Error>());
    let kinds = [PublishErrorKind::WrongLastSequence, PublishErrorKind::WrongLastMessageId];
    let fenced = kinds.contains(&error.kind())
        || refusal.is_some_and(|refusal| is_fence(refusal.error_code()));
    if fenced { PublishError::Fenced } else { BrokerError::from(error).into() }
}
