//! `BatchAppend` as the official client uses it.

use eventstore::{Error, StreamState};
use futures::future::join_all;

use crate::support::{Server, event, events, read, revisions, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_sent_one_behind_the_other_are_made_in_that_order() {
    let server = Server::start().await;
    let stream = stream("pipelined");
    let batch = server.client.batch_append(&Default::default()).await.unwrap();
    let appends = (0..500).map(|number: u64| {
        let state = match number.checked_sub(1) {
            None => StreamState::NoStream,
            Some(last) => StreamState::StreamRevision(last),
        };
        batch.append_to_stream(&stream, state, vec![event(number)])
    });
    for (written, number) in join_all(appends).await.into_iter().zip(0..) {
        let written = written.unwrap();
        assert_eq!(written.current_revision(), Some(number));
        assert_eq!(written.stream_name(), stream);
        assert!(written.current_position().is_some());
    }
    let stored = read(&server.client, &stream).await.unwrap();
    assert_eq!(revisions(&stored), (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_wrong_revision_is_already_exists_and_writes_nothing() {
    let server = Server::start().await;
    let stream = stream("late");
    let batch = server.client.batch_append(&Default::default()).await.unwrap();
    batch.append_to_stream(&stream, StreamState::NoStream, events(0..2)).await.unwrap();
    let late = batch.append_to_stream(&stream, StreamState::StreamRevision(0), events(2..4)).await;
    let Err(Error::Grpc { code, message }) = late else { panic!("{late:?}") };
    assert_eq!((code, &*message), (tonic::Code::AlreadyExists, "WrongExpectedVersion"));
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
}
