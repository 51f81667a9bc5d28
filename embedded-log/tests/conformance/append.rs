//! Appends as the official client makes them: together or not at all, in order, once.

use eventstore::{CurrentRevision, Error, StreamState};
use uuid::Uuid;

use crate::proto::streams::append_resp::{self, success};
use crate::support::{Server, append, event, event_with_id, events, read, revisions, stream};
use crate::wire::{EMPTY, Expected, append_requests};

const ANY: StreamState = StreamState::Any;
const NO_STREAM: StreamState = StreamState::NoStream;

fn at(revision: u64) -> StreamState {
    StreamState::StreamRevision(revision)
}

/// A stream with two events.
async fn two(server: &Server) -> String {
    let stream = stream("two");
    append(&server.client, &stream, NO_STREAM, events(0..2)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_refusal_is_the_clients_own_error_with_both_revisions() {
    let server = Server::start().await;
    let stream = two(&server).await;
    for stated in [NO_STREAM, at(0), at(7), at(u64::MAX / 2)] {
        let refused = append(&server.client, &stream, stated, vec![event(0)]).await;
        let Err(Error::WrongExpectedVersion { expected, current }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((expected, current), (stated, CurrentRevision::Current(1)));
    }
    let refused = append(&server.client, &crate::support::stream("new"), at(0), events(0..1)).await;
    let Err(Error::WrongExpectedVersion { current, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(current, CurrentRevision::NoStream);
}

#[tokio::test]
async fn events_of_one_append_are_together_and_positions_rise() {
    let server = Server::start().await;
    let stream = stream("together");
    let first = append(&server.client, &stream, NO_STREAM, events(0..3)).await.unwrap();
    let second = append(&server.client, &stream, at(2), events(3..5)).await.unwrap();
    assert!(first.position.commit > 0 && second.position > first.position);
    assert_eq!(first.position.commit, first.position.prepare);

    let stored = read(&server.client, &stream).await.unwrap();
    assert_eq!(revisions(&stored), [0, 1, 2, 3, 4]);
    assert_eq!(stored[2].get_original_event().position, first.position);
    assert_eq!(stored[4].get_original_event().position, second.position);
}

#[tokio::test]
async fn an_append_of_nothing_only_checks() {
    let server = Server::start().await;
    let two = two(&server).await;
    for stated in [at(1), ANY, StreamState::StreamExists] {
        let written = append(&server.client, &two, stated, Vec::new()).await.unwrap();
        assert_eq!(written.next_expected_version, 1, "{stated:?}");
    }
    for stated in [at(5), at(0), NO_STREAM] {
        let refused = append(&server.client, &two, stated, Vec::new()).await;
        assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{stated:?}");
    }
    assert_eq!(read(&server.client, &two).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_append_of_nothing_leaves_a_new_stream_new() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("nothing");
    for expected in [Expected::Any, Expected::NoStream] {
        let answer = wire.append(append_requests(&stream, expected, Vec::new())).await.unwrap();
        let append_resp::Result::Success(success) = answer else { panic!("{answer:?}") };
        let no_stream = success::CurrentRevisionOption::NoStream(EMPTY);
        assert_eq!(success.current_revision_option, Some(no_stream), "{expected:?}");
        let no_position = success::PositionOption::NoPosition(EMPTY);
        assert_eq!(success.position_option, Some(no_position), "{expected:?}");
    }
    for expected in [Expected::Exists, Expected::At(0)] {
        let answer = wire.append(append_requests(&stream, expected, Vec::new())).await.unwrap();
        let wrong = matches!(answer, append_resp::Result::WrongExpectedVersion(_));
        assert!(wrong, "{expected:?}: {answer:?}");
    }
    assert!(matches!(read(&server.client, &stream).await, Err(Error::ResourceNotFound)));
}

#[tokio::test]
async fn an_append_of_very_many_events_is_one_append() {
    const EVENTS: u64 = 5_000;
    let server = Server::start().await;
    let stream = stream("many");
    let ids: Vec<_> = (0..EVENTS).map(|_| Uuid::new_v4()).collect();
    let batch = || ids.iter().zip(0..).map(|(id, number)| event_with_id(number, *id)).collect();
    let written = append(&server.client, &stream, NO_STREAM, batch()).await.unwrap();
    assert_eq!(written.next_expected_version, EVENTS - 1);
    let again = append(&server.client, &stream, NO_STREAM, batch()).await.unwrap();
    assert_eq!((again.next_expected_version, again.position), (EVENTS - 1, written.position));
    let stored = crate::support::read_with(
        &server.client,
        &stream,
        eventstore::ReadStreamOptions::default().max_count(usize::MAX),
    );
    assert_eq!(revisions(&stored.await.unwrap()), (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_at_one_revision_exactly_one_wins() {
    let server = Server::start().await;
    let stream = two(&server).await;
    let attempts = (0..32).map(|number| {
        let (client, stream) = (server.client.clone(), stream.clone());
        tokio::spawn(async move { append(&client, &stream, at(1), vec![event(number)]).await })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(written) => {
                assert_eq!(written.next_expected_version, 2);
                won += 1;
            }
            Err(Error::WrongExpectedVersion { current: CurrentRevision::Current(2), .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_append_many_times_at_once_is_one() {
    let server = Server::start().await;
    for state in [NO_STREAM, ANY] {
        let stream = stream("at-once");
        let ids = [Uuid::new_v4(), Uuid::new_v4()];
        let attempts = (0..32).map(|_| {
            let (client, stream) = (server.client.clone(), stream.clone());
            let batch = ids.map(|id| event_with_id(0, id)).to_vec();
            tokio::spawn(async move { append(&client, &stream, state, batch).await })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            assert_eq!(attempt.await.unwrap().unwrap().next_expected_version, 1);
        }
        assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_id_does_not_stand_in_the_way_of_another_stream() {
    let server = Server::start().await;
    let id = Uuid::new_v4();
    for state in [NO_STREAM, ANY] {
        let other = stream("other");
        append(&server.client, &other, state, vec![event_with_id(0, id)]).await.unwrap();
        assert_eq!(read(&server.client, &other).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_repetition() {
    let server = Server::start().await;
    let stream = stream("on");
    let batch: Vec<_> = (0..3).map(|number| event_with_id(number, Uuid::new_v4())).collect();
    for _ in 0..2 {
        append(&server.client, &stream, NO_STREAM, batch.clone()).await.unwrap();
    }
    let next = append(&server.client, &stream, at(2), vec![event(3)]).await.unwrap();
    assert_eq!(next.next_expected_version, 3);
}

#[tokio::test]
async fn what_cannot_be_a_stream_is_refused_and_the_client_lives_on() {
    let server = Server::start().await;
    for name in ["", "$all", "$$$x", "$$"] {
        let refused = append(&server.client, name, ANY, vec![event(0)]).await;
        assert!(matches!(refused, Err(Error::Grpc { .. })), "{name:?}: {refused:?}");
    }
    append(&server.client, &stream("fine"), NO_STREAM, vec![event(0)]).await.unwrap();
}

#[tokio::test]
async fn any_text_can_name_a_stream() {
    let server = Server::start().await;
    for name in ["größe-ü", "a b/c?d#e%20", "日本-🦀", "@at-$dollar"] {
        let stream = stream(name);
        append(&server.client, &stream, NO_STREAM, events(0..2)).await.unwrap();
        let stored = read(&server.client, &stream).await.unwrap();
        assert_eq!(stored[0].get_original_event().stream_id(), stream);
    }
}
