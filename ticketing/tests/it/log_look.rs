//! `ticketing log read` and `tail`, and what they say when they cannot.

use embedded_log::testing::TestLog;
use eventstore::{AppendToStreamOptions, Client, EventData, StreamState};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::program::{Program, outcome, ticketing};

async fn append(log: &TestLog, stream: &str, event_type: &str, data: Value) {
    let client = Client::new(log.connection_string().parse().unwrap()).unwrap();
    let event = EventData::json(event_type, &data).unwrap().id(Uuid::new_v4());
    let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
    client.append_to_stream(stream, &options, event).await.unwrap();
}

/// Three orders' events, in two streams.
async fn log() -> TestLog {
    let log = TestLog::start().await;
    append(&log, "order-1", "OrderPlaced.v1", json!({ "units": 1 })).await;
    append(&log, "order-2", "OrderPlaced.v1", json!({ "units": 2 })).await;
    append(&log, "order-1", "OrderPaid.v1", json!({ "units": 3 })).await;
    log
}

/// What `ticketing log read` prints, by line.
async fn read(log: &TestLog, arguments: &str) -> Vec<Value> {
    let text = printed(log, arguments).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn printed(log: &TestLog, arguments: &str) -> String {
    let mut command = ticketing(["log", "read"]);
    command.args(arguments.split(' ')).env("KURRENTDB_URL", log.connection_string());
    let output = outcome(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn refusal(arguments: &[&str]) -> String {
    let output = outcome(ticketing(arguments.iter().copied())).await;
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}

fn units(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"]["units"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn read_prints_the_events_asked_for_one_a_line() {
    let log = log().await;
    let all = read(&log, "--all").await;
    assert_eq!(units(&all), [1, 2, 3]);
    let first = all[0].as_object().unwrap();
    let fields: Vec<_> = first.keys().map(String::as_str).collect();
    let mut expected =
        ["stream", "revision", "position", "type", "id", "created", "contentType", "data"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!((first["stream"].as_str(), first["revision"].as_u64()), (Some("order-1"), Some(0)));
    assert_eq!(first["contentType"], "application/json");

    assert_eq!(units(&read(&log, "--stream order-1").await), [1, 3]);
    assert_eq!(units(&read(&log, "--stream order-1 --from 1").await), [3]);
    assert_eq!(units(&read(&log, "--all --backwards --limit 2").await), [3, 2]);
    assert_eq!(units(&read(&log, "--all --type OrderPaid.v1").await), [3]);
    assert_eq!(units(&read(&log, "--all --type OrderP*").await), [1, 2, 3]);
    assert_eq!(units(&read(&log, "--stream order-1 --type OrderPaid.v1 --limit 1").await), [3]);
    let from = format!("--all --from {}", all[1]["position"]);
    assert_eq!(units(&read(&log, &from).await), [2, 3]);

    let pretty = printed(&log, "--stream order-2 --pretty").await;
    assert!(pretty.contains("\n  \"data\": {\n    \"units\": 2\n  }\n"), "{pretty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_comes() {
    let log = log().await;
    let mut command = ticketing(["log", "tail", "--stream", "order-2", "--from", "start"]);
    command.env("KURRENTDB_URL", log.connection_string());
    let mut tail = Program::start(command);
    tail.wait_for("\"units\":2").await;
    append(&log, "order-2", "OrderPaid.v1", json!({ "units": 4 })).await;
    let line = tail.wait_for("\"units\":4").await;
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (event["revision"].as_u64(), event["type"].as_str()),
        (Some(1), Some("OrderPaid.v1"))
    );
    tail.signal(nix::sys::signal::Signal::SIGINT);
    assert!(tail.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_in_one_line_with_what_to_do() {
    let log = log().await;
    let (url, away) = (log.connection_string(), "kurrentdb://127.0.0.1:1?tls=false");
    let missing = refusal(&["log", "read", "--stream", "order-9", "--log-url", &url]).await;
    assert!(missing.contains("order-9 cannot be read: there is no such stream"), "{missing}");
    let nobody = refusal(&["log", "read", "--all", "--log-url", away]).await;
    assert!(nobody.contains("`ticketing log serve`"), "{nobody}");
    let unreadable = refusal(&["log", "read", "--all", "--log-url", "localhost"]).await;
    assert!(unreadable.contains("--log-url"), "{unreadable}");
    for text in [&missing, &nobody, &unreadable] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("ticketing: ")).collect();
        assert_eq!(lines.len(), 1, "{text}");
    }
    for (arguments, said) in [
        (vec!["log", "read", "--log-url", &url], "--stream <STREAM>|--all"),
        (vec!["log", "read", "--all", "--stream", "a", "--log-url", &url], "cannot be used with"),
        (
            vec!["log", "read", "--all", "--from", "soon", "--log-url", &url],
            "start, end or a number",
        ),
        (vec!["log", "read", "--all"], "--log-url <URL>"),
    ] {
        let text = refusal(&arguments).await;
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}
