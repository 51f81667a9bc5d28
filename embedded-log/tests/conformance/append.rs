//! Which expected revision lets which append through, on a stream in each of its states.

use eventstore::{
    CurrentRevision, DeleteStreamOptions, Error, StreamMetadataBuilder, StreamState,
    TombstoneStreamOptions,
};

use crate::support::{Server, append, event, events, read, revisions, stream};

#[derive(Clone, Copy, Debug)]
enum State {
    Missing,
    OnlyMetadata,
    TwoEvents,
    SoftDeleted,
    Tombstoned,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    /// Written, with the new last revision.
    Written(u64),
    /// Refused, with the current last revision.
    Wrong(Option<u64>),
    Deleted,
}

use Outcome::{Deleted, Written, Wrong};
use State::{Missing, OnlyMetadata, SoftDeleted, Tombstoned, TwoEvents};

const ANY: StreamState = StreamState::Any;
const NO_STREAM: StreamState = StreamState::NoStream;
const EXISTS: StreamState = StreamState::StreamExists;

fn at(revision: u64) -> StreamState {
    StreamState::StreamRevision(revision)
}

async fn prepare(server: &Server, state: State) -> String {
    let stream = stream("truth");
    let client = &server.client;
    match state {
        Missing => {}
        OnlyMetadata => {
            let metadata = StreamMetadataBuilder::new().max_count(9).build();
            client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
        }
        TwoEvents | SoftDeleted | Tombstoned => {
            append(client, &stream, NO_STREAM, events(0..2)).await.unwrap();
        }
    }
    if matches!(state, SoftDeleted) {
        client.delete_stream(&*stream, &DeleteStreamOptions::default()).await.unwrap();
    }
    if matches!(state, Tombstoned) {
        client.tombstone_stream(&*stream, &TombstoneStreamOptions::default()).await.unwrap();
    }
    stream
}

fn outcome(result: eventstore::Result<eventstore::WriteResult>) -> Outcome {
    match result {
        Ok(written) => Written(written.next_expected_version),
        Err(Error::WrongExpectedVersion { current: CurrentRevision::NoStream, .. }) => Wrong(None),
        Err(Error::WrongExpectedVersion { current: CurrentRevision::Current(last), .. }) => {
            Wrong(Some(last))
        }
        Err(Error::ResourceDeleted) => Deleted,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_append_goes_through_if_and_only_if_the_stream_is_as_expected() {
    let server = Server::start().await;
    let table = [
        (Missing, ANY, Written(0)),
        (Missing, NO_STREAM, Written(0)),
        (Missing, EXISTS, Wrong(None)),
        (Missing, at(0), Wrong(None)),
        (OnlyMetadata, ANY, Written(0)),
        (OnlyMetadata, NO_STREAM, Written(0)),
        (OnlyMetadata, EXISTS, Written(0)),
        (OnlyMetadata, at(0), Wrong(None)),
        (TwoEvents, ANY, Written(2)),
        (TwoEvents, NO_STREAM, Wrong(Some(1))),
        (TwoEvents, EXISTS, Written(2)),
        (TwoEvents, at(0), Wrong(Some(1))),
        (TwoEvents, at(1), Written(2)),
        (TwoEvents, at(2), Wrong(Some(1))),
        (TwoEvents, at(u64::MAX), Wrong(Some(1))),
        (SoftDeleted, ANY, Written(2)),
        (SoftDeleted, NO_STREAM, Written(2)),
        (SoftDeleted, EXISTS, Deleted),
        (SoftDeleted, at(0), Wrong(Some(1))),
        (SoftDeleted, at(1), Written(2)),
        (SoftDeleted, at(2), Wrong(Some(1))),
        (Tombstoned, ANY, Deleted),
        (Tombstoned, NO_STREAM, Deleted),
        (Tombstoned, EXISTS, Deleted),
        (Tombstoned, at(1), Deleted),
    ];
    for (state, expected, wanted) in table {
        let stream = prepare(&server, state).await;
        let got = outcome(append(&server.client, &stream, expected, vec![event(9)]).await);
        assert_eq!(got, wanted, "{state:?} with {expected:?}");
    }
}

#[tokio::test]
async fn a_refusal_repeats_what_was_expected() {
    let server = Server::start().await;
    let stream = prepare(&server, TwoEvents).await;
    for stated in [NO_STREAM, at(7)] {
        let refused = append(&server.client, &stream, stated, vec![event(0)]).await;
        let Err(Error::WrongExpectedVersion { expected, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(expected, stated);
    }
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
    let stream = prepare(&server, TwoEvents).await;
    let written = append(&server.client, &stream, at(1), Vec::new()).await.unwrap();
    assert_eq!(written.next_expected_version, 1);
    assert_eq!(outcome(append(&server.client, &stream, at(5), vec![]).await), Wrong(Some(1)));
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_at_one_revision_exactly_one_wins() {
    let server = Server::start().await;
    let stream = prepare(&server, TwoEvents).await;
    let attempts = (0..32).map(|number| {
        let (client, stream) = (server.client.clone(), stream.clone());
        tokio::spawn(async move { append(&client, &stream, at(1), vec![event(number)]).await })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match outcome(attempt.await.unwrap()) {
            Written(2) => won += 1,
            Wrong(Some(2)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
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
