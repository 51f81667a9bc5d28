use domain::event::Upcaster;
use domain::id::CommandId;
use domain::{Actor, Timestamp};
use serde::Serialize;

use super::*;

/// Seats were once one text, then a row and a number, then the row got a name of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum SeatEvent {
    SeatChosen(SeatChosen),
    #[serde(alias = "SeatDropped")]
    SeatGivenUp(SeatGivenUp),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SeatChosen {
    row_name: String,
    number: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SeatGivenUp {
    why: String,
}

impl Event for SeatEvent {
    const UPCASTERS: &'static [Upcaster] = &[
        Upcaster { event: "SeatChosen", from: 1, lift: split_seat },
        Upcaster { event: "SeatChosen", from: 2, lift: rename_row },
        Upcaster { event: "SeatDropped", from: 1, lift: |_| json!({ "why": "unknown" }) },
    ];
}

fn split_seat(body: Value) -> Value {
    let seat = body["seat"].as_str().unwrap_or_default();
    let (row, number) = seat.split_at(1);
    json!({ "row": row, "number": number.parse::<u32>().unwrap_or_default() })
}

fn rename_row(body: Value) -> Value {
    json!({ "row_name": body["row"], "number": body["number"] })
}

fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::from_u128(1)),
        fingerprint: Some("f".repeat(64)),
        correlation: Uuid::from_u128(2),
        causation: Uuid::from_u128(3),
        actor: Actor::Process("checkout".to_owned()),
        trace: None,
        now: Timestamp::UNIX_EPOCH,
    }
}

fn stored(event_type: &str, body: &str) -> Stored {
    Stored {
        id: Uuid::from_u128(9),
        stream: "seat-1".to_owned(),
        revision: Revision(7),
        position: Position { commit: 70, prepare: 70 },
        event_type: event_type.to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        metadata: encode_metadata(&cause(), "test").unwrap(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn read(event_type: &str, body: &str) -> Result<SeatEvent, LogError> {
    decode(stored(event_type, body)).map(|recorded| recorded.event)
}

fn chosen(row_name: &str, number: u32) -> SeatEvent {
    SeatEvent::SeatChosen(SeatChosen { row_name: row_name.to_owned(), number })
}

/// The reason why it cannot be read, after checking that the place is named.
fn unreadable(event_type: &str, body: &str) -> String {
    let error = read(event_type, body).unwrap_err();
    let LogError::Undecodable { stream, revision, position, event_type: named, reason } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(stream, "seat-1");
    assert_eq!((revision, position.commit), (Revision(7), 70));
    assert_eq!(named, event_type);
    reason
}

#[test]
fn an_event_is_written_as_its_newest_version_with_its_body_alone() {
    let metadata = encode_metadata(&cause(), "1.2.3").unwrap();
    let encoded = encode(&chosen("A", 12), Uuid::from_u128(5), metadata).unwrap();
    assert_eq!(encoded.event_type, "SeatChosen.v3");
    assert_eq!(encoded.body.get(), r#"{"row_name":"A","number":12}"#);
    assert_eq!(encoded.id, Uuid::from_u128(5));
    let metadata: Metadata = serde_json::from_slice(&encoded.metadata).unwrap();
    assert_eq!(metadata.build, "1.2.3");
    assert_eq!(metadata.command, cause().command);
    assert_eq!(metadata.fingerprint, cause().fingerprint);
}

#[test]
fn what_is_written_can_be_read() {
    let metadata = encode_metadata(&cause(), "test").unwrap();
    let encoded = encode(&chosen("B", 3), Uuid::from_u128(5), metadata).unwrap();
    assert_eq!(read(&encoded.event_type, encoded.body.get()).unwrap(), chosen("B", 3));
}

#[test]
fn every_older_version_is_lifted_to_the_newest() {
    assert_eq!(read("SeatChosen.v1", r#"{"seat":"A12"}"#).unwrap(), chosen("A", 12));
    assert_eq!(read("SeatChosen.v2", r#"{"row":"A","number":12}"#).unwrap(), chosen("A", 12));
    assert_eq!(read("SeatChosen.v3", r#"{"row_name":"A","number":12}"#).unwrap(), chosen("A", 12));
}

#[test]
fn a_renamed_event_is_read_under_its_old_name_with_its_old_lifts() {
    let given_up = SeatEvent::SeatGivenUp(SeatGivenUp { why: "unknown".to_owned() });
    assert_eq!(read("SeatDropped.v1", "{}").unwrap(), given_up);
    let body = r#"{"why":"unknown"}"#;
    assert_eq!(read("SeatDropped.v2", body).unwrap(), given_up);
    assert_eq!(read("SeatGivenUp.v1", body).unwrap(), given_up);
}

#[test]
fn what_cannot_be_read_names_its_place_and_the_reason() {
    assert!(unreadable("SeatChosen.v4", "{}").contains("only up to version 3"));
    assert!(unreadable("SeatPainted.v1", "{}").contains("SeatPainted"));
    assert!(unreadable("SeatChosen.v3", "{}").contains("row_name"));
    assert!(unreadable("SeatChosen.v3", "no JSON").contains("expected"));
    for event_type in ["SeatChosen", "SeatChosen.v0", "SeatChosen.vx", "SeatChosen.v", ""] {
        assert!(unreadable(event_type, "{}").contains("Name.vN"), "{event_type}");
    }
}

#[test]
fn broken_metadata_is_said_to_be_so() {
    let mut broken = stored("SeatChosen.v3", r#"{"row_name":"A","number":12}"#);
    broken.metadata = Bytes::from_static(b"{}");
    let error = decode::<SeatEvent>(broken).unwrap_err();
    assert!(error.to_string().contains("metadata"), "{error}");
}

#[test]
fn a_body_past_the_limit_is_refused_before_it_reaches_the_log() {
    let long = SeatEvent::SeatGivenUp(SeatGivenUp { why: "x".repeat(BODY_BYTES_MAX) });
    let error = encode(&long, Uuid::nil(), Bytes::new()).unwrap_err();
    assert!(matches!(error, LogError::Unencodable { .. }), "{error}");
}

#[test]
fn events_of_the_log_itself_and_streams_of_others_are_not_ours() {
    let mut tombstone = stored("$streamDeleted", "");
    tombstone.stream = "ticket-1".to_owned();
    assert_eq!(decode_any(tombstone).unwrap(), None);
    assert_eq!(decode_any(stored("Whatever.v1", "{}")).unwrap(), None);
}
