//! Reads of one stream, at and beyond every edge.

use eventstore::{Error, EventData, ReadEvent, ReadStreamOptions, StreamPosition, StreamState};
use uuid::Uuid;

use crate::proto::event_store::client::uuid::Value;
use crate::proto::streams::read_req::options::{
    CountOption, ReadDirection, UuidOption, stream_options::RevisionOption, uuid_option,
};
use crate::proto::streams::read_resp::{Content, StreamNotFound};
use crate::read_requests::of_stream;
use crate::support::{Server, append, event_with_id, events, read_with, revisions, stream};
use crate::wire::{EMPTY, identifier, parse_id};

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
    let table: [(ReadStreamOptions, &[u64]); 20] = [
        (forwards(Start), &[0, 1, 2, 3, 4]),
        (forwards(Position(0)), &[0, 1, 2, 3, 4]),
        (forwards(Position(3)), &[3, 4]),
        (forwards(Position(4)), &[4]),
        (forwards(Position(5)), &[]),
        (forwards(Position(99)), &[]),
        (forwards(End), &[]),
        (forwards(Start).max_count(1), &[0]),
        (forwards(Start).max_count(2), &[0, 1]),
        (forwards(Position(3)).max_count(1), &[3]),
        (forwards(Start).max_count(5), &[0, 1, 2, 3, 4]),
        (forwards(Start).max_count(1_000_000), &[0, 1, 2, 3, 4]),
        (backwards(End), &[4, 3, 2, 1, 0]),
        (backwards(Position(1)), &[1, 0]),
        (backwards(Position(99)), &[4, 3, 2, 1, 0]),
        (backwards(Start), &[0]),
        (backwards(End).max_count(1), &[4]),
        (backwards(End).max_count(2), &[4, 3]),
        (backwards(End).max_count(1_000_000), &[4, 3, 2, 1, 0]),
        (backwards(Position(0)), &[0]),
    ];
    for (line, (options, expected)) in table.into_iter().enumerate() {
        let read = read_with(&server.client, &stream, options).await.unwrap();
        assert_eq!(revisions(&read), expected, "line {line} of the table");
    }
}

#[tokio::test]
async fn no_count_and_no_revision_is_too_small_or_too_large() {
    use StreamPosition::{End, Position, Start};
    let Some(server) = Server::ours("another server may refuse them").await else { return };
    let stream = stream("extremes");
    append(&server.client, &stream, StreamState::NoStream, events(0..3)).await.unwrap();
    let table: [(ReadStreamOptions, &[u64]); 6] = [
        (forwards(Start).max_count(0), &[]),
        (backwards(End).max_count(0), &[]),
        (forwards(Start).max_count(usize::MAX), &[0, 1, 2]),
        (backwards(End).max_count(usize::MAX), &[2, 1, 0]),
        (forwards(Position(u64::MAX)), &[]),
        (backwards(Position(u64::MAX)), &[2, 1, 0]),
    ];
    for (line, (options, expected)) in table.into_iter().enumerate() {
        let read = read_with(&server.client, &stream, options).await.unwrap();
        assert_eq!(revisions(&read), expected, "line {line} of the table");
    }
}

#[tokio::test]
async fn a_missing_stream_is_an_answer_and_no_error() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let missing = stream("missing");
    for direction in [ReadDirection::Forwards, ReadDirection::Backwards] {
        let mut options = of_stream(&missing, RevisionOption::Start(EMPTY), CountOption::Count(9));
        options.set_read_direction(direction);
        let not_found = StreamNotFound { stream_identifier: Some(identifier(&missing)) };
        let told = wire.read(options).await.unwrap();
        assert_eq!(told, [Content::StreamNotFound(not_found)], "{direction:?}");
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
async fn an_empty_page_tells_both_ends_of_the_stream_to_who_understands_it() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("beyond");
    append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    let mut options = of_stream(&stream, RevisionOption::Revision(9), CountOption::Count(10));
    let contents = wire.read(options.clone()).await.unwrap();
    assert_eq!(contents, [Content::FirstStreamPosition(0), Content::LastStreamPosition(1)]);
    options.control_option = None;
    assert_eq!(wire.read(options).await.unwrap(), [], "an old client would not understand it");
}

#[tokio::test]
async fn a_link_is_given_as_the_event_it_is() {
    let Some(server) = Server::ours("KurrentDB gives what it points to").await else { return };
    let (target, links) = (stream("target"), stream("links"));
    append(&server.client, &target, StreamState::NoStream, events(0..1)).await.unwrap();
    let link = EventData::binary("$>", format!("0@{target}").into_bytes().into());
    let link = link.id(Uuid::new_v4());
    append(&server.client, &links, StreamState::NoStream, vec![link]).await.unwrap();
    let options = forwards(StreamPosition::Start).resolve_link_tos();
    let found = read_with(&server.client, &links, options).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].link.is_none());
    assert_eq!(found[0].event.as_ref().unwrap().event_type, "$>");
}

#[tokio::test]
async fn ids_come_back_in_the_form_asked_for() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let (stream, id) = (stream("ids"), Uuid::from_u128(u128::MAX - 5));
    let event = event_with_id(0, id);
    append(&server.client, &stream, StreamState::NoStream, vec![event]).await.unwrap();
    let forms = [
        (Some(uuid_option::Content::Structured(EMPTY)), true),
        (Some(uuid_option::Content::String(EMPTY)), false),
    ];
    for (content, structured) in forms {
        let mut options = of_stream(&stream, RevisionOption::Start(EMPTY), CountOption::Count(1));
        options.uuid_option = Some(UuidOption { content });
        let contents = wire.read(options).await.unwrap();
        let Some(Content::Event(read)) = contents.first() else { panic!("{contents:?}") };
        let told = read.event.as_ref().unwrap().id.as_ref();
        assert_eq!(parse_id(told), id);
        let value = told.unwrap().value.as_ref().unwrap();
        assert_eq!(matches!(value, Value::Structured(_)), structured);
    }
}

#[tokio::test]
async fn an_event_has_all_that_clients_take_for_granted() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("complete");
    let written =
        append(&server.client, &stream, StreamState::NoStream, events(0..1)).await.unwrap();
    let options = of_stream(&stream, RevisionOption::Start(EMPTY), CountOption::Count(1));
    let contents = wire.read(options).await.unwrap();
    let Some(Content::Event(read)) = contents.first() else { panic!("{contents:?}") };
    assert!(read.link.is_none() && read.position.is_some());
    let event = read.event.as_ref().unwrap();
    assert_eq!(event.stream_identifier, Some(identifier(&stream)));
    assert_eq!((event.commit_position, event.prepare_position), written_at(&written));
    assert_eq!(event.metadata["type"], "Numbered.v1");
    assert_eq!(event.metadata["content-type"], "application/octet-stream");
    // Ticks of 100 ns since 1970, as text.
    let created: u128 = event.metadata["created"].parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() / 100;
    assert!(now.abs_diff(created) < 600 * 10_000_000, "{created} is not now");
}

fn written_at(written: &eventstore::WriteResult) -> (u64, u64) {
    (written.position.commit, written.position.prepare)
}

#[tokio::test]
async fn an_event_comes_back_as_it_was_sent() {
    let server = Server::start().await;
    let stream = stream("whole");
    let id = Uuid::new_v4();
    let json = EventData::json("Größe.v1", &serde_json::json!({"a": [1, "ü"]}))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_is_read_whole_both_ways() {
    const EVENTS: u64 = 3000;
    let server = Server::start().await;
    let stream = stream("long");
    for start in (0..EVENTS).step_by(500) {
        let batch = events(start..start + 500);
        append(&server.client, &stream, StreamState::Any, batch).await.unwrap();
    }
    let all = usize::try_from(EVENTS).unwrap();
    let ahead = forwards(StreamPosition::Start).max_count(all);
    let read = read_with(&server.client, &stream, ahead).await.unwrap();
    assert_eq!(revisions(&read), (0..EVENTS).collect::<Vec<_>>());
    let back = backwards(StreamPosition::End).max_count(all);
    let read = read_with(&server.client, &stream, back).await.unwrap();
    assert_eq!(revisions(&read), (0..EVENTS).rev().collect::<Vec<_>>());
}
