//! Fenced publishing: a message gets the sequence it was meant for, or it is not in the stream.

mod batch;
mod pipeline;
#[cfg(test)]
mod tests;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::Context;
use mutants::Mutant;

use crate::broker::BrokerError;
use crate::halt::Halt;
use crate::message::Message;

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
    /// An event that no message can be made of; what comes before it may be in the stream.
    #[error(transparent)]
    Unfit(#[from] Halt),
}

/// Publishes the messages right after sequence `after`, and says which sequence the last one has.
/// They are made while those before them are stored. On an error any number of them, from the first
/// on, may be in the stream.
pub(crate) async fn publish(
    jetstream: &Context,
    way: Way,
    after: u64,
    messages: impl Iterator<Item = Result<Message, Halt>> + Send,
) -> Result<u64, PublishError> {
    if Mutant::FencePerSubject.is_made() {
        return pipeline::publish_fenced_per_subject(jetstream, after, messages).await;
    }
    match way {
        Way::Batches => batch::publish(&jetstream.client(), after, messages).await,
        Way::Pipelined => pipeline::publish(jetstream, after, messages).await,
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
