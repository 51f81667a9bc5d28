//! Streams that are deleted, revived, ended for ever, or partly hidden by their metadata.

use eventstore::{
    DeleteStreamOptions, Error, ReadAllOptions, ReadStreamOptions, StreamMetadataBuilder,
    StreamMetadataResult, StreamPosition, StreamState, TombstoneStreamOptions,
};

use crate::support::{Server, append, event, events, read, read_with, revisions, soon, stream};

async fn delete(server: &Server, stream: &str) {
    server.client.delete_stream(stream, &DeleteStreamOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_soft_deleted_stream_is_gone_and_comes_back_where_it_ended() {
    let server = Server::start().await;
    let stream = stream("deleted");
    let metadata = StreamMetadataBuilder::new().max_count(100).build();
    append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    server.client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
    delete(&server, &stream).await;
    assert!(matches!(read(&server.client, &stream).await, Err(Error::ResourceNotFound)));

    append(&server.client, &stream, StreamState::NoStream, events(2..4)).await.unwrap();
    assert_eq!(revisions(&read(&server.client, &stream).await.unwrap()), [2, 3]);
    let again = append(&server.client, &stream, StreamState::NoStream, vec![event(4)]).await;
    assert!(matches!(again, Err(Error::WrongExpectedVersion { .. })), "{again:?}");
}

#[tokio::test]
async fn all_still_shows_what_a_deleted_stream_held() {
    let server = Server::start().await;
    let stream = stream("kept");
    append(&server.client, &stream, StreamState::NoStream, events(0..3)).await.unwrap();
    delete(&server, &stream).await;
    let filter = eventstore::SubscriptionFilter::on_stream_name().add_prefix(&stream);
    let options = ReadAllOptions::default().filter(filter).max_count(100);
    let mut all = server.client.read_all(&options).await.unwrap();
    let mut found = 0;
    while all.next().await.unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, 3);
}

#[tokio::test]
async fn metadata_set_on_a_deleted_stream_revives_it() {
    let server = Server::start().await;
    let stream = stream("revived");
    append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    delete(&server, &stream).await;
    let metadata = StreamMetadataBuilder::new().max_count(100).build();
    server.client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
    let exists = StreamState::StreamExists;
    let written = append(&server.client, &stream, exists, vec![event(2)]).await.unwrap();
    assert_eq!(written.next_expected_version, 2);
    assert_eq!(revisions(&read(&server.client, &stream).await.unwrap()), [2]);
    let stored = server.client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
    let StreamMetadataResult::Success(stored) = stored else { panic!("{stored:?}") };
    assert_eq!(stored.metadata().max_count, Some(100));
}

#[tokio::test]
async fn a_delete_at_the_wrong_revision_is_refused() {
    let server = Server::start().await;
    let stream = stream("wrong");
    append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    let options = DeleteStreamOptions::default().stream_state(StreamState::StreamRevision(0));
    let refused = server.client.delete_stream(&*stream, &options).await;
    let Err(Error::Grpc { code, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(code, tonic::Code::FailedPrecondition);
    let options = DeleteStreamOptions::default().stream_state(StreamState::StreamRevision(1));
    assert!(server.client.delete_stream(&*stream, &options).await.unwrap().is_some());
}

#[tokio::test]
async fn a_tombstone_is_for_ever() {
    let server = Server::start().await;
    let client = &server.client;
    for soft_deleted_before in [false, true] {
        let stream = stream("ended");
        append(client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
        if soft_deleted_before {
            delete(&server, &stream).await;
        }
        let mut subscription = client.subscribe_to_stream(&*stream, &Default::default()).await;
        let options = TombstoneStreamOptions::default();
        client.tombstone_stream(&*stream, &options).await.unwrap();

        let written = append(client, &stream, StreamState::Any, vec![event(0)]).await;
        assert!(matches!(written, Err(Error::ResourceDeleted)), "{written:?}");
        let metadata = StreamMetadataBuilder::new().max_count(1).build();
        let described = client.set_stream_metadata(&*stream, &Default::default(), &metadata).await;
        assert!(matches!(described, Err(Error::ResourceDeleted)), "{described:?}");
        assert!(matches!(read(client, &stream).await, Err(Error::ResourceDeleted)));
        let again = client.tombstone_stream(&*stream, &options).await;
        assert!(matches!(again, Err(Error::ResourceDeleted)), "{again:?}");
        let ended = soon("the subscription ends", async {
            loop {
                if let Err(error) = subscription.next_subscription_event().await {
                    break error;
                }
            }
        });
        assert!(matches!(ended.await, Error::ResourceDeleted));
    }
}

#[tokio::test]
async fn max_count_and_truncation_hide_from_readers_of_the_stream() {
    let server = Server::start().await;
    let client = &server.client;
    let stream = stream("hidden");
    append(client, &stream, StreamState::NoStream, events(0..10)).await.unwrap();
    let set = async |metadata| {
        client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
    };
    set(StreamMetadataBuilder::new().max_count(3).build()).await;
    assert_eq!(revisions(&read(client, &stream).await.unwrap()), [7, 8, 9]);
    set(StreamMetadataBuilder::new().truncate_before(9).build()).await;
    assert_eq!(revisions(&read(client, &stream).await.unwrap()), [9]);
    let backwards = ReadStreamOptions::default().position(StreamPosition::End).backwards();
    assert_eq!(revisions(&read_with(client, &stream, backwards).await.unwrap()), [9]);
    set(StreamMetadataBuilder::new().build()).await;
    assert_eq!(read(client, &stream).await.unwrap().len(), 10);
    let of_metadata = read(client, &format!("$${stream}")).await.unwrap();
    assert_eq!(revisions(&of_metadata), [2], "only the last metadata counts");
}
