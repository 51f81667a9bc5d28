//! Reads of `$all`. They are filtered to the test's own streams, as a log may hold anything else.

use eventstore::{
    Client, Position, ReadAllOptions, ResolvedEvent, StreamPosition, StreamState,
    SubscriptionFilter,
};

use crate::support::{Server, append, events, number, stream};

/// The events of `$all` in streams that begin with `prefix`.
async fn all(client: &Client, prefix: &str, options: ReadAllOptions) -> Vec<ResolvedEvent> {
    let filter = SubscriptionFilter::on_stream_name().add_prefix(prefix);
    let mut reading = client.read_all(&options.filter(filter)).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        events.push(event);
    }
    events
}

fn forwards(position: StreamPosition<Position>) -> ReadAllOptions {
    ReadAllOptions::default().position(position).forwards().max_count(100_000)
}

fn backwards(position: StreamPosition<Position>) -> ReadAllOptions {
    ReadAllOptions::default().position(position).backwards().max_count(100_000)
}

fn position(event: &ResolvedEvent) -> Position {
    event.get_original_event().position
}

fn numbers(events: &[ResolvedEvent]) -> Vec<u64> {
    events.iter().map(number).collect()
}

/// Twelve events in two streams, in turns of three.
async fn twelve(server: &Server) -> String {
    let prefix = stream("all");
    for index in 0..4 {
        let stream = format!("{prefix}-{}", index % 2);
        let batch = events(index * 3..index * 3 + 3);
        append(&server.client, &stream, StreamState::Any, batch).await.unwrap();
    }
    prefix
}

#[tokio::test]
async fn all_is_in_the_order_of_writing_and_its_positions_rise() {
    let server = Server::start().await;
    let prefix = twelve(&server).await;
    let client = &server.client;
    let ahead = all(client, &prefix, forwards(StreamPosition::Start)).await;
    assert_eq!(numbers(&ahead), (0..12).collect::<Vec<_>>());
    assert!(ahead.windows(2).all(|pair| position(&pair[0]) < position(&pair[1])));
    assert!(ahead.iter().all(|event| position(event).commit >= position(event).prepare));

    let mut back = all(client, &prefix, backwards(StreamPosition::End)).await;
    back.reverse();
    assert_eq!(numbers(&back), numbers(&ahead));
    assert!(back.iter().map(position).eq(ahead.iter().map(position)));
}

#[tokio::test]
async fn forwards_begins_with_the_event_at_the_position_and_backwards_before_it() {
    let server = Server::start().await;
    let prefix = twelve(&server).await;
    let client = &server.client;
    let ahead = all(client, &prefix, forwards(StreamPosition::Start)).await;
    for (index, event) in ahead.iter().enumerate() {
        let at = StreamPosition::Position(position(event));
        let from = all(client, &prefix, forwards(at).max_count(2)).await;
        assert_eq!(numbers(&from), (0..12).skip(index).take(2).collect::<Vec<_>>());
        let before = all(client, &prefix, backwards(at).max_count(2)).await;
        assert_eq!(
            numbers(&before),
            (0..12_u64).collect::<Vec<_>>()[..index]
                .iter()
                .rev()
                .take(2)
                .copied()
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn beyond_the_ends_there_is_nothing() {
    let server = Server::start().await;
    let prefix = twelve(&server).await;
    let client = &server.client;
    for empty in [forwards(StreamPosition::End), backwards(StreamPosition::Start)] {
        assert!(all(client, &prefix, empty).await.is_empty());
    }
}

#[tokio::test]
async fn the_count_is_of_events_that_pass() {
    let server = Server::start().await;
    let prefix = twelve(&server).await;
    let other = format!("{prefix}-1");
    let client = &server.client;
    for (count, wanted) in [(1, 1), (4, 4), (6, 6), (7, 6), (1_000_000, 6)] {
        let from_start = forwards(StreamPosition::Start).max_count(count);
        assert_eq!(all(client, &other, from_start).await.len(), wanted, "{count}");
        let from_end = backwards(StreamPosition::End).max_count(count);
        assert_eq!(all(client, &other, from_end).await.len(), wanted, "{count}");
    }
}

#[tokio::test]
async fn a_position_that_was_never_given_out_does_no_harm() {
    let Some(server) = Server::ours("another server may refuse such a position").await else {
        return;
    };
    let prefix = twelve(&server).await;
    let client = &server.client;
    let far = StreamPosition::Position(Position { commit: u64::MAX, prepare: u64::MAX });
    assert!(all(client, &prefix, forwards(far)).await.is_empty());
    assert_eq!(all(client, &prefix, backwards(far)).await.len(), 12);
    let ahead = all(client, &prefix, forwards(StreamPosition::Start)).await;
    let third = position(&ahead[2]);
    let between =
        StreamPosition::Position(Position { commit: third.commit + 1, prepare: third.prepare + 1 });
    assert_eq!(number(&all(client, &prefix, forwards(between)).await[0]), 3);
    assert_eq!(number(&all(client, &prefix, backwards(between)).await[0]), 2);
    for count in [0, usize::MAX] {
        let read = all(client, &prefix, forwards(StreamPosition::Start).max_count(count)).await;
        assert_eq!(read.len(), count.min(12));
    }
}

#[tokio::test]
async fn positions_are_no_count_of_events() {
    let Some(server) = Server::ours("how far positions lie apart is the server's own").await else {
        return;
    };
    let prefix = twelve(&server).await;
    let ahead = all(&server.client, &prefix, forwards(StreamPosition::Start)).await;
    let apart = |pair: &[ResolvedEvent]| position(&pair[1]).commit - position(&pair[0]).commit;
    assert!(ahead.windows(2).all(|pair| apart(pair) > 1), "so that nobody comes to add one");
    assert!(position(&ahead[0]).commit > 0);
}
