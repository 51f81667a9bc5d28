//! When going on would be guessing: each case, with what an operator does next.

use domain::Position;

use crate::contract::MisplacedEvent;

/// Why a relay refuses to go on.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    #[error(
        "message {sequence} of stream {stream} was not published by a relay; find out who did and \
         take the right to publish on ticketing.> away from everybody but the relay, then {}",
        refill(stream)
    )]
    ForeignMessage { stream: String, sequence: u64 },

    #[error(
        "stream {stream} is gone, though {published} events were published to it; restore it from \
         a backup, or {}",
        forget(stream)
    )]
    StreamGone { stream: String, published: u64 },

    #[error(
        "stream {stream} is not the one that {published} events were published to, it was created \
         anew; restore the old one from a backup, or {}",
        refill(stream)
    )]
    StreamRecreated { stream: String, published: u64 },

    #[error(
        "stream {stream} ends at message {last}, though {published} events were published to it: \
         its servers lost what they had acknowledged; restore it from a backup, or {}",
        refill(stream)
    )]
    StreamShorter { stream: String, last: u64, published: u64 },

    #[error(
        "the last message of stream {stream} is gone (sequence {last}), and nothing else tells how \
         far it had come; restore it from a backup, or {}",
        refill(stream)
    )]
    LastMessageGone { stream: String, last: u64 },

    #[error(
        "stream {stream} is ahead of the log: its last message is of position {published}, and \
         the log ends at {}; point the relay at the log that the stream was made from, or {}",
        shown(*.head), refill(stream)
    )]
    AheadOfLog { stream: String, published: Position, head: Option<Position> },

    #[error(
        "stream {stream} was filled under choice {stream_filter} of public events, this relay \
         publishes choice {}; run the version of the relay that fits, or {}",
        crate::contract::FILTER,
        refill(stream)
    )]
    OtherFilter { stream: String, stream_filter: u32 },

    #[error(
        "stream {stream} is kept in memory and would not outlive a restart of NATS, which \
         cannot be changed; {}",
        refill(stream)
    )]
    NotOnDisk { stream: String },

    #[error(
        "the NATS server takes no atomic batches for stream {stream}; use NATS 2.12 or newer, and \
         start the relay again"
    )]
    ServerTooOld { stream: String },

    #[error("somebody wrote to the log past ticketing; find out who did, and report this")]
    MisplacedEvent(#[from] MisplacedEvent),

    #[error("an event cannot be written as JSON; this is a fault in the relay, report it")]
    Unserialisable(#[from] serde_json::Error),
}

/// Consumers that deduplicate by `ce-id` do not notice a refill.
fn refill(stream: &str) -> String {
    format!(
        "stop the relays, remove the stream (`nats stream rm {stream}`), and {}",
        forget(stream)
    )
}

fn forget(stream: &str) -> String {
    format!(
        "let the relay fill a new one from the log: with the relays stopped run `DELETE FROM \
         relay.progress WHERE stream = '{stream}'; DELETE FROM follower.checkpoint WHERE name = \
         'relay/{stream}';` in Postgres, then start them again"
    )
}

fn shown(head: Option<Position>) -> String {
    head.map_or_else(|| "its beginning".to_owned(), |head| head.to_string())
}
