//! The figures a served log tells are those its page names: all of them, and no others.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]

use std::collections::BTreeSet;
use std::time::Duration;

use embedded_log::testing::{PASSWORD, TestLog};
use eventstore::{
    AppendToStreamOptions, Client, EventData, StreamPosition, StreamState, SubscribeToStreamOptions,
};
use metrics_exporter_prometheus::PrometheusBuilder;

const PATIENCE: Duration = Duration::from_secs(30);

fn connect(connection_string: &str) -> Client {
    Client::new(connection_string.parse().unwrap()).unwrap()
}

/// What begins with `log_` in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("log_")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_told_and_documented() {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let log = TestLog::start_guarded().await;
    let client = connect(&log.connection_string());
    let append = async |client: &Client, state| {
        let options = AppendToStreamOptions::default().stream_state(state);
        let event = EventData::binary("Counted.v1", "data".into());
        client.append_to_stream("s", &options, event).await
    };
    append(&client, StreamState::NoStream).await.unwrap();
    append(&client, StreamState::StreamRevision(9)).await.unwrap_err();
    let stranger = connect(&log.connection_string().replace(PASSWORD, "wrong"));
    append(&stranger, StreamState::Any).await.unwrap_err();
    let from = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut subscription = client.subscribe_to_stream("s", &from).await;
    let first = tokio::time::timeout(PATIENCE, subscription.next());
    first.await.unwrap().unwrap();

    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let told = recorder.render();
            if told.contains("log_subscribers 1") {
                break told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let told = told.await.unwrap();
    for line in [
        "log_writes_total{outcome=\"written\"} 1",
        "log_writes_total{outcome=\"refused\"} 1",
        "log_events_total 1",
        "log_calls_unauthenticated_total 1",
        "log_writes_stopped 0",
        "log_commit_events_count 1",
        "log_commit_seconds_count 1",
        "log_sync_seconds_count 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in:\n{told}");
    }
    let types = told.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told =
        types.map(|line| line.split(' ').next().unwrap()).filter(|it| it.starts_with("log_"));
    let page = include_str!("../README.md").split("## Metrics").nth(1).unwrap();
    let page = page.split("\n## ").next().unwrap();
    assert_eq!(told.collect::<BTreeSet<_>>(), names(page), "as told, and as the page has it");
}
