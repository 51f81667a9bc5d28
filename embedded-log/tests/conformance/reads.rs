//! Reads at and beyond every edge.

use eventstore::{
    Client, Error, Position, ReadAllOptions, ReadEvent, ReadStreamOptions, ResolvedEvent,
    StreamPosition, StreamState, SubscriptionFilter,
};

use crate::support::{Server, append, events, number, read_with, revisions, stream};

// The client's `position` sets a direction too, so ours comes after it.
fn forwards(position: StreamPosition<u64>) -> ReadStreamOptions {
    ReadStreamOptions::default().position(position).forwards()
}

fn backwards(position: StreamPosition<u64>) -> ReadStreamOptions {
    ReadStreamOptions::default().position(position).backwards()
}

#[tokio::test]
async fn a_stream_is_read_from_and_to_every_edge() {
    use StreamPosition::{End, Position, Start};
    let server = Server::start().await;
    let stream = stream("edges");
    append(&server.client, &stream, StreamState::NoStream, events(0..5)).await.unwrap();
    let table: [(ReadStreamOptions, &[u64]); 13] = [
        (forwards(Start), &[0, 1, 2, 3, 4]),
        (forwards(Position(3)), &[3, 4]),
        (forwards(Position(5)), &[]),
        (forwards(Position(u64::MAX)), &[]),
        (forwards(End), &[]),
        (forwards(Start).max_count(2), &[0, 1]),
        (forwards(Start).max_count(0), &[]),
        (backwards(End), &[4, 3, 2, 1, 0]),
        (backwards(Position(1)), &[1, 0]),
        (backwards(Position(99)), &[4, 3, 2, 1, 0]),
        (backwards(Start), &[0]),
        (backwards(End).max_count(2), &[4, 3]),
        (backwards(Position(0)), &[0]),
    ];
    for (line, (options, expected)) in table.into_iter().enumerate() {
        let read = read_with(&server.client, &stream, options).await.unwrap();
        assert_eq!(revisions(&read), expected, "line {line} of the table");
    }
}

#[tokio::test]
async fn a_missing_stream_is_not_found() {
    let server = Server::start().await;
    for options in [forwards(StreamPosition::Start), backwards(StreamPosition::End)] {
        let missing = read_with(&server.client, &stream("missing"), options).await;
        assert!(matches!(missing, Err(Error::ResourceNotFound)), "{missing:?}");
    }
}

#[tokio::test]
async fn a_forward_read_tells_where_the_stream_ends() {
    let server = Server::start().await;
    let stream = stream("told");
    append(&server.client, &stream, StreamState::NoStream, events(0..5)).await.unwrap();
    let mut reading =
        server.client.read_stream(&*stream, &forwards(StreamPosition::Start)).await.unwrap();
    let mut last = None;
    while let Some(event) = reading.next_read_event().await.unwrap() {
        if let ReadEvent::LastStreamPosition(revision) = event {
            last = Some(revision);
        }
    }
    assert_eq!(last, Some(4));
}

#[tokio::test]
async fn an_event_comes_back_as_it_was_sent() {
    let server = Server::start().await;
    let stream = stream("whole");
    let id = uuid::Uuid::new_v4();
    let json = eventstore::EventData::json("Größe.v1", &serde_json::json!({"a": [1, "ü"]}))
        .unwrap()
        .id(id)
        .metadata_as_json(&serde_json::json!({"cause": 7}))
        .unwrap();
    append(&server.client, &stream, StreamState::NoStream, vec![json]).await.unwrap();
    append(&server.client, &stream, StreamState::StreamRevision(0), events(1..2)).await.unwrap();
    let read = read_with(&server.client, &stream, forwards(StreamPosition::Start)).await.unwrap();
    let event = read[0].get_original_event();
    assert_eq!((event.id, &*event.event_type, event.is_json), (id, "Größe.v1", true));
    assert_eq!(event.stream_id(), stream);
    assert_eq!(event.as_json::<serde_json::Value>().unwrap(), serde_json::json!({"a": [1, "ü"]}));
    assert_eq!(&event.custom_metadata[..], br#"{"cause":7}"#);
    let age = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::from(event.created))
        .unwrap_or_default();
    assert!(age.as_secs() < 60);
    assert!(!read[1].get_original_event().is_json);
}

/// The events of `$all` in streams that begin with `prefix`.
async fn all(client: &Client, prefix: &str, options: ReadAllOptions) -> Vec<ResolvedEvent> {
    let filter = SubscriptionFilter::on_stream_name().add_prefix(prefix);
    let options = options.filter(filter).max_count(100_000);
    let mut reading = client.read_all(&options).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = reading.next().await.unwrap() {
        events.push(event);
    }
    events
}

fn position(event: &ResolvedEvent) -> Position {
    event.get_original_event().position
}

#[tokio::test]
async fn all_is_read_both_ways_forwards_inclusive_backwards_exclusive() {
    let server = Server::start().await;
    let prefix = stream("all");
    for index in 0..4 {
        let stream = format!("{prefix}-{}", index % 2);
        let batch = events(index * 3..index * 3 + 3);
        append(&server.client, &stream, StreamState::Any, batch).await.unwrap();
    }
    let options = ReadAllOptions::default;
    let client = &server.client;
    let ahead = all(client, &prefix, options().position(StreamPosition::Start).forwards()).await;
    assert_eq!(ahead.iter().map(number).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    assert!(ahead.windows(2).all(|pair| position(&pair[0]) < position(&pair[1])));

    let mut back = all(client, &prefix, options().position(StreamPosition::End).backwards()).await;
    back.reverse();
    assert_eq!(back.iter().map(number).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());

    let at = StreamPosition::Position(position(&ahead[5]));
    let from = all(client, &prefix, options().position(at).forwards()).await;
    assert_eq!(number(&from[0]), 5);
    let before = all(client, &prefix, options().position(at).backwards()).await;
    assert_eq!(number(&before[0]), 4);

    assert!(
        all(client, &prefix, options().position(StreamPosition::End).forwards()).await.is_empty()
    );
    let start = options().position(StreamPosition::Start).backwards();
    assert!(all(client, &prefix, start).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_is_read_whole_both_ways() {
    const EVENTS: u64 = 3000;
    let server = Server::start().await;
    let stream = stream("long");
    for start in (0..EVENTS).step_by(500) {
        append(&server.client, &stream, StreamState::Any, events(start..start + 500))
            .await
            .unwrap();
    }
    let all = usize::try_from(EVENTS).unwrap();
    let ahead = forwards(StreamPosition::Start).max_count(all);
    let read = read_with(&server.client, &stream, ahead).await.unwrap();
    assert_eq!(revisions(&read), (0..EVENTS).collect::<Vec<_>>());
    let back = backwards(StreamPosition::End).max_count(all);
    let read = read_with(&server.client, &stream, back).await.unwrap();
    assert_eq!(revisions(&read), (0..EVENTS).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn filters_choose_by_prefix_or_pattern_of_stream_or_type() {
    let server = Server::start().await;
    let prefix = stream("chosen");
    let (one, other) = (format!("{prefix}-one"), format!("{prefix}-other"));
    append(&server.client, &one, StreamState::Any, events(0..2)).await.unwrap();
    append(&server.client, &other, StreamState::Any, events(2..5)).await.unwrap();
    let on_stream = SubscriptionFilter::on_stream_name;
    let table = [
        (on_stream().add_prefix(&one), 2),
        (on_stream().add_prefix(&one).add_prefix(&other), 5),
        (on_stream().regex(format!("^{prefix}-o(?!ther)")), 2),
        (on_stream().regex(format!("^{prefix}.*$")), 5),
        (on_stream().regex("^nothing-is-called-this"), 0),
    ];
    for (filter, count) in table {
        let label = format!("{filter:?}");
        let options = ReadAllOptions::default().filter(filter).max_count(1000);
        let mut reading = server.client.read_all(&options).await.unwrap();
        let mut found = 0;
        while reading.next().await.unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, count, "{label}");
    }
    let by_type = SubscriptionFilter::on_event_type().regex("^Numbered\\.v1$");
    let options = ReadAllOptions::default().filter(by_type).max_count(3);
    let mut reading = server.client.read_all(&options).await.unwrap();
    let mut found = 0;
    while reading.next().await.unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, 3, "the count is of events that pass");
}

#[tokio::test]
async fn a_pattern_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let options =
        ReadAllOptions::default().filter(SubscriptionFilter::on_stream_name().regex("(unclosed"));
    let refused = server.client.read_all(&options).await;
    assert!(matches!(refused, Err(Error::Grpc { code: tonic::Code::InvalidArgument, .. })));
}
