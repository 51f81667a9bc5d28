//! The store when the disk fails or lies.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

use super::directory::Directory;
use super::tables::Tables;
use super::write::{Change, Expected, Proposed, Write, WriteError};
use super::{OpenError, Store, StoreError};
use crate::operations::{OperationError, verify};

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

fn incompressible(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

async fn last_revision(store: &Store, stream: &'static str) -> Option<u64> {
    let head = store.read(move |view| view.head(stream)).await.unwrap();
    head.end.last_revision
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
async fn a_close_leaves_the_next_start_nothing_to_read_again_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let mut expected = Expected::NoStream;
    for round in 1..=3 {
        let store = Store::open(directory.path()).unwrap();
        for revision in (round - 1) * 4..round * 4 {
            let mut large = write("s", expected);
            let Change::Append(events) = &mut large.change else { panic!("an append") };
            events[0].data = incompressible(512 * 1024).into();
            store.write(large).await.unwrap();
            expected = Expected::Exact(revision);
        }
        store.close().await;
        let locked = Directory::open(directory.path()).unwrap();
        let left = super::journal::bytes_on_disk(&locked).unwrap();
        assert_eq!(left, 0, "round {round}");
    }
    let verified = verify(directory.path(), &mut |_| {}).unwrap();
    assert_eq!(verified.events, 12);
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
    drop(tables);
    // The next append to the stream would overwrite what it does not find.
    let refused = Store::open(directory.path()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains(&format!("position {}", record.position)), "{refused}");
}

/// A log whose events lie in one journal, to be damaged.
struct Journal {
    log: TempDir,
    path: PathBuf,
    /// The journal without the zeros at its end, after each write.
    after: Vec<Vec<u8>>,
    /// `REACHED`, likewise.
    reached: Vec<Vec<u8>>,
}

impl Journal {
    async fn of_writes(count: usize) -> Self {
        // Hundreds of openings follow, each with several syncs.
        let memory = Path::new("/dev/shm");
        let log = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let (mut after, mut reached) = (Vec::new(), Vec::new());
        let mut path = PathBuf::new();
        for _ in 0..count {
            let store = Store::open(log.path()).unwrap();
            store.write(write("s", Expected::Any)).await.unwrap();
            store.close().await;
            path = log.path().join("data").join("0.jnl");
            let bytes = std::fs::read(&path).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            after.push(bytes[..used].to_vec());
            reached.push(std::fs::read(log.path().join("REACHED")).unwrap());
        }
        Self { log, path, after, reached }
    }

    /// The last revision of the log with that journal, after `acknowledged` writes.
    async fn opened(&self, journal: &[u8], acknowledged: usize) -> Result<Option<u64>, OpenError> {
        std::fs::write(&self.path, journal).unwrap();
        std::fs::write(self.log.path().join("REACHED"), &self.reached[acknowledged - 1]).unwrap();
        let opened = Store::open(self.log.path());
        if opened.as_ref().is_err_and(|error| error.to_string().contains("cannot be read")) {
            assert_eq!(
                std::fs::read(&self.path).unwrap(),
                journal,
                "what is damaged stays as it is"
            );
        }
        let store = opened?;
        let last = last_revision(&store, "s").await;
        let next = last.map_or(Expected::NoStream, Expected::Exact);
        store.write(write("s", next)).await.unwrap();
        store.close().await;
        Ok(last)
    }
}

#[tokio::test]
async fn a_journal_torn_anywhere_behind_what_was_acknowledged_opens_with_all_of_that() {
    let journal = Journal::of_writes(5).await;
    let whole = &journal.after[4];
    for at in (journal.after[2].len()..whole.len()).step_by(2) {
        let last = journal.opened(&whole[..at], 3).await.unwrap();
        assert_eq!(last, Some(if at >= journal.after[3].len() { 3 } else { 2 }), "cut at {at}");
    }
    for at in (0..journal.after[2].len()).step_by(7) {
        let refused = journal.opened(&whole[..at], 3).await;
        assert!(matches!(refused, Err(OpenError::Corrupt { .. })), "cut at {at}: {refused:?}");
    }
}

#[tokio::test]
async fn a_last_commit_torn_within_is_cut_off_and_garbage_behind_it_too() {
    let journal = Journal::of_writes(4).await;
    let (start, whole) = (journal.after[2].len(), &journal.after[3]);
    for at in (start..whole.len()).step_by(3) {
        let mut torn = whole.clone();
        torn[at] ^= 0x5a;
        let last = journal.opened(&torn, 3).await.unwrap();
        assert!(last == Some(2) || last == Some(3), "byte {at}: {last:?}");
        // A page that never got to the disk.
        let mut torn = whole.clone();
        torn[start..at].fill(0);
        torn[at] ^= 0x5a;
        assert_eq!(journal.opened(&torn, 3).await.unwrap(), Some(2), "zeros up to {at}");
    }
    for garbage in [&[0xff; 300][..], &[1; 300], &[0, 0, 0, 7], &whole[..40], &[2; 4096]] {
        let torn = [whole, garbage].concat();
        assert_eq!(journal.opened(&torn, 4).await.unwrap(), Some(3), "{garbage:?}");
    }
}

#[tokio::test]
async fn a_flipped_bit_before_what_was_acknowledged_is_refused_and_nothing_is_touched() {
    let journal = Journal::of_writes(4).await;
    let whole = &journal.after[3];
    let mut refused = 0;
    for at in (0..whole.len()).step_by(2) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        match journal.opened(&damaged, 4).await {
            // Some bits say nothing, those of the engine's sequence number for instance.
            Ok(last) => assert_eq!(last, Some(3), "byte {at}"),
            Err(error) => {
                assert!(error.to_string().contains("journal 0.jnl, byte "), "byte {at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused * 2 * 10 > whole.len() * 9, "{refused} of {}", whole.len());
}

#[tokio::test]
async fn a_flipped_bit_in_a_table_is_found_by_verify_and_never_served() {
    let log = TempDir::new().unwrap();
    let store = Store::open(log.path()).unwrap();
    for _ in 0..20 {
        store.write(write("s", Expected::Any)).await.unwrap();
    }
    store.close().await;
    let tables = Tables::open(Directory::open(log.path()).unwrap()).unwrap();
    tables.flush().unwrap();
    drop(tables);
    assert_eq!(verify(log.path(), &mut |_| {}).unwrap().events, 20);

    let (mut found, mut refused) = (0, 0);
    for table in tables_below(&log.path().join("data/keyspaces/1")) {
        let bytes = std::fs::read(&table).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 100 + 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            std::fs::write(&table, damaged).unwrap();
            match verify(log.path(), &mut |_| {}) {
                Ok(extent) => assert_eq!(extent.events, 20, "byte {at} says nothing"),
                Err(OperationError::Damaged { place, .. }) => {
                    assert!(names_a_place(&place), "byte {at}: {place}");
                    found += 1;
                }
                Err(OperationError::Open(_)) => found += 1,
                Err(error) => panic!("byte {at}: {error}"),
            }
            if let Ok(store) = Store::open(log.path()) {
                refused += u32::from(reads_or_names_the_damage(&store).await);
                store.close().await;
            }
        }
        std::fs::write(&table, bytes).unwrap();
    }
    assert!(found > 0 && refused > 0, "{found} by verify, {refused} by a reader");
}

fn names_a_place(text: &str) -> bool {
    ["position ", "revision ", "stream ", "the start"].iter().any(|place| text.contains(place))
}

/// Reads by the protocol: only what was written comes, and damage is `DATA_LOSS` with its place.
/// Whether there was damage.
async fn reads_or_names_the_damage(store: &Store) -> bool {
    use crate::proto::streams::read_req::options::{
        CountOption, StreamOption, StreamOptions, stream_options::RevisionOption,
    };
    use crate::proto::streams::read_resp::Content;
    use crate::proto::streams::streams_server::Streams;
    use crate::proto::streams::{ReadReq, read_req};
    use futures::StreamExt;
    let stream_identifier =
        Some(crate::proto::StreamIdentifier { stream_name: Bytes::from_static(b"s") });
    let revision_option = Some(RevisionOption::Start(crate::proto::Empty {}));
    let stream = StreamOptions { stream_identifier, revision_option };
    let options = read_req::Options {
        stream_option: Some(StreamOption::Stream(stream)),
        count_option: Some(CountOption::Count(100)),
        ..Default::default()
    };
    let request = tonic::Request::new(ReadReq { options: Some(options) });
    let service = crate::rpc::StreamsService { store: store.clone() };
    let mut failed = None;
    match service.read(request).await {
        Err(status) => failed = Some(status),
        Ok(answers) => {
            let mut answers = answers.into_inner();
            while let Some(answer) = answers.next().await {
                match answer.map(|answer| answer.content) {
                    Ok(Some(Content::Event(event))) => {
                        assert_eq!(&*event.event.unwrap().data, b"data");
                    }
                    Ok(_) => {}
                    Err(status) => failed = Some(status),
                }
            }
        }
    }
    let Some(status) = failed else { return false };
    assert_eq!(status.code(), tonic::Code::DataLoss, "{status:?}");
    assert!(names_a_place(status.message()), "{status:?}");
    true
}

fn tables_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("tables")) {
                found.push(path);
            }
        }
    }
    found
}
