//! What is too large, said as the protocol documents it, and the sizes that just fit.

use prost::Message;
use tonic::Code;
use uuid::Uuid;

use crate::proto::event_store::client as shared;
use crate::support::{Server, read, stream};
use crate::wire::{
    Expected::{Any, NoStream},
    Proposed, Wire, append_requests, batch_request, error, proposed, trailer,
};

const EVENT_BYTES_MAX: usize = 1024 * 1024;
const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
const NAME_BYTES_MAX: usize = 1024;
/// Of an event's bytes, those its type takes.
const TYPE_BYTES: usize = 1;

const WHY_OURS: &str = "another server has other limits";

fn of_bytes(data_bytes: usize) -> Proposed {
    proposed(Uuid::new_v4(), data_bytes)
}

async fn append(
    wire: &Wire,
    stream: &str,
    events: Vec<Proposed>,
) -> Result<(), Box<tonic::Status>> {
    wire.append(append_requests(stream, Any, events)).await.map(drop).map_err(Box::new)
}

#[tokio::test]
async fn an_event_that_is_too_large_is_named_with_the_limit() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let stream = stream("large");
    let too_large = EVENT_BYTES_MAX - TYPE_BYTES + 1;
    let event = of_bytes(too_large);
    let id = crate::wire::parse_id(event.id.as_ref());
    let status = append(&wire, &stream, vec![of_bytes(1), event]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let trailers = ["exception", "event-id", "proposed-event-size", "max-append-event-size"];
    assert_eq!(
        trailers.map(|name| trailer(&status, name).to_owned()),
        [
            "maximum-append-event-size-exceeded".to_owned(),
            id.to_string(),
            (EVENT_BYTES_MAX + 1).to_string(),
            EVENT_BYTES_MAX.to_string()
        ]
    );
    append(&wire, &stream, vec![of_bytes(too_large - 1)]).await.unwrap();
    let stored = read(&server.client, &stream).await.unwrap();
    assert_eq!(stored.len(), 1, "the small event beside the large one is not there either");
    assert_eq!(stored[0].get_original_event().data.len(), too_large - 1);
}

#[tokio::test]
async fn metadata_and_type_count_too() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let half = || vec![b'x'; EVENT_BYTES_MAX / 2];
    let event = |extra: usize| Proposed {
        custom_metadata: half().into(),
        ..of_bytes(EVENT_BYTES_MAX / 2 - TYPE_BYTES + extra)
    };
    append(&wire, &stream("both"), vec![event(0)]).await.unwrap();
    let status = append(&wire, &stream("both"), vec![event(1)]).await.unwrap_err();
    assert_eq!(trailer(&status, "exception"), "maximum-append-event-size-exceeded");
}

#[tokio::test]
async fn an_append_that_is_too_large_is_refused_with_the_limit() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let stream = stream("append");
    let events = |count: usize| (0..count).map(|_| of_bytes(1_000_000)).collect::<Vec<_>>();
    let status = append(&wire, &stream, events(5)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(trailer(&status, "exception"), "maximum-append-size-exceeded");
    assert_eq!(trailer(&status, "maximum-append-size"), APPEND_BYTES_MAX.to_string());

    let too_large = batch_request(Uuid::new_v4(), &stream, NoStream, events(5));
    let status = error(wire.batch_one(too_large).await);
    assert_eq!(status.code, i32::from(Code::InvalidArgument));
    let details = status.details.unwrap();
    assert!(details.type_url.ends_with("/event_store.client.MaximumAppendSizeExceeded"));
    let detail = shared::MaximumAppendSizeExceeded::decode(&*details.value).unwrap();
    assert_eq!(usize::try_from(detail.max_append_size).unwrap(), APPEND_BYTES_MAX);

    append(&wire, &stream, events(4)).await.unwrap();
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_large_event_within_a_batch_is_a_bad_request_and_the_call_goes_on() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let (large, small) = (stream("large"), stream("small"));
    let requests = vec![
        batch_request(Uuid::new_v4(), &large, NoStream, vec![of_bytes(EVENT_BYTES_MAX + 1)]),
        batch_request(Uuid::new_v4(), &small, NoStream, vec![of_bytes(1)]),
    ];
    assert_eq!(wire.batch(requests).await.unwrap().len(), 2);
    assert!(read(&server.client, &large).await.is_err());
    assert_eq!(read(&server.client, &small).await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_and_types_have_a_length() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let longest = format!("{:x<1$}", stream("name"), NAME_BYTES_MAX);
    append(&wire, &longest, vec![of_bytes(1)]).await.unwrap();
    assert_eq!(read(&server.client, &longest).await.unwrap().len(), 1);
    let status = append(&wire, &format!("{longest}x"), vec![of_bytes(1)]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    for (type_bytes, fits) in
        [(0, false), (1, true), (NAME_BYTES_MAX, true), (NAME_BYTES_MAX + 1, false)]
    {
        let mut event = of_bytes(1);
        event.metadata.insert("type".to_owned(), "T".repeat(type_bytes));
        let appended = append(&wire, &stream("type"), vec![event]).await;
        assert_eq!(appended.is_ok(), fits, "{type_bytes} bytes: {appended:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_far_too_large_ends_the_call_and_nothing_else() {
    let Some(server) = Server::ours(WHY_OURS).await else { return };
    let wire = server.wire().await;
    let stream = stream("huge");
    let status = append(&wire, &stream, vec![of_bytes(16 * 1024 * 1024)]).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    append(&wire, &stream, vec![of_bytes(1)]).await.unwrap();
}
