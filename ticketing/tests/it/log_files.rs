//! `ticketing log verify`, `backup`, `restore` and `stats`.

use std::path::Path;
use std::process::Output;

use embedded_log::testing::TestLog;
use eventstore::{AppendToStreamOptions, Client, EventData, StreamState};
use local_services::testing::TestFolder;
use serde_json::{Value, json};

use crate::program::{outcome, ticketing};

async fn on(verb: &str, path: &Path, directory: Option<&Path>) -> Output {
    let mut command = ticketing(["log", verb]);
    command.arg(path);
    if let Some(directory) = directory {
        command.arg("--directory").arg(directory);
    }
    outcome(command).await
}

async fn stats(directory: &Path) -> Value {
    let mut command = ticketing(["log", "stats", "--json", "--directory"]);
    command.arg(directory);
    let output = outcome(command).await;
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_log_is_backed_up_verified_and_restored() {
    let (log, folder) = (TestLog::start().await, TestFolder::new());
    let client = Client::new(log.connection_string().parse().unwrap()).unwrap();
    for number in 0..20 {
        let event = EventData::json("Counted.v1", &json!({ "number": number })).unwrap();
        let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
        client.append_to_stream(format!("count-{}", number % 4), &options, event).await.unwrap();
    }
    let running = stats(log.directory()).await;
    assert_eq!((&running["served"], &running["events"]), (&json!(true), &json!(20)));
    let busy = on("verify", log.directory(), None).await;
    assert!(!busy.status.success(), "{}", said(&busy));
    assert!(said(&busy).contains("in use"), "{}", said(&busy));

    let (file, restored) = (folder.path().join("monday.log"), folder.path().join("restored"));
    let backup = on("backup", &file, Some(log.directory())).await;
    assert!(said(&backup).contains("backed up: 20 events in 4 streams"), "{}", said(&backup));
    let again = on("backup", &file, Some(log.directory())).await;
    assert!(!again.status.success(), "a backup is not written over");
    let restore = on("restore", &file, Some(&restored)).await;
    assert!(said(&restore).contains("restored: 20 events in 4 streams"), "{}", said(&restore));
    for path in [&file, &restored] {
        let verified = on("verify", path, None).await;
        assert!(said(&verified).contains("whole: 20 events in 4 streams"), "{}", said(&verified));
    }
    let stored = stats(&restored).await;
    assert_eq!((&stored["served"], &stored["events"]), (&json!(false), &json!(20)));
    assert_eq!(stored["last_position"], running["last_position"]);

    let nothing = on("verify", &folder.path().join("nothing"), None).await;
    assert!(!nothing.status.success());
    assert!(said(&nothing).contains("nothing"), "{}", said(&nothing));
}
