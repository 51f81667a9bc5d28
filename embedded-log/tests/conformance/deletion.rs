//! Streams that are deleted and come back, and streams that are ended for ever.

use eventstore::{
    Client, DeleteStreamOptions, Error, ReadAllOptions, ReadStreamOptions, StreamMetadataBuilder,
    StreamMetadataResult, StreamPosition, StreamState, SubscriptionFilter,
};

use crate::support::{Server, append, event, events, read, read_with, revisions, stream};
use crate::wire::Expected::{Any, At, Exists, NoStream};

async fn delete(server: &Server, stream: &str) {
    server.client.delete_stream(stream, &DeleteStreamOptions::default()).await.unwrap();
}

/// How many of the events in `$all` are of this stream.
async fn in_all(client: &Client, stream: &str) -> usize {
    let filter = SubscriptionFilter::on_stream_name().add_prefix(stream);
    let options = ReadAllOptions::default().filter(filter).max_count(100);
    let mut all = client.read_all(&options).await.unwrap();
    let mut found = 0;
    while all.next().await.unwrap().is_some() {
        found += 1;
    }
    found
}

#[tokio::test]
async fn a_soft_deleted_stream_is_gone_and_comes_back_where_it_ended() {
    let server = Server::start().await;
    for state in [StreamState::NoStream, StreamState::Any, StreamState::StreamRevision(1)] {
        let stream = stream("deleted");
        append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
        delete(&server, &stream).await;
        for options in [ReadStreamOptions::default().forwards(), backwards()] {
            let gone = read_with(&server.client, &stream, options).await;
            assert!(matches!(gone, Err(Error::ResourceNotFound)), "{gone:?}");
        }
        append(&server.client, &stream, state, events(2..4)).await.unwrap();
        assert_eq!(revisions(&read(&server.client, &stream).await.unwrap()), [2, 3], "{state:?}");
        let back = read_with(&server.client, &stream, backwards()).await.unwrap();
        assert_eq!(revisions(&back), [3, 2]);
        let again = append(&server.client, &stream, StreamState::NoStream, vec![event(4)]).await;
        assert!(matches!(again, Err(Error::WrongExpectedVersion { .. })), "{again:?}");
    }
}

fn backwards() -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::End).backwards()
}

#[tokio::test]
async fn a_stream_can_be_deleted_and_come_back_again_and_again() {
    let server = Server::start().await;
    let stream = stream("lives");
    for life in 0..4_u64 {
        let batch = events(life * 2..life * 2 + 2);
        append(&server.client, &stream, StreamState::NoStream, batch).await.unwrap();
        let seen = revisions(&read(&server.client, &stream).await.unwrap());
        assert_eq!(seen, [life * 2, life * 2 + 1]);
        delete(&server, &stream).await;
    }
    assert_eq!(in_all(&server.client, &stream).await, 8, "and all still shows all of it");
}

#[tokio::test]
async fn a_new_life_is_marked_in_the_metadata() {
    let server = Server::start().await;
    let client = &server.client;
    let stream = stream("marked");
    let before = append(client, &stream, StreamState::NoStream, events(0..3)).await.unwrap();
    let deleted = client.delete_stream(&*stream, &Default::default()).await.unwrap().unwrap();
    let after = append(client, &stream, StreamState::NoStream, events(3..4)).await.unwrap();
    assert!(before.position < deleted && deleted < after.position);
    let stored = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
    let StreamMetadataResult::Success(stored) = stored else { panic!("{stored:?}") };
    assert_eq!(stored.metadata().truncate_before, Some(3));
}

#[tokio::test]
async fn neither_nothing_nor_the_same_again_brings_a_deleted_stream_back() {
    let Some(server) = Server::ours("KurrentDB brings it back").await else { return };
    let client = &server.client;
    let stream = stream("stays");
    append(client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    delete(&server, &stream).await;
    append(client, &stream, StreamState::Any, Vec::new()).await.unwrap();
    delete(&server, &stream).await;
    let deleted = StreamMetadataBuilder::new().truncate_before(u64::MAX >> 1).build();
    client.set_stream_metadata(&*stream, &Default::default(), &deleted).await.unwrap();
    assert!(matches!(read(client, &stream).await, Err(Error::ResourceNotFound)));
}

#[tokio::test]
async fn metadata_set_on_a_deleted_stream_revives_it() {
    let server = Server::start().await;
    let client = &server.client;
    let stream = stream("revived");
    append(client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    delete(&server, &stream).await;
    let metadata = StreamMetadataBuilder::new().max_count(100).build();
    client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
    assert!(read(client, &stream).await.unwrap().is_empty(), "it is there, and shows nothing");

    let exists = StreamState::StreamExists;
    let written = append(client, &stream, exists, vec![event(2)]).await.unwrap();
    assert_eq!(written.next_expected_version, 2);
    assert_eq!(revisions(&read(client, &stream).await.unwrap()), [2]);
    let stored = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
    let StreamMetadataResult::Success(stored) = stored else { panic!("{stored:?}") };
    assert_eq!(stored.metadata().max_count, Some(100));
    assert_eq!(stored.metadata().truncate_before, Some(2));
}

/// Which expected revision lets a deletion through, and a tombstone likewise.
#[tokio::test]
async fn a_stream_is_ended_if_and_only_if_it_is_as_expected() {
    let server = Server::start().await;
    let wire = server.wire().await;
    // Events in the stream; whether it is deleted already; what is expected; whether that is right.
    let table = [
        (0, false, Any, true),
        (0, false, NoStream, true),
        (0, false, Exists, false),
        (0, false, At(0), false),
        (2, false, Any, true),
        (2, false, Exists, true),
        (2, false, NoStream, false),
        (2, false, At(0), false),
        (2, false, At(1), true),
        (2, false, At(2), false),
        (2, true, Any, true),
        (2, true, NoStream, true),
        (2, true, Exists, false),
        (2, true, At(0), false),
        (2, true, At(1), true),
    ];
    for (count, deleted_before, expected, is_right) in table {
        for for_ever in [false, true] {
            let case =
                format!("{count} events, deleted {deleted_before}, {expected:?}, {for_ever}");
            let stream = stream("end");
            if count > 0 {
                let batch = events(0..count);
                append(&server.client, &stream, StreamState::NoStream, batch).await.unwrap();
            }
            if deleted_before {
                wire.delete(&stream, Any).await.unwrap();
            }
            let is_ended = if for_ever {
                wire.tombstone(&stream, expected).await.is_ok()
            } else {
                wire.delete(&stream, expected).await.is_ok()
            };
            assert_eq!(is_ended, is_right, "{case}");
            let left = read(&server.client, &stream).await;
            match (is_ended, for_ever) {
                (true, true) => assert!(matches!(left, Err(Error::ResourceDeleted)), "{case}"),
                (true, false) => assert!(matches!(left, Err(Error::ResourceNotFound)), "{case}"),
                (false, _) => {
                    assert_eq!(left.is_ok(), count > 0 && !deleted_before, "{case}: {left:?}");
                }
            }
        }
    }
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
        client.tombstone_stream(&*stream, &Default::default()).await.unwrap();

        let written = append(client, &stream, StreamState::Any, vec![event(0)]).await;
        assert!(matches!(written, Err(Error::ResourceDeleted)), "{written:?}");
        let metadata = StreamMetadataBuilder::new().max_count(1).build();
        let described = client.set_stream_metadata(&*stream, &Default::default(), &metadata).await;
        assert!(matches!(described, Err(Error::ResourceDeleted)), "{described:?}");
        assert!(matches!(read(client, &stream).await, Err(Error::ResourceDeleted)));
        let described = client.get_stream_metadata(&*stream, &Default::default()).await;
        assert!(matches!(described, Err(Error::ResourceDeleted)), "{described:?}");
        let again = client.tombstone_stream(&*stream, &Default::default()).await;
        assert!(matches!(again, Err(Error::ResourceDeleted)), "{again:?}");
    }
}

#[tokio::test]
async fn all_shows_what_a_tombstoned_stream_held_and_its_end() {
    let server = Server::start().await;
    let client = &server.client;
    let stream = stream("seen");
    append(client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    let ended = client.tombstone_stream(&*stream, &Default::default()).await.unwrap().unwrap();
    let filter = SubscriptionFilter::on_stream_name().add_prefix(&stream);
    let options = ReadAllOptions::default().filter(filter).max_count(100);
    let mut all = client.read_all(&options).await.unwrap();
    let mut last = None;
    let mut found = 0;
    while let Some(event) = all.next().await.unwrap() {
        found += 1;
        last = Some(event);
    }
    assert_eq!(found, 3);
    let last = last.unwrap();
    let last = last.get_original_event();
    assert_eq!(last.event_type, "$streamDeleted");
    assert_eq!((last.revision, last.position), (u64::MAX >> 1, ended));
}
