//! What a refusal says: its code, and the trailers from which clients make their own errors.

use tonic::{Code, Status};
use uuid::Uuid;

use crate::proto::streams::read_req::options::{CountOption, stream_options::RevisionOption};
use crate::proto::streams::{AppendReq, append_req, read_req};
use crate::read_requests::{of_stream, subscription};
use crate::support::{Server, stream};
use crate::wire::{
    EMPTY,
    Expected::{self, Any, At, Exists, NoStream},
    Proposed, Wire, append_event, append_options, append_requests, batch_chunk, batch_request,
    error, identifier, proposed, trailer, with_ids,
};

fn one() -> Vec<Proposed> {
    with_ids(&[Uuid::new_v4()])
}

fn told(status: &Status) -> [&str; 4] {
    ["exception", "stream-name", "expected-version", "actual-version"]
        .map(|name| trailer(status, name))
}

#[tokio::test]
async fn a_delete_or_tombstone_at_the_wrong_revision_tells_both_revisions() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let (one_event, missing) = (stream("one"), stream("missing"));
    wire.append(append_requests(&one_event, NoStream, one())).await.unwrap();
    let table: [(&str, Expected, &str, &str); 5] = [
        (&one_event, NoStream, "-1", "0"),
        (&one_event, At(8), "8", "0"),
        (&missing, At(0), "0", "-1"),
        (&missing, At(7), "7", "-1"),
        (&missing, Exists, "-4", "-1"),
    ];
    for (stream, expected, expected_text, actual_text) in table {
        let refusals = [
            wire.delete(stream, expected).await.unwrap_err(),
            wire.tombstone(stream, expected).await.unwrap_err(),
        ];
        for status in refusals {
            assert_eq!(status.code(), Code::FailedPrecondition, "{stream} {expected:?}");
            let wanted = ["wrong-expected-version", stream, expected_text, actual_text];
            assert_eq!(told(&status), wanted, "{expected:?}");
            let text = format!(
                "WrongExpectedVersion. Stream: {stream}, Expected version: {expected_text}, \
                 Actual version: {actual_text}"
            );
            assert!(status.message().ends_with(&text), "as the Python client reads it: {status:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_fit_a_trailer_is_told_percent_encoded() {
    let Some(server) = Server::ours("what another server does is not documented").await else {
        return;
    };
    let wire = server.wire().await;
    for (name, told_name) in [("größe", "gr%C3%B6%C3%9Fe"), ("a b%", "a b%"), ("a\nb", "a%0Ab")] {
        let status = wire.delete(name, At(3)).await.unwrap_err();
        assert_eq!(told(&status), ["wrong-expected-version", told_name, "3", "-1"]);
        assert!(status.message().contains(name));
    }
}

#[tokio::test]
async fn whoever_asks_for_a_tombstoned_stream_is_told_that_it_is_deleted() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("ended");
    wire.append(append_requests(&stream, NoStream, one())).await.unwrap();
    wire.tombstone(&stream, Any).await.unwrap();

    let start = || RevisionOption::Start(EMPTY);
    let metadata = format!("$${stream}");
    let refusals = [
        (&stream, wire.append(append_requests(&stream, Any, one())).await.map(drop)),
        (&metadata, wire.append(append_requests(&metadata, Any, one())).await.map(drop)),
        (&stream, wire.read(of_stream(&stream, start(), CountOption::Count(9))).await.map(drop)),
        (
            &metadata,
            wire.read(of_stream(&metadata, start(), CountOption::Count(9))).await.map(drop),
        ),
        (&stream, wire.read(of_stream(&stream, start(), subscription())).await.map(drop)),
        (&stream, wire.delete(&stream, Any).await.map(drop)),
        (&stream, wire.delete(&stream, NoStream).await.map(drop)),
        (&stream, wire.tombstone(&stream, Any).await.map(drop)),
        (&stream, wire.tombstone(&stream, At(0)).await.map(drop)),
    ];
    for (line, (stream, refusal)) in refusals.into_iter().enumerate() {
        let status = refusal.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "line {line}: {status:?}");
        assert_eq!(told(&status), ["stream-deleted", stream, "", ""], "line {line}");
    }
}

#[tokio::test]
async fn a_missing_property_is_named() {
    let server = Server::start().await;
    let wire = server.wire().await;
    for name in ["type", "content-type"] {
        let mut event = proposed(Uuid::new_v4(), 1);
        event.metadata.remove(name);
        let status = wire.append(append_requests("s", Any, vec![event])).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(trailer(&status, "exception"), "missing-required-metadata-property");
        assert_eq!(trailer(&status, "required-metadata-properties"), name);
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_invalid_arguments() {
    let Some(server) = Server::ours("nonsense may be refused in many ways").await else { return };
    let wire = server.wire().await;
    let event = || append_event(proposed(Uuid::new_v4(), 1));
    let options = || append_options("s", Any);
    let no_id = Proposed { id: None, ..proposed(Uuid::new_v4(), 1) };
    let mut not_utf8 = identifier("");
    not_utf8.stream_name = bytes::Bytes::from_static(b"\xff");
    let with_options = |stream_identifier, expected_stream_revision| AppendReq {
        content: Some(append_req::Content::Options(append_req::Options {
            stream_identifier,
            expected_stream_revision,
        })),
    };
    let any = || Some(append_req::options::ExpectedStreamRevision::Any(EMPTY));
    let nonsense = [
        vec![],
        vec![event()],
        vec![AppendReq { content: None }],
        vec![options(), options()],
        vec![options(), append_event(no_id)],
        vec![with_options(Some(not_utf8), any())],
        vec![with_options(None, any())],
        vec![with_options(Some(identifier("s")), None)],
    ];
    for (line, requests) in nonsense.into_iter().enumerate() {
        let status = wire.append(requests).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "line {line}");
    }
    let mut backwards = of_stream("s", RevisionOption::End(EMPTY), subscription());
    backwards.set_read_direction(read_req::options::ReadDirection::Backwards);
    for options in [read_req::Options::default(), backwards] {
        let status = wire.read(options).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn nonsense_within_a_batch_is_a_bad_request_or_the_end_of_the_call() {
    let Some(server) = Server::ours("nonsense may be refused in many ways").await else { return };
    let wire = server.wire().await;
    let bad_name = batch_request(Uuid::new_v4(), "$$$x", Any, one());
    let bad_event = Proposed { id: None, ..proposed(Uuid::new_v4(), 1) };
    let bad_event = batch_request(Uuid::new_v4(), "s", Any, vec![bad_event]);
    let mut no_revision = batch_request(Uuid::new_v4(), "s", Any, one());
    no_revision.options.as_mut().unwrap().expected_stream_position = None;
    for (line, request) in [bad_name, bad_event, no_revision].into_iter().enumerate() {
        let status = error(wire.batch_one(request).await);
        assert_eq!(status.code, i32::from(Code::InvalidArgument), "line {line}");
        let detail = status.details.unwrap().type_url;
        assert!(detail.ends_with("/event_store.client.BadRequest"), "line {line}: {detail}");
    }
    let no_options = batch_chunk(Uuid::new_v4(), one(), true);
    let status = wire.batch(vec![no_options]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    still_serves(&wire).await;
}

async fn still_serves(wire: &Wire) {
    wire.append(append_requests(&stream("fine"), NoStream, one())).await.unwrap();
}
