use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use local_services::testing::TestNats;
use uuid::Uuid;

use super::*;

/// Each with an id that no other has, so that nothing but the fence tells them apart.
fn messages(count: usize) -> Vec<Result<Message, Halt>> {
    let message = |number: usize| {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, Uuid::new_v4().to_string());
        let subject = format!("ticketing.test.{number}");
        Ok(Message { subject, headers, body: Bytes::from_static(b"{}") })
    };
    (0..count).map(message).collect()
}

async fn whoever_does_not_know_the_end_publishes_nothing(way: Way) {
    let nats = TestNats::start().await;
    let jetstream = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config = stream::Config {
        name: "S".to_owned(),
        subjects: vec!["ticketing.>".to_owned()],
        allow_atomic_publish: way == Way::Batches,
        ..stream::Config::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let many = 2 * batch::MESSAGES_MAX.max(pipeline::MESSAGES_MAX) + 1;
    let mut end = 0;
    for count in [1, 3, many] {
        end = publish(&jetstream, way, end, messages(count).into_iter()).await.unwrap();
        for behind in [0, end - 1, end + 1] {
            for count in [1, 3, many] {
                let messages = messages(count).into_iter();
                let outcome = publish(&jetstream, way, behind, messages).await;
                assert!(matches!(outcome, Err(PublishError::Fenced)), "{outcome:?}");
            }
        }
        let stream = jetstream.get_stream("S").await.unwrap();
        assert_eq!(stream.cached_info().state.last_sequence, end);
    }
}

#[tokio::test]
async fn in_batches_whoever_does_not_know_the_end_of_the_stream_publishes_nothing() {
    whoever_does_not_know_the_end_publishes_nothing(Way::Batches).await;
}

#[tokio::test]
async fn one_by_one_whoever_does_not_know_the_end_of_the_stream_publishes_nothing() {
    whoever_does_not_know_the_end_publishes_nothing(Way::Pipelined).await;
}
