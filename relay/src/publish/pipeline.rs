//! One message after the other, for servers without atomic batches.

use std::collections::VecDeque;

use async_nats::HeaderValue;
use async_nats::header::{
    NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SEQUENCE,
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID,
};
use async_nats::jetstream;
use async_nats::jetstream::context::{Context, PublishAckFuture, PublishErrorKind};

use super::{PublishError, is_fence};
use crate::broker::{BrokerError, within};
use crate::halt::Halt;
use crate::message::Message;

/// Messages under way at the same time.
pub(super) const MESSAGES_MAX: usize = 256;

/// Each names the sequence and the id of the one before it. The sequence alone would not do: with a
/// message of somebody else in the place of the first, the second would find the sequence it expects.
pub(super) async fn publish(
    jetstream: &Context,
    after: u64,
    messages: impl Iterator<Item = Result<Message, Halt>> + Send,
) -> Result<u64, PublishError> {
    let (mut sent, mut stored) = (after, after);
    let mut under_way = VecDeque::with_capacity(MESSAGES_MAX);
    let mut id_before: Option<HeaderValue> = None;
    for message in messages {
        let mut message = message?;
        message.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, sent.to_string());
        if let Some(id) = id_before.take() {
            message.headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, id);
        }
        id_before = message.headers.get(NATS_MESSAGE_ID).cloned();
        if under_way.len() == MESSAGES_MAX
            && let Some(oldest) = under_way.pop_front()
        {
            stored = acknowledged(oldest, stored + 1).await?;
        }
        let Message { subject, headers, body } = message;
        under_way
            .push_back(jetstream.publish_with_headers(subject, headers, body).await.map_err(told)?);
        sent += 1;
    }
    for answer in under_way {
        stored = acknowledged(answer, stored + 1).await?;
    }
    Ok(stored)
}

/// What [`mutants::Mutant::FencePerSubject`] does.
pub(super) async fn publish_fenced_per_subject(
    jetstream: &Context,
    after: u64,
    messages: impl Iterator<Item = Result<Message, Halt>> + Send,
) -> Result<u64, PublishError> {
    let mut last = after;
    for message in messages {
        let mut message = message?;
        let stream = message.headers.get(async_nats::header::NATS_EXPECTED_STREAM);
        let stream = stream.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let stream = within(jetstream.get_stream(stream)).await?;
        let before = stream.get_last_raw_message_by_subject(&message.subject).await;
        let before = before.map_or(0, |message| message.sequence);
        message.headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, before.to_string());
        let Message { subject, headers, body } = message;
        let answer = jetstream.publish_with_headers(subject, headers, body).await.map_err(told)?;
        last = answer.await.map_err(told)?.sequence;
    }
    Ok(last)
}

/// The sequence that the server acknowledges, which must be the one it was meant to be.
async fn acknowledged(answer: PublishAckFuture, expected: u64) -> Result<u64, PublishError> {
    match answer.await.map_err(told)?.sequence {
        sequence if sequence == expected => Ok(sequence),
        _of_an_earlier_message => Err(PublishError::Fenced),
    }
}

fn told(error: jetstream::context::PublishError) -> PublishError {
    let refusal = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<jetstream::Error>());
    let kinds = [PublishErrorKind::WrongLastSequence, PublishErrorKind::WrongLastMessageId];
    let fenced = kinds.contains(&error.kind())
        || refusal.is_some_and(|refusal| is_fence(refusal.error_code()));
    if fenced { PublishError::Fenced } else { BrokerError::from(error).into() }
}
