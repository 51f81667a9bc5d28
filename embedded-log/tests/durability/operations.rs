//! Backup, restore, verify and statistics, as an operator uses them.

use std::path::{Path, PathBuf};

use embedded_log::{Extent, OpenError, OperationError, Progress, backup, restore, stats, verify};
use eventstore::{DeleteStreamOptions, StreamMetadata, StreamPosition, TombstoneStreamOptions};

use crate::child::{Victim, after, all, append, event, numbers};

/// Runs what blocks.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call).await.unwrap()
}

async fn verified(path: &Path) -> Result<Extent, OperationError> {
    let path = path.to_owned();
    blocking(move || verify(&path, &mut |_| {})).await
}

async fn backed_up(log: &Path, file: &Path) -> Result<(Extent, Progress), OperationError> {
    let (log, file) = (log.to_owned(), file.to_owned());
    blocking(move || {
        let mut last = Progress::default();
        let extent = backup(&log, &file, &mut |progress| last = progress)?;
        Ok((extent, last))
    })
    .await
}

async fn restored(file: &Path, log: &Path) -> Result<Extent, OperationError> {
    let (file, log) = (file.to_owned(), log.to_owned());
    blocking(move || restore(&file, &log, &mut |_| {})).await
}

/// A log with every kind of stream there is.
async fn write_some(victim: &Victim) {
    let client = victim.connect();
    for stream in 0..20 {
        let stream = format!("plain-{stream}");
        append(&client, &stream, after(0), (0..10).map(event).collect()).await.unwrap();
        append(&client, &stream, after(10), vec![event(10)]).await.unwrap();
    }
    for stream in ["deleted", "revived", "ended", "capped"] {
        append(&client, stream, after(0), (0..5).map(event).collect()).await.unwrap();
    }
    let (soft, hard) = (DeleteStreamOptions::default(), TombstoneStreamOptions::default());
    client.delete_stream("deleted", &soft).await.unwrap();
    client.delete_stream("revived", &soft).await.unwrap();
    append(&client, "revived", after(5), vec![event(5)]).await.unwrap();
    client.tombstone_stream("ended", &hard).await.unwrap();
    client.tombstone_stream("never written", &hard).await.unwrap();
    let metadata = StreamMetadata { max_count: Some(2), ..Default::default() };
    client.set_stream_metadata("capped", &Default::default(), &metadata).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_served_log_in_use_is_the_log_as_it_was_at_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let [log, file] = ["log", "backup"].map(|name| directory.path().join(name));
    let mut victim = Victim::start(directory.path()).await;
    write_some(&victim).await;
    let before = all(&victim.connect(), StreamPosition::Start).await.len() as u64;
    // Somebody writes all the while.
    let client = victim.connect();
    let writing = tokio::spawn(async move {
        let mut length = 0;
        while append(&client, "busy", after(length), vec![event(length)]).await.is_ok() {
            length += 1;
        }
    });
    let (extent, progress) = backed_up(&log, &file).await.unwrap();
    assert!(extent.events >= before && progress.events == extent.events, "{extent:?}");
    assert_eq!(verified(&file).await.unwrap(), extent);
    let found = blocking({
        let log = log.clone();
        move || stats(&log)
    })
    .await
    .unwrap();
    assert!(found.served && found.events >= extent.events && found.journal_bytes > 0, "{found:?}");
    assert!(matches!(verified(&log).await, Err(OperationError::Open(OpenError::InUse { .. }))));
    victim.kill();
    writing.await.unwrap();

    let copy = directory.path().join("copy");
    assert_eq!(restored(&file, &copy.join("log")).await.unwrap(), extent);
    assert_eq!(verified(&copy.join("log")).await.unwrap(), extent);
    let copied = Victim::start(&copy).await;
    let original = Victim::start(directory.path()).await;
    let [all_there, all_here] = [&original, &copied].map(|victim| victim.connect());
    let there = all(&all_there, StreamPosition::Start).await;
    let here = all(&all_here, StreamPosition::Start).await;
    assert_eq!(here.len() as u64, extent.events);
    for (here, there) in here.iter().zip(&there) {
        let [here, there] = [here, there].map(|event| event.get_original_event());
        assert_eq!((here.position, here.revision), (there.position, there.revision));
        assert_eq!((here.id, here.created), (there.id, there.created));
        assert_eq!((here.stream_id(), &here.event_type), (there.stream_id(), &there.event_type));
        assert_eq!((&here.data, &here.custom_metadata), (&there.data, &there.custom_metadata));
    }
    for client in [&all_there, &all_here] {
        assert_eq!(numbers(client, "revived").await, [5]);
        assert_eq!(numbers(client, "capped").await, [3, 4]);
        let ended = append(client, "ended", after(5), vec![event(5)]).await;
        assert!(matches!(ended, Err(eventstore::Error::ResourceDeleted)), "{ended:?}");
    }
    // The copy goes on where the original was.
    append(&all_here, "deleted", after(5), vec![event(5)]).await.unwrap();
    assert_eq!(numbers(&all_here, "deleted").await, [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_on_a_log_nobody_serves_and_what_they_refuse() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let (log, file) = (place("log"), place("backup"));
    assert!(matches!(verified(&log).await, Err(OperationError::NoLog { .. })));
    assert!(matches!(backed_up(&log, &file).await, Err(OperationError::NoLog { .. })));
    let mut victim = Victim::start(directory.path()).await;
    write_some(&victim).await;
    victim.kill();

    let (extent, _) = backed_up(&log, &file).await.unwrap();
    assert_eq!(verified(&log).await.unwrap(), extent);
    let found = blocking({
        let log = log.clone();
        move || stats(&log)
    })
    .await
    .unwrap();
    assert!(!found.served && found.events == extent.events, "{found:?}");
    assert_eq!(found.last_position, extent.last_position);

    assert!(matches!(backed_up(&log, &file).await, Err(OperationError::Exists { .. })));
    assert!(matches!(restored(&file, &log).await, Err(OperationError::Exists { .. })));
    damaged_backups_are_refused(&file, &place("refused")).await;
    // Where a restore broke off, nothing opens, and the next restore goes through.
    assert!(matches!(verified(&place("refused")).await, Err(OperationError::Open(_))));
    assert_eq!(restored(&file, &place("refused")).await.unwrap(), extent);
}

async fn damaged_backups_are_refused(file: &Path, into: &Path) {
    let whole = std::fs::read(file).unwrap();
    let damaged: PathBuf = file.with_extension("damaged");
    for at in (0..whole.len()).step_by(whole.len() / 30) {
        let mut flipped = whole.clone();
        flipped[at] ^= 2;
        // About how many events there are is not told to be exact.
        let told_about = (22..42).contains(&at);
        for bytes in [flipped, whole[..at].to_vec()] {
            std::fs::write(&damaged, &bytes).unwrap();
            let cut = bytes.len() < whole.len();
            assert!(verified(&damaged).await.is_err() || (told_about && !cut), "byte {at}");
        }
    }
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let refused = restored(&damaged, into).await;
    assert!(matches!(refused, Err(OperationError::Damaged { .. })), "{refused:?}");
}
