//! The store when the disk fails or lies.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

use super::directory::Directory;
use super::tables::Tables;
use super::write::{Change, Expected, Proposed, Write, WriteError};
use super::{OpenError, Store, StoreError};

fn write(stream: &str, expected: Expected) -> Write {
    let event = Proposed {
        id: Uuid::new_v4(),
        event_type: "T".to_owned(),
        json: false,
        metadata: Bytes::new(),
        data: Bytes::from_static(b"data"),
    };
    let change = Change::Append(vec![event]);
    Write { stream: stream.to_owned(), expected, change, deadline: None }
}

async fn last_revision(store: &Store, stream: &'static str) -> Option<u64> {
    let head = store.read(move |view| view.head(stream)).await.unwrap();
    head.and_then(|head| head.last_revision)
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.write(write("s", Expected::NoStream)).await.unwrap();
    let durable = *store.durable().borrow();

    store.fail_commits().store(true, Ordering::Relaxed);
    let failed = store.write(write("s", Expected::Exact(0))).await;
    assert!(matches!(failed, Err(WriteError::Stopped)), "{failed:?}");
    // The disk being well again does not help: nobody knows what it holds.
    store.fail_commits().store(false, Ordering::Relaxed);
    let refused = store.write(write("other", Expected::NoStream)).await;
    assert!(matches!(refused, Err(WriteError::Stopped)), "{refused:?}");
    assert_eq!(last_revision(&store, "s").await, Some(0), "reads go on");
    assert_eq!(*store.durable().borrow(), durable, "nobody was told of more");

    store.close().await;
    assert!(matches!(store.read(|_| Ok(())).await, Err(StoreError::Closed)));
    let store = Store::open(directory.path()).unwrap();
    store.write(write("s", Expected::Exact(0))).await.unwrap();
    assert_eq!(last_revision(&store, "s").await, Some(1));
}

#[tokio::test]
async fn what_was_taken_before_a_close_is_written_and_what_comes_after_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let mut taken = Vec::new();
    for _ in 0..50 {
        taken.push(store.enqueue(write("s", Expected::Any)).await.unwrap());
    }
    store.close().await;
    for pending in taken {
        pending.answer().await.unwrap();
    }
    let refused = store.write(write("s", Expected::Any)).await;
    assert!(matches!(refused, Err(WriteError::Stopped)), "{refused:?}");
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(last_revision(&store, "s").await, Some(49));
}

#[tokio::test]
async fn a_damaged_record_is_named_and_never_served() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let written = store.write(write("s", Expected::NoStream)).await.unwrap();
    let position = written.position.unwrap();
    store.close().await;

    let tables = Tables::open(Directory::open(directory.path()).unwrap()).unwrap();
    let mut rows = tables.rows();
    tables.put_record(&mut rows, position, 1, 0, b"not what was written".to_vec());
    rows.commit().unwrap();
    let Err(StoreError::Corrupt(corrupt)) = tables.view().event(1, 0) else { panic!("served") };
    assert_eq!(corrupt.place, format!("position {position}"));
    drop(tables);

    let Err(error @ OpenError::Corrupt { .. }) = Store::open(directory.path()) else {
        panic!("it opened")
    };
    assert!(error.to_string().contains(&format!("position {position}")), "{error}");
}

#[tokio::test]
async fn an_index_that_names_the_wrong_record_is_found_out() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let first = store.write(write("a", Expected::NoStream)).await.unwrap();
    let second = store.write(write("b", Expected::NoStream)).await.unwrap();
    store.close().await;
    let tables = Tables::open(Directory::open(directory.path()).unwrap()).unwrap();
    let record = tables.view().event(2, 0).unwrap().unwrap();
    assert_eq!(Some(record.position), second.position);
    let mut rows = tables.rows();
    tables.put_index(&mut rows, first.position.unwrap(), 2, 0);
    rows.commit().unwrap();
    assert!(matches!(tables.view().event(2, 0), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_flipped_bit_in_the_journal_never_loses_an_acknowledged_event_unnoticed() {
    let original = TempDir::new().unwrap();
    let store = Store::open(original.path()).unwrap();
    for _ in 0..3 {
        store.write(write("s", Expected::Any)).await.unwrap();
    }
    store.close().await;
    let journal = std::fs::read_dir(original.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for at in (0..used).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&journal, &damaged).unwrap();
        match Store::open(original.path()) {
            Ok(store) => {
                assert_eq!(last_revision(&store, "s").await, Some(2), "byte {at}");
                store.close().await;
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Corrupt { .. }), "byte {at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the journal holds the events");
}
