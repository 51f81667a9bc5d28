//! Metadata of streams: what of it hides events, and that all of it is kept.

use std::time::Duration;

use eventstore::{
    Acl, EventData, ReadAllOptions, ReadStreamOptions, StreamAclBuilder, StreamMetadata,
    StreamMetadataBuilder, StreamMetadataResult, StreamPosition, StreamState, SubscriptionFilter,
};
use serde_json::{Value, json};

use crate::support::{Server, append, events, read, read_with, revisions, soon, stream};

/// The truncation that stands for a deleted stream.
const DELETED: i64 = i64::MAX;

async fn set(server: &Server, stream: &str, metadata: StreamMetadata) {
    server.client.set_stream_metadata(stream, &Default::default(), &metadata).await.unwrap();
}

async fn set_json(server: &Server, stream: &str, metadata: &Value) {
    let event = EventData::json("$metadata", metadata).unwrap();
    let name = format!("$${stream}");
    append(&server.client, &name, StreamState::Any, vec![event]).await.unwrap();
}

async fn get_json(server: &Server, stream: &str) -> Value {
    let stored = read(&server.client, &format!("$${stream}")).await.unwrap();
    stored.last().unwrap().get_original_event().as_json().unwrap()
}

fn backwards() -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::End).backwards()
}

#[tokio::test]
async fn max_count_and_truncation_hide_from_readers_of_the_stream() {
    let server = Server::start().await;
    let stream = stream("hidden");
    append(&server.client, &stream, StreamState::NoStream, events(0..10)).await.unwrap();
    let metadata = StreamMetadataBuilder::new;
    let table: [(StreamMetadata, &[u64]); 8] = [
        (metadata().max_count(3).build(), &[7, 8, 9]),
        (metadata().max_count(1).build(), &[9]),
        (metadata().max_count(100).build(), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (metadata().truncate_before(9).build(), &[9]),
        (metadata().truncate_before(10).build(), &[]),
        (metadata().truncate_before(6).max_count(7).build(), &[6, 7, 8, 9]),
        (metadata().truncate_before(6).max_count(2).build(), &[8, 9]),
        (metadata().build(), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ];
    for (metadata, visible) in table {
        let case = format!("{metadata:?}");
        set(&server, &stream, metadata).await;
        let ahead = read(&server.client, &stream).await.unwrap();
        assert_eq!(revisions(&ahead), visible, "{case}");
        let mut back = read_with(&server.client, &stream, backwards()).await.unwrap();
        back.reverse();
        assert_eq!(revisions(&back), visible, "{case}, backwards");
        let first = ReadStreamOptions::default().position(StreamPosition::Start).max_count(1);
        let first = read_with(&server.client, &stream, first).await.unwrap();
        assert_eq!(revisions(&first), visible[..visible.len().min(1)], "{case}, the first");
    }
}

#[tokio::test]
async fn a_limited_stream_forgets_as_it_grows_and_its_revisions_go_on() {
    let server = Server::start().await;
    let stream = stream("window");
    set(&server, &stream, StreamMetadataBuilder::new().max_count(2).build()).await;
    for number in 0..5 {
        let batch = events(number..number + 1);
        let written = append(&server.client, &stream, StreamState::Any, batch).await.unwrap();
        assert_eq!(written.next_expected_version, number);
        let seen = revisions(&read(&server.client, &stream).await.unwrap());
        assert_eq!(seen, (number.saturating_sub(1)..=number).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn events_grow_too_old_to_be_seen() {
    let server = Server::start().await;
    let stream = stream("aged");
    append(&server.client, &stream, StreamState::NoStream, events(0..3)).await.unwrap();
    // In seconds; the official client's builder would say it in milliseconds.
    set_json(&server, &stream, &json!({"$maxAge": 3600})).await;
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
    set_json(&server, &stream, &json!({"$maxAge": 1})).await;
    soon("the events are too old", async {
        while !read(&server.client, &stream).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(read_with(&server.client, &stream, backwards()).await.unwrap().is_empty());
    let at_end = StreamState::StreamRevision(2);
    append(&server.client, &stream, at_end, events(3..4)).await.unwrap();
    assert_eq!(revisions(&read(&server.client, &stream).await.unwrap()), [3]);
}

#[tokio::test]
async fn what_is_hidden_in_the_stream_is_in_all() {
    let server = Server::start().await;
    let stream = stream("hidden");
    append(&server.client, &stream, StreamState::NoStream, events(0..5)).await.unwrap();
    set(&server, &stream, StreamMetadataBuilder::new().max_count(1).truncate_before(4).build())
        .await;
    let filter = SubscriptionFilter::on_stream_name().add_prefix(&stream);
    let options = ReadAllOptions::default().filter(filter).max_count(100);
    let mut all = server.client.read_all(&options).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = all.next().await.unwrap() {
        found.push(event.get_original_event().revision);
    }
    assert_eq!(found, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn all_of_it_comes_back_and_only_the_last_counts() {
    let server = Server::start().await;
    let client = &server.client;
    let stream = stream("whole");
    let none = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
    assert!(none.is_not_found(), "{none:?}");
    let acl = StreamAclBuilder::new().add_read_roles("readers").add_write_roles("writers").build();
    let metadata = StreamMetadataBuilder::new()
        .max_count(7)
        .max_age(Duration::from_secs(9))
        .truncate_before(3)
        .cache_control(Duration::from_secs(11))
        .acl(Acl::Stream(acl))
        .insert_custom_property("owner", json!({"team": ["a", "ü"]}))
        .build();
    set(&server, &stream, StreamMetadataBuilder::new().max_count(1).build()).await;
    set(&server, &stream, metadata.clone()).await;
    let stored = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
    let StreamMetadataResult::Success(stored) = stored else { panic!("{stored:?}") };
    let stored = stored.metadata();
    assert_eq!(
        (stored.max_count, stored.max_age, stored.truncate_before, stored.cache_control),
        (Some(7), Some(Duration::from_secs(9)), Some(3), Some(Duration::from_secs(11)))
    );
    assert_eq!(format!("{:?}", stored.acl), format!("{:?}", metadata.acl));
    assert_eq!(stored.custom_properties["owner"], json!({"team": ["a", "ü"]}));
    let of_metadata = read(client, &format!("$${stream}")).await.unwrap();
    assert_eq!(revisions(&of_metadata), [1], "a reader sees the last only");
}

#[tokio::test]
async fn a_new_life_keeps_every_key_but_the_truncation() {
    let server = Server::start().await;
    let stream = stream("kept");
    append(&server.client, &stream, StreamState::NoStream, events(0..2)).await.unwrap();
    let mut metadata = json!({
        "$maxCount": 100, "$maxAge": 100_000, "$cacheControl": 17, "$tb": DELETED,
        "$acl": {"$r": ["readers", "$admins"], "$w": "writers", "$d": [], "$mr": [], "$mw": []},
        "owner": {"team": [1, 2.5, "ü", null]}, "": "an empty key",
    });
    set_json(&server, &stream, &metadata).await;
    assert!(read(&server.client, &stream).await.is_err(), "so it is deleted");
    append(&server.client, &stream, StreamState::NoStream, events(2..3)).await.unwrap();
    metadata["$tb"] = json!(2);
    assert_eq!(get_json(&server, &stream).await, metadata);
}

#[tokio::test]
async fn metadata_that_is_not_understood_hides_nothing() {
    let server = Server::start().await;
    let stream = stream("odd");
    append(&server.client, &stream, StreamState::NoStream, events(0..3)).await.unwrap();
    for odd in [json!([]), json!("text"), json!(7), json!({"$unknown": {"$tb": 2}})] {
        set_json(&server, &stream, &odd).await;
        assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3, "{odd}");
    }
    let name = format!("$${stream}");
    let no_json = EventData::binary("$metadata", vec![0xff, 0, 0x7b].into());
    append(&server.client, &name, StreamState::Any, vec![no_json.id(uuid::Uuid::new_v4())])
        .await
        .unwrap();
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
}

#[tokio::test]
async fn metadata_is_a_stream_with_revisions_of_its_own() {
    let server = Server::start().await;
    let stream = stream("own");
    let name = format!("$${stream}");
    let event = || EventData::json("$metadata", &json!({"$maxCount": 5})).unwrap();
    let client = &server.client;
    append(client, &name, StreamState::NoStream, vec![event()]).await.unwrap();
    let late = append(client, &name, StreamState::NoStream, vec![event()]).await;
    assert!(matches!(late, Err(eventstore::Error::WrongExpectedVersion { .. })), "{late:?}");
    let next = append(client, &name, StreamState::StreamRevision(0), vec![event()]).await.unwrap();
    assert_eq!(next.next_expected_version, 1);
}
