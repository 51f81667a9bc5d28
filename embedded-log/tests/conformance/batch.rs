//! `BatchAppend`: many appends on one call, each answered on its own.

use std::collections::HashMap;

use eventstore::{Error, StreamState};
use futures::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::proto::streams::batch_append_req::options::DeadlineOption;
use crate::proto::streams::batch_append_resp::{
    ExpectedStreamPosition, Result as Answer,
    success::{CurrentRevisionOption::CurrentRevision, PositionOption},
};
use crate::support::{Server, event, events, read, revisions, stream};
use crate::wire::{
    Expected::{At, NoStream},
    batch_chunk, batch_request, error, identifier, parse_id, proposed, text_id, with_ids,
};

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
    assert_eq!((code, &*message), (Code::AlreadyExists, "WrongExpectedVersion"));
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
}

/// A call sends five appends to one stream without waiting: of these one repeats an earlier one, one
/// repeats a part of it, and one comes late.
#[tokio::test]
async fn a_refused_append_does_not_touch_its_neighbours_and_every_answer_finds_its_append() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("mixed");
    let [a, b, c, d] = std::array::from_fn(|_| Uuid::new_v4());
    let appends: [(_, &[Uuid]); 5] = [
        (NoStream, &[a, b]),
        (NoStream, &[a, b]),
        (NoStream, &[a, c]),
        (At(0), &[c]),
        (At(1), &[d]),
    ];
    let correlations: [Uuid; 5] = std::array::from_fn(|_| Uuid::new_v4());
    let requests = appends.iter().zip(correlations).map(|((expected, ids), correlation)| {
        batch_request(correlation, &stream, *expected, with_ids(ids))
    });
    let answers = wire.batch(requests.collect()).await.unwrap();
    let mut outcomes = HashMap::new();
    for answer in answers {
        assert_eq!(answer.stream_identifier, Some(identifier(&stream)));
        let outcome = match answer.result.unwrap() {
            Answer::Success(success) => Ok(success.current_revision_option.unwrap()),
            Answer::Error(status) => Err(status.code),
        };
        outcomes.insert(parse_id(answer.correlation_id.as_ref()), outcome);
    }
    let wrong = Err(i32::from(Code::AlreadyExists));
    let wanted =
        [Ok(CurrentRevision(1)), Ok(CurrentRevision(1)), wrong, wrong, Ok(CurrentRevision(2))];
    assert_eq!(correlations.map(|correlation| outcomes[&correlation]), wanted);
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_append_in_chunks_is_one_append_and_others_may_come_between() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let (stream, between) = (stream("chunked"), stream("between"));
    let [one, other] = std::array::from_fn(|_| Uuid::new_v4());
    let fresh = |count| (0..count).map(|_| proposed(Uuid::new_v4(), 1)).collect();
    let mut first = batch_request(one, &stream, NoStream, fresh(2));
    first.is_final = false;
    let requests = vec![
        first,
        batch_request(other, &between, NoStream, fresh(1)),
        batch_chunk(one, fresh(1), false),
        batch_chunk(one, fresh(0), true),
    ];
    let answers = wire.batch(requests).await.unwrap();
    let mut last = HashMap::new();
    for answer in answers {
        let no_stream = Some(ExpectedStreamPosition::NoStream(()));
        assert_eq!(answer.expected_stream_position, no_stream, "repeated to the client");
        let Some(Answer::Success(success)) = answer.result else { panic!("{answer:?}") };
        let revision = success.current_revision_option.unwrap();
        last.insert(parse_id(answer.correlation_id.as_ref()), revision);
    }
    assert_eq!(last, HashMap::from([(one, CurrentRevision(2)), (other, CurrentRevision(0))]));
}

#[tokio::test]
async fn an_append_of_nothing_is_answered_without_a_position() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let stream = stream("nothing");
    let write = async |expected, count: u64| {
        let events = (0..count).map(|_| proposed(Uuid::new_v4(), 1)).collect();
        wire.batch_one(batch_request(Uuid::new_v4(), &stream, expected, events)).await
    };
    write(NoStream, 2).await;
    let Answer::Success(success) = write(At(1), 0).await else { panic!("refused") };
    assert_eq!(success.current_revision_option, Some(CurrentRevision(1)));
    assert_eq!(success.position_option, Some(PositionOption::NoPosition(())));
    assert_eq!(error(write(At(7), 0).await).code, i32::from(Code::AlreadyExists));
    assert_eq!(read(&server.client, &stream).await.unwrap().len(), 2);
}

#[tokio::test]
async fn ids_may_come_in_either_form_and_are_repeated_as_they_came() {
    use crate::proto::event_store::client::{Uuid as WireId, uuid::Structured, uuid::Value};
    let server = Server::start().await;
    let wire = server.wire().await;
    let id = Uuid::from_u128(0x8000_0000_0000_0001_ffff_ffff_ffff_fffe);
    let structured = Some(WireId {
        value: Some(Value::Structured(Structured {
            most_significant_bits: i64::MIN + 1,
            least_significant_bits: -2,
        })),
    });
    for (wire_id, stream) in [(structured, stream("bits")), (text_id(id), stream("text"))] {
        let mut event = proposed(id, 1);
        event.id.clone_from(&wire_id);
        let mut request = batch_request(id, &stream, NoStream, vec![event]);
        request.correlation_id.clone_from(&wire_id);
        let answers = wire.batch(vec![request]).await.unwrap();
        assert_eq!(answers[0].correlation_id, wire_id);
        assert_eq!(read(&server.client, &stream).await.unwrap()[0].get_original_event().id, id);
    }
}

#[tokio::test]
async fn past_its_deadline_an_append_is_not_made() {
    let Some(server) = Server::ours("what is too late depends on the server's pace").await else {
        return;
    };
    let wire = server.wire().await;
    let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    let no_time = prost_types::Duration { seconds: 0, nanos: 0 };
    let stream = stream("late");
    let write = async |deadline| {
        let mut request =
            batch_request(Uuid::new_v4(), &stream, NoStream, with_ids(&[Uuid::new_v4()]));
        request.options.as_mut().unwrap().deadline_option = Some(deadline);
        wire.batch_one(request).await
    };
    for deadline in [DeadlineOption::Deadline(no_time), DeadlineOption::Deadline21100(ago.into())] {
        let status = error(write(deadline).await);
        assert_eq!(status.code, i32::from(Code::DeadlineExceeded));
        assert!(status.details.unwrap().type_url.ends_with("/event_store.client.Timeout"));
    }
    assert!(matches!(read(&server.client, &stream).await, Err(Error::ResourceNotFound)));
    let absurd = prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX };
    let answer = write(DeadlineOption::Deadline(absurd)).await;
    assert!(matches!(answer, Answer::Success(_)), "written now: {answer:?}");
}
