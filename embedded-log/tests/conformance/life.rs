//! A server's life: it stops, comes back, and does not share its directory.

use std::fs;

use embedded_log::testing::TestLog;
use embedded_log::{OpenError, Options, Server};
use eventstore::{
    Error, Position, StreamPosition, StreamState, SubscribeToAllOptions, SubscribeToStreamOptions,
};

use crate::support::{append, connect, event, event_with_id, events, number, read, soon};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let mut log = TestLog::start().await;
    let client = connect(&log.connection_string());
    let id = uuid::Uuid::new_v4();
    append(&client, "kept", StreamState::NoStream, vec![event_with_id(0, id)]).await.unwrap();
    let before = append(&client, "kept", StreamState::Any, events(1..50)).await.unwrap();
    append(&client, "deleted", StreamState::NoStream, events(0..1)).await.unwrap();
    client.delete_stream("deleted", &Default::default()).await.unwrap();
    client.tombstone_stream("ended", &Default::default()).await.unwrap();

    log.restart().await;
    let client = connect(&log.connection_string());
    let kept = read(&client, "kept").await.unwrap();
    assert_eq!(kept.iter().map(number).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    assert!(matches!(read(&client, "deleted").await, Err(Error::ResourceNotFound)));
    assert!(matches!(read(&client, "ended").await, Err(Error::ResourceDeleted)));
    for state in [StreamState::NoStream, StreamState::Any] {
        let again = append(&client, "kept", state, vec![event_with_id(0, id)]).await.unwrap();
        assert_eq!(again.next_expected_version, 0, "still known: {state:?}");
    }
    let at_end = StreamState::StreamRevision(49);
    let after = append(&client, "kept", at_end, vec![event(50)]).await.unwrap();
    assert!(after.position > before.position);
    let revived = append(&client, "deleted", StreamState::NoStream, vec![event(1)]).await.unwrap();
    assert_eq!(revived.next_expected_version, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_end_with_an_error_and_resume_after_the_restart() {
    let mut log = TestLog::start().await;
    let client = connect(&log.connection_string());
    append(&client, "s", StreamState::NoStream, events(0..3)).await.unwrap();
    let from_start = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut all = client.subscribe_to_all(&from_start).await;
    let of_stream = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut one = client.subscribe_to_stream("s", &of_stream).await;
    let mut last = Position { commit: 0, prepare: 0 };
    for expected in 0..3 {
        let event = soon("an event", all.next()).await.unwrap();
        assert_eq!(number(&event), expected);
        last = event.get_original_event().position;
        soon("an event", one.next()).await.unwrap();
    }
    soon("the stop", log.stop()).await;
    for subscription in [&mut all, &mut one] {
        let ended = soon("the end of the subscription", subscription.next()).await;
        assert!(matches!(ended, Err(Error::ServerError(_))), "{ended:?}");
    }

    log.restart().await;
    let client = connect(&log.connection_string());
    append(&client, "s", StreamState::StreamRevision(2), vec![event(3)]).await.unwrap();
    let resumed = SubscribeToAllOptions::default().position(StreamPosition::Position(last));
    let mut all = client.subscribe_to_all(&resumed).await;
    assert_eq!(number(&soon("the next event", all.next()).await.unwrap()), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_comes_back_to_a_restarted_log() {
    let mut log = TestLog::start().await;
    let client = connect(&log.connection_string());
    append(&client, "s", StreamState::NoStream, events(0..1)).await.unwrap();
    log.restart().await;
    soon("an append after the restart", async {
        while append(&client, "s", StreamState::StreamRevision(0), vec![event(1)]).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_directory_has_one_server_at_a_time() {
    let log = TestLog::start().await;
    let refused = Server::open(Options::new(log.directory()));
    let Err(error @ OpenError::InUse { .. }) = refused else { panic!("it opened twice") };
    let line = error.to_string();
    assert!(line.contains(&*log.directory().display().to_string()), "{line}");
    assert!(line.contains(&format!("process {}", std::process::id())), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[tokio::test]
async fn a_directory_of_another_format_is_left_alone() {
    let mut log = TestLog::start().await;
    log.stop().await;
    let file = log.directory().join("FORMAT");
    for text in ["embedded-log format 3\n", "something else", ""] {
        fs::write(&file, text).unwrap();
        let Err(error) = Server::open(Options::new(log.directory())) else { panic!("{text:?}") };
        assert!(matches!(error, OpenError::OtherFormat { .. }), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn a_directory_of_the_earlier_format_is_served_and_from_then_on_of_this_one() {
    let mut log = TestLog::start().await;
    log.stop().await;
    let file = log.directory().join("FORMAT");
    let current = fs::read_to_string(&file).unwrap();
    fs::write(&file, "embedded-log format 1\n").unwrap();
    drop(Server::open(Options::new(log.directory())).unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), current);
}

#[tokio::test]
async fn a_new_directory_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("deep/log");
    let _server = Server::open(Options::new(&log)).unwrap();
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_making_the_tables_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("data.new")).unwrap();
    fs::write(directory.path().join("data.new/0.jnl"), b"half").unwrap();
    assert!(Server::open(Options::new(directory.path())).is_ok());
}
