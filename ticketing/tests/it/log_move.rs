//! `ticketing log export` and `import`: one log moved to another.

use std::path::Path;
use std::process::Output;

use embedded_log::testing::TestLog;
use eventstore::{
    AppendToStreamOptions, Client, DeleteStreamOptions, EventData, ReadAllOptions,
    ReadStreamOptions, StreamPosition, StreamState, TombstoneStreamOptions,
};
use local_services::testing::TestFolder;
use uuid::Uuid;

use crate::program::{outcome, ticketing};

/// Everything about an event that a move must keep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    stream: String,
    revision: u64,
    id: Uuid,
    event_type: String,
    content_type: String,
    metadata: Vec<u8>,
    data: Vec<u8>,
}

fn client(log: &TestLog) -> Client {
    Client::new(log.connection_string().parse().unwrap()).unwrap()
}

async fn append(client: &Client, stream: &str, event: EventData) {
    let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
    client.append_to_stream(stream, &options, event.id(Uuid::new_v4())).await.unwrap();
}

fn json(number: usize) -> EventData {
    EventData::json("Counted.v1", &serde_json::json!({ "number": number, "price": 1.50 })).unwrap()
}

async fn everything(client: &Client) -> Vec<Kept> {
    let mut events = client.read_all(&ReadAllOptions::default()).await.unwrap();
    let mut kept = Vec::new();
    while let Some(resolved) = events.next().await.unwrap() {
        let event = resolved.event.unwrap();
        kept.push(Kept {
            stream: event.stream_id().to_owned(),
            revision: event.revision,
            id: event.id,
            event_type: event.event_type,
            content_type: event.metadata["content-type"].clone(),
            metadata: event.custom_metadata.to_vec(),
            data: event.data.to_vec(),
        });
    }
    kept
}

async fn export(log: &TestLog, file: &Path) -> Output {
    let mut command = ticketing(["log", "export"]);
    command.arg(file).env("KURRENTDB_URL", log.connection_string());
    outcome(command).await
}

async fn import(log: &TestLog, file: &Path) -> Output {
    let mut command = ticketing(["log", "import"]);
    command.arg(file).env("KURRENTDB_URL", log.connection_string());
    outcome(command).await
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(all).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_moves_with_its_streams_revisions_ids_types_metadata_and_data() {
    let (from, to, folder) = (TestLog::start().await, TestLog::start().await, TestFolder::new());
    let source = client(&from);
    for number in 0..250 {
        append(&source, &format!("count-{}", number % 3), json(number)).await;
    }
    let described = EventData::binary("Blob.v1", vec![0xff, 0x00, b'\n'].into());
    append(&source, "blob-ü", described.metadata(b"{\"by\": \"ann\"}".to_vec().into())).await;
    append(&source, "blob-ü", EventData::binary("Blob.v1", Vec::new().into())).await;
    let metadata = EventData::json("$metadata", &serde_json::json!({ "$maxCount": 2 })).unwrap();
    append(&source, "$$count-0", metadata).await;

    let file = folder.path().join("all.jsonl");
    let exported = export(&from, &file).await;
    assert!(exported.status.success(), "{}", said(&exported));
    assert!(said(&exported).contains("exported: 253 events"), "{}", said(&exported));
    let imported = import(&to, &file).await;
    assert!(imported.status.success(), "{}", said(&imported));
    assert!(said(&imported).contains("imported: 253 events"), "{}", said(&imported));
    let expected = everything(&source).await;
    assert_eq!(everything(&client(&to)).await, expected);

    let again = import(&to, &file).await;
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(everything(&client(&to)).await, expected, "nothing is there twice");
    let other = export(&from, &file).await;
    assert!(said(&other).contains("exists already"), "an export is not written over");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_goes_on_where_it_stopped() {
    let (from, to, folder) = (TestLog::start().await, TestLog::start().await, TestFolder::new());
    let source = client(&from);
    for number in 0..60 {
        append(&source, "count-a", json(number)).await;
        if number % 10 == 0 {
            append(&source, "count-b", json(number)).await;
        }
    }
    let file = folder.path().join("all.jsonl");
    assert!(export(&from, &file).await.status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    // Cut within a run of one stream, so that the second time an append holds old and new events.
    let cut = folder.path().join("cut.jsonl");
    std::fs::write(&cut, lines[..37].join("\n")).unwrap();
    assert!(import(&to, &cut).await.status.success());
    assert_eq!(everything(&client(&to)).await.len(), 37);

    let whole = import(&to, &file).await;
    assert!(whole.status.success(), "{}", said(&whole));
    assert_eq!(everything(&client(&to)).await, everything(&source).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_streams_stay_deleted_and_those_written_again_are_as_they_were() {
    let (from, to, folder) = (TestLog::start().await, TestLog::start().await, TestFolder::new());
    let source = client(&from);
    for stream in ["kept", "hidden", "ended", "again"] {
        append(&source, stream, json(0)).await;
        append(&source, stream, json(1)).await;
    }
    for stream in ["hidden", "again"] {
        source.delete_stream(stream, &DeleteStreamOptions::default()).await.unwrap();
    }
    source.tombstone_stream("ended", &TombstoneStreamOptions::default()).await.unwrap();
    append(&source, "again", json(2)).await;
    let metadata = EventData::json("$metadata", &serde_json::json!({ "owner": "ann" })).unwrap();
    append(&source, "$$again", metadata).await;
    append(&source, "again", json(3)).await;

    let file = folder.path().join("all.jsonl");
    assert!(export(&from, &file).await.status.success());
    for time in ["first", "second"] {
        let imported = import(&to, &file).await;
        assert!(imported.status.success(), "{time}: {}", said(&imported));
        // What the log itself writes at a deletion has ids of its own.
        let places = |events: Vec<Kept>| {
            let mut places: Vec<_> =
                events.into_iter().map(|it| (it.stream, it.revision, it.event_type)).collect();
            places.sort();
            places
        };
        let target = client(&to);
        assert_eq!(places(everything(&target).await), places(everything(&source).await), "{time}");
        for (stream, visible) in [("kept", Some(2)), ("hidden", None), ("ended", None)] {
            assert_eq!(visible_events(&target, stream).await, visible, "{time}: {stream}");
        }
        assert_eq!(
            visible_events(&target, "again").await,
            visible_events(&source, "again").await,
            "{time}"
        );
    }
}

async fn visible_events(client: &Client, stream: &str) -> Option<usize> {
    let options = ReadStreamOptions::default().position(StreamPosition::Start);
    let mut events = client.read_stream(stream, &options).await.ok()?;
    let mut count = 0;
    while events.next().await.ok()?.is_some() {
        count += 1;
    }
    Some(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_take_its_place_ends_the_import_and_is_named() {
    let (from, to, folder) = (TestLog::start().await, TestLog::start().await, TestFolder::new());
    append(&client(&from), "count-a", json(0)).await;
    append(&client(&to), "count-a", json(1)).await;
    let file = folder.path().join("all.jsonl");
    assert!(export(&from, &file).await.status.success());
    let before = everything(&client(&to)).await;
    let refused = import(&to, &file).await;
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("cannot be revision 0 of stream count-a"),
        "{}",
        said(&refused)
    );
    assert_eq!(everything(&client(&to)).await, before);

    let nonsense = folder.path().join("nonsense.jsonl");
    std::fs::write(&nonsense, "\n{\"stream\":\"a\"}\n").unwrap();
    let refused = import(&to, &nonsense).await;
    assert!(!refused.status.success());
    assert!(said(&refused).contains("line 2 is not an event"), "{}", said(&refused));
}
