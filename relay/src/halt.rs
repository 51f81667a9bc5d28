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
         a backup, or let a new one be filled from the log: `ticketing relay resume`"
    )]
    StreamGone { stream: String, published: u64 },

    #[error(
        "stream {stream} is not the one that {published} events were published to, it was created \
         anew; restore the old one from a backup, or let this one be filled from the log: \
         `ticketing relay resume`"
    )]
    StreamRecreated { stream: String, published: u64 },

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
        "stream {name} is published in {} partitions, not in {wanted}; start the relay with \
         --partitions as it was, or allow the new number, as docs/consumers.md explains: \
         `ticketing relay grow --partitions {wanted}`",
        listed(allowed)
    )]
    OtherPartitions { name: String, wanted: u16, allowed: Vec<u16> },

    #[error("somebody wrote to the log past ticketing; find out who did, and report this")]
    MisplacedEvent(#[from] MisplacedEvent),

    #[error("an event cannot be written as JSON; this is a fault in the relay, report it")]
    Unserialisable(#[from] serde_json::Error),
}

/// Consumers that deduplicate by `ce-id` do not notice a refill.
fn refill(stream: &str) -> String {
    format!(
        "stop the relays and have a new one filled from the log: `ticketing relay rewind --to \
         start --stream {stream} --remove-stream`, and start them again"
    )
}

fn shown(head: Option<Position>) -> String {
    head.map_or_else(|| "its beginning".to_owned(), |head| head.to_string())
}

fn listed(numbers: &[u16]) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}
