//! What becomes of an append: every expected revision, on a stream in every state, with new events,
//! with those that are there already, and with both.

use std::fmt::Debug;

use eventstore::Error;
use futures::StreamExt;
use prost::Message;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::proto::event_store::client as shared;
use crate::proto::streams::append_resp::{self, success, wrong_expected_version as wrong};
use crate::proto::streams::batch_append_resp;
use crate::support::{Server, read, revisions, stream};
use crate::wire::{
    Expected::{self, Any, At, Exists, NoStream},
    Wire, append_requests, batch_request, trailer, with_ids,
};

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
const C: Uuid = Uuid::from_u128(0xc);
const X: Uuid = Uuid::from_u128(0xe);
const Y: Uuid = Uuid::from_u128(0xf);

const CASES_AT_A_TIME: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    New,
    OnlyMetadata,
    /// A, B and C are there, at 0, 1 and 2.
    Existing,
    /// The same, then deleted.
    SoftDeleted,
    /// The same, then ended for ever.
    Tombstoned,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Append,
    BatchAppend,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Written; the stream's last revision is now this.
    Written(u64),
    /// Acknowledged as what was written before, up to this revision.
    Again(u64),
    /// Refused, with the stream's last revision.
    Wrong(Option<u64>),
    Deleted,
}

use Outcome::{Again, Deleted, Written, Wrong};
use State::{Existing, New, OnlyMetadata, SoftDeleted, Tombstoned};

const NONE: Outcome = Wrong(None);
const LAST: Outcome = Wrong(Some(2));
const BELOW: Expected = At(0);
const LEVEL: Expected = At(2);
const ABOVE: Expected = At(7);

/// State, expected revision, and the outcomes with: two new events; the events that follow the
/// expected revision, once more; the first of those and a new one.
const TABLE: [(State, Expected, [Outcome; 3]); 28] = [
    (New, Any, [Written(1), Written(2), Written(1)]),
    (New, NoStream, [Written(1), Written(2), Written(1)]),
    (New, Exists, [NONE, NONE, NONE]),
    (New, BELOW, [NONE, NONE, NONE]),
    (New, ABOVE, [NONE, NONE, NONE]),
    (OnlyMetadata, Any, [Written(1), Written(2), Written(1)]),
    (OnlyMetadata, NoStream, [Written(1), Written(2), Written(1)]),
    (OnlyMetadata, Exists, [Written(1), Written(2), Written(1)]),
    (OnlyMetadata, BELOW, [NONE, NONE, NONE]),
    (OnlyMetadata, ABOVE, [NONE, NONE, NONE]),
    (Existing, Any, [Written(4), Again(2), LAST]),
    (Existing, NoStream, [LAST, Again(2), LAST]),
    (Existing, Exists, [Written(4), Again(2), LAST]),
    (Existing, BELOW, [LAST, Again(2), LAST]),
    (Existing, LEVEL, [Written(4), Written(5), Written(4)]),
    (Existing, ABOVE, [LAST, LAST, LAST]),
    (SoftDeleted, Any, [Written(4), Again(2), LAST]),
    (SoftDeleted, NoStream, [Written(4), Again(2), LAST]),
    (SoftDeleted, Exists, [Deleted, Deleted, Deleted]),
    (SoftDeleted, BELOW, [LAST, Again(2), LAST]),
    (SoftDeleted, LEVEL, [Written(4), Written(5), Written(4)]),
    (SoftDeleted, ABOVE, [LAST, LAST, LAST]),
    (Tombstoned, Any, [Deleted, Deleted, Deleted]),
    (Tombstoned, NoStream, [Deleted, Deleted, Deleted]),
    (Tombstoned, Exists, [Deleted, Deleted, Deleted]),
    (Tombstoned, BELOW, [Deleted, Deleted, Deleted]),
    (Tombstoned, LEVEL, [Deleted, Deleted, Deleted]),
    (Tombstoned, ABOVE, [Deleted, Deleted, Deleted]),
];

/// The ids of a case: new ones, the same again, partly the same.
fn ids(expected: Expected) -> [&'static [Uuid]; 3] {
    match expected {
        BELOW => [&[X, Y], &[B, C], &[B, X]],
        Any | NoStream | Exists | At(_) => [&[X, Y], &[A, B, C], &[A, X]],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_append_to_every_stream_has_the_outcome_of_the_table() {
    let server = Server::start().await;
    let wire = server.wire().await;
    let cases = TABLE.into_iter().flat_map(|(state, expected, outcomes)| {
        let columns = ids(expected).into_iter().zip(outcomes);
        columns.flat_map(move |(ids, outcome)| {
            [Verb::Append, Verb::BatchAppend].map(|verb| (verb, state, expected, ids, outcome))
        })
    });
    let checks = cases.map(|(verb, state, expected, ids, wanted)| {
        let (server, wire) = (&server, &wire);
        async move {
            let case = format!("{verb:?} to {state:?}, expecting {expected:?}, of {ids:?}");
            let (stream, original) = prepare(wire, state).await;
            let (outcome, position) = write(wire, verb, &stream, expected, ids).await;
            let outcome = match outcome {
                Written(last) if position == original => Again(last),
                other => other,
            };
            assert_eq!(outcome, wanted, "{case}");
            check_what_is_left(server, &stream, state, wanted, &case).await;
        }
    });
    futures::stream::iter(checks).buffer_unordered(CASES_AT_A_TIME).collect::<()>().await;
}

/// The stream in its state, and the position of its last event.
async fn prepare(wire: &Wire, state: State) -> (String, Option<u64>) {
    let stream = stream("table");
    if state == OnlyMetadata {
        let metadata = format!("$${stream}");
        write(wire, Verb::Append, &metadata, NoStream, &[X]).await;
    }
    let mut original = None;
    if matches!(state, Existing | SoftDeleted | Tombstoned) {
        let (written, position) = write(wire, Verb::Append, &stream, NoStream, &[A, B, C]).await;
        assert_eq!(written, Written(2));
        original = position;
    }
    if state == SoftDeleted {
        wire.delete(&stream, Any).await.unwrap();
    }
    if state == Tombstoned {
        wire.tombstone(&stream, Any).await.unwrap();
    }
    (stream, original)
}

/// A refused append has changed nothing, and a repeated one has not either.
async fn check_what_is_left(
    server: &Server,
    stream: &str,
    state: State,
    outcome: Outcome,
    case: &str,
) {
    let left = read(&server.client, stream).await;
    let is_deleted = state == SoftDeleted;
    match (outcome, state) {
        (Written(last), _) => {
            let first = if is_deleted { 3 } else { 0 };
            assert_eq!(revisions(&left.unwrap()), (first..=last).collect::<Vec<_>>(), "{case}");
        }
        (Again(_) | Wrong(_), Existing) => {
            assert_eq!(revisions(&left.unwrap()), [0, 1, 2], "{case}")
        }
        (_, Tombstoned) => assert!(matches!(left, Err(Error::ResourceDeleted)), "{case}: {left:?}"),
        _ => assert!(matches!(left, Err(Error::ResourceNotFound)), "{case}: {left:?}"),
    }
}

/// The outcome, and the position told with it.
async fn write(
    wire: &Wire,
    verb: Verb,
    stream: &str,
    expected: Expected,
    ids: &[Uuid],
) -> (Outcome, Option<u64>) {
    match verb {
        Verb::Append => {
            let requests = append_requests(stream, expected, with_ids(ids));
            match wire.append(requests).await {
                Ok(append_resp::Result::Success(success)) => appended(success),
                Ok(append_resp::Result::WrongExpectedVersion(wrong)) => {
                    (refused(&wrong, expected), None)
                }
                Err(status) => (deleted(&status, stream), None),
            }
        }
        Verb::BatchAppend => {
            let request = batch_request(Uuid::new_v4(), stream, expected, with_ids(ids));
            match wire.batch_one(request).await {
                batch_append_resp::Result::Success(success) => batch_appended(success),
                batch_append_resp::Result::Error(status) => (batch_refused(status, expected), None),
            }
        }
    }
}

fn appended(success: append_resp::Success) -> (Outcome, Option<u64>) {
    use success::{CurrentRevisionOption::CurrentRevision, PositionOption::Position};
    let (Some(CurrentRevision(last)), Some(Position(position))) =
        (success.current_revision_option, success.position_option)
    else {
        panic!("{success:?}")
    };
    assert_eq!(position.commit_position, position.prepare_position);
    (Written(last), Some(position.commit_position))
}

fn batch_appended(success: batch_append_resp::Success) -> (Outcome, Option<u64>) {
    use batch_append_resp::success::{CurrentRevisionOption, PositionOption};
    let (
        Some(CurrentRevisionOption::CurrentRevision(last)),
        Some(PositionOption::Position(position)),
    ) = (success.current_revision_option, success.position_option)
    else {
        panic!("{success:?}")
    };
    assert_eq!(position.commit_position, position.prepare_position);
    (Written(last), Some(position.commit_position))
}

/// Old clients read the fields of 20.6.0, newer ones the others: both must say the same.
fn refused(told: &append_resp::WrongExpectedVersion, expected: Expected) -> Outcome {
    use wrong::{
        CurrentRevisionOption as Current, CurrentRevisionOption2060 as OldCurrent,
        ExpectedRevisionOption as Told, ExpectedRevisionOption2060 as OldTold,
    };
    let (told_expected, old_told) = match expected {
        Any => (Told::ExpectedAny(shared::Empty {}), Some(OldTold::Any2060(shared::Empty {}))),
        NoStream => (Told::ExpectedNoStream(shared::Empty {}), None),
        Exists => (
            Told::ExpectedStreamExists(shared::Empty {}),
            Some(OldTold::StreamExists2060(shared::Empty {})),
        ),
        At(revision) => {
            (Told::ExpectedRevision(revision), Some(OldTold::ExpectedRevision2060(revision)))
        }
    };
    assert_eq!(told.expected_revision_option, Some(told_expected));
    if old_told.is_some() {
        assert_eq!(told.expected_revision_option_20_6_0, old_told);
    }
    match (told.current_revision_option, told.current_revision_option_20_6_0) {
        (Some(Current::CurrentNoStream(_)), Some(OldCurrent::NoStream2060(_))) => Wrong(None),
        (Some(Current::CurrentRevision(new)), Some(OldCurrent::CurrentRevision2060(old))) => {
            assert_eq!(new, old);
            Wrong(Some(new))
        }
        other => panic!("{other:?}"),
    }
}

fn deleted(status: &Status, stream: &str) -> Outcome {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(trailer(status, "exception"), "stream-deleted");
    assert_eq!(trailer(status, "stream-name"), stream);
    Deleted
}

fn batch_refused(status: crate::proto::google::rpc::Status, expected: Expected) -> Outcome {
    use shared::wrong_expected_version::{
        CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Told,
    };
    let detail = status.details.clone().unwrap();
    let name = detail.type_url.rsplit('/').next().unwrap();
    if name == "event_store.client.StreamDeleted" {
        assert_eq!(status.code, i32::from(Code::NotFound));
        return Deleted;
    }
    assert_eq!((name, status.code), ("event_store.client.WrongExpectedVersion", 6), "{status:?}");
    assert_eq!(status.message, "WrongExpectedVersion");
    let detail = shared::WrongExpectedVersion::decode(&*detail.value).unwrap();
    let told = match expected {
        Any => Told::ExpectedAny(()),
        NoStream => Told::ExpectedNoStream(()),
        Exists => Told::ExpectedStreamExists(()),
        At(revision) => Told::ExpectedStreamPosition(revision),
    };
    assert_eq!(detail.expected_stream_position_option, Some(told));
    match detail.current_stream_revision_option {
        Some(Current::CurrentNoStream(())) => Wrong(None),
        Some(Current::CurrentStreamRevision(last)) => Wrong(Some(last)),
        None => panic!("{detail:?}"),
    }
}

/// Appends one after another, and how many events the stream then holds. `None`: the last append
/// is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_of_appends_leave_each_event_once() {
    type Step = (Expected, &'static [Uuid]);
    let sequences: [(&[Step], Option<usize>); 16] = [
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (NoStream, &[A])], Some(3)),
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (Any, &[A])], Some(3)),
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (At(0), &[B])], Some(3)),
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (At(2), &[A])], Some(4)),
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (At(3), &[A])], None),
        (&[(NoStream, &[A]), (At(0), &[B]), (At(1), &[C]), (At(0), &[A])], None),
        (&[(NoStream, &[A]), (At(0), &[A])], Some(2)),
        (&[(NoStream, &[A]), (Any, &[A])], Some(1)),
        (&[(NoStream, &[A]), (NoStream, &[A])], Some(1)),
        (&[(NoStream, &[A]), (At(0), &[B]), (Any, &[B]), (Any, &[B])], Some(2)),
        (&[(NoStream, &[A, B]), (NoStream, &[A])], Some(2)),
        (&[(NoStream, &[A, B]), (Any, &[A])], Some(2)),
        (&[(NoStream, &[A, B]), (At(0), &[B])], Some(2)),
        (&[(NoStream, &[A, B]), (Any, &[B])], Some(2)),
        (&[(NoStream, &[A, B]), (NoStream, &[A, B, C])], None),
        (&[(NoStream, &[A, B]), (Any, &[A, B, C])], None),
    ];
    let server = Server::start().await;
    let wire = server.wire().await;
    for verb in [Verb::Append, Verb::BatchAppend] {
        for (steps, wanted) in sequences {
            let stream = stream("sequence");
            let mut last = None;
            for (expected, ids) in steps {
                last = Some(write(&wire, verb, &stream, *expected, ids).await.0);
            }
            let stored = read(&server.client, &stream).await.unwrap().len();
            match wanted {
                Some(count) => assert_eq!(stored, count, "{verb:?} {steps:?}"),
                None => assert!(matches!(last, Some(Wrong(_))), "{verb:?} {steps:?}: {last:?}"),
            }
        }
    }
}
