//! Fenced publishing: a message gets the sequence it was meant for, or it is not in the stream.

mod batch;
mod pipeline;
#[cfg(test)]
mod tests;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::Context;

use crate::broker::BrokerError;
use crate::message::Message;
use crate::mutant::{self, Mutant};

/// How messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Many in one step of the server, all or none; it takes NATS 2.12.
    Batches,
    /// One by one, each fenced for itself, without waiting for one to send the next.
    Pipelined,
}

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
    way: Way,
    after: u64,
    messages: Vec<Message>,
) -> Result<u64, PublishError> {
    if mutant::is_made(Mutant::FencePerSubject) {
        return pipeline::publish_fenced_per_subject(jetstream, messages).await;
    }
    let most = match way {
        Way::Batches => batch::MESSAGES_MAX,
        Way::Pipelined => pipeline::MESSAGES_MAX,
    };
    let mut messages = messages.into_iter();
    let mut last = after;
    loop {
        let some: Vec<Message> = messages.by_ref().take(most).collect();
        if some.is_empty() {
            return Ok(last);
        }
        last = match way {
            Way::Batches => batch::publish(&jetstream.client(), last, some).await?,
            Way::Pipelined => pipeline::publish(jetstream, last, some).await?,
        };
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
