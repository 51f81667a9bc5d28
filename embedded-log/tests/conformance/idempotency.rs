//! An append that is sent again takes effect once.

use eventstore::{Error, EventData, StreamState};
use uuid::Uuid;

use crate::support::{Server, append, event, event_with_id, read, stream};

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
const C: Uuid = Uuid::from_u128(0xc);
const X: Uuid = Uuid::from_u128(0xf);

fn with_ids(ids: &[Uuid]) -> Vec<EventData> {
    ids.iter().map(|id| event_with_id(0, *id)).collect()
}

/// A stream that holds A, B and C.
async fn abc(server: &Server) -> (String, eventstore::WriteResult) {
    let stream = stream("again");
    let written =
        append(&server.client, &stream, StreamState::NoStream, with_ids(&[A, B, C])).await.unwrap();
    (stream, written)
}

#[tokio::test]
async fn the_same_events_at_the_same_place_succeed_again_and_write_nothing() {
    let server = Server::start().await;
    let table: [(StreamState, &[Uuid], u64); 7] = [
        (StreamState::NoStream, &[A, B, C], 2),
        (StreamState::NoStream, &[A, B], 1),
        (StreamState::NoStream, &[A], 0),
        (StreamState::StreamRevision(0), &[B, C], 2),
        (StreamState::StreamRevision(1), &[C], 2),
        (StreamState::Any, &[A, B, C], 2),
        (StreamState::StreamExists, &[B, C], 2),
    ];
    let (stream, _) = abc(&server).await;
    let stored = read(&server.client, &stream).await.unwrap();
    for (state, ids, revision) in table {
        let again = append(&server.client, &stream, state, with_ids(ids)).await.unwrap();
        assert_eq!(again.next_expected_version, revision, "{state:?} {ids:?}");
        let original = &stored[usize::try_from(revision).unwrap()];
        assert_eq!(again.position, original.get_original_event().position, "{state:?} {ids:?}");
    }
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
}

#[tokio::test]
async fn anything_else_at_a_place_taken_is_refused() {
    let server = Server::start().await;
    let table: [(StreamState, &[Uuid]); 7] = [
        (StreamState::NoStream, &[X]),
        (StreamState::NoStream, &[A, X]),
        (StreamState::NoStream, &[A, B, C, X]),
        (StreamState::NoStream, &[B]),
        (StreamState::StreamRevision(0), &[A]),
        (StreamState::StreamRevision(0), &[C]),
        (StreamState::Any, &[A, X]),
    ];
    let (stream, _) = abc(&server).await;
    for (state, ids) in table {
        let refused = append(&server.client, &stream, state, with_ids(ids)).await;
        assert!(
            matches!(refused, Err(Error::WrongExpectedVersion { .. })),
            "{state:?} {ids:?}: {refused:?}"
        );
    }
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_id_does_not_stand_in_the_way_of_another_stream_or_of_the_right_revision() {
    let server = Server::start().await;
    let (abc, _) = abc(&server).await;
    let other = stream("other");
    append(&server.client, &other, StreamState::Any, with_ids(&[A])).await.unwrap();
    let at_end = StreamState::StreamRevision(2);
    let written = append(&server.client, &abc, at_end, with_ids(&[A])).await.unwrap();
    assert_eq!(written.next_expected_version, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_one() {
    let server = Server::start().await;
    for state in [StreamState::NoStream, StreamState::Any] {
        let stream = stream("at-once");
        let attempts = (0..32).map(|_| {
            let (client, stream) = (server.client.clone(), stream.clone());
            tokio::spawn(async move { append(&client, &stream, state, with_ids(&[A, B])).await })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            assert_eq!(attempt.await.unwrap().unwrap().next_expected_version, 1);
        }
        assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_repetition() {
    let server = Server::start().await;
    let (stream, written) = abc(&server).await;
    append(&server.client, &stream, StreamState::NoStream, with_ids(&[A, B, C])).await.unwrap();
    let at_end = StreamState::StreamRevision(written.next_expected_version);
    let next = append(&server.client, &stream, at_end, vec![event(1)]).await.unwrap();
    assert_eq!(next.next_expected_version, 3);
}
