//! The file that makes the sandbox survive a crash: one JSON line for each change, on disk before
//! the answer leaves.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::book::{Book, Line};

const FILE: &str = "payments.jsonl";
const LOCK: &str = "lock";
/// Changes that share one write to disk at most.
const BATCH_MAX: usize = 1024;

/// Why a sandbox cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    #[error(
        "line {line} of {} is damaged: restore the file, or remove it to begin without payments",
        .path.display()
    )]
    Damaged { path: PathBuf, line: usize },
    #[error("cannot open {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The disk failed; from then on nothing is answered, since nothing could be promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox cannot write its journal")]
pub(crate) struct Failed;

/// The way to the thread that writes; without one, changes live in memory only.
pub(crate) struct Journal {
    // Both are options so that dropping can end the thread first and wait for it then.
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// A change to write, or nothing but the wish to know that all before it is written.
struct Job {
    line: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), Failed>>,
}

/// Tells when a change is on disk.
pub(crate) struct Receipt(Option<oneshot::Receiver<Result<(), Failed>>>);

impl Receipt {
    pub(crate) async fn wait(self) -> Result<(), Failed> {
        match self.0 {
            None => Ok(()),
            Some(done) => done.await.unwrap_or(Err(Failed)),
        }
    }
}

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn none() -> Self {
        Self { jobs: None, writer: None }
    }

    /// Opens the journal in `directory` and reads what it remembers.
    pub(crate) fn open(directory: &Path, now: i64) -> Result<(Book, Self), OpenError> {
        let failed = |source| OpenError::Io { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let path = directory.join(FILE);
        let (mut book, lines) = read(&path)?;
        book.forget_expired(now);
        // Also when nothing is to be shortened the file is written anew where its end is torn.
        let kept = book.lines().count();
        if lines.torn || lines.count > kept {
            rewrite(directory, &path, &book).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
        let (jobs, waiting) = channel();
        let writer = thread::Builder::new()
            .name("stripe-sandbox-journal".to_owned())
            .spawn(move || write_all(file, &waiting, lock))
            .map_err(failed)?;
        Ok((book, Self { jobs: Some(jobs), writer: Some(writer) }))
    }

    /// Hands over a change, or with none asks to be told when all before it is on disk.
    pub(crate) fn submit(&self, line: Option<&Line>) -> Receipt {
        let Some(jobs) = &self.jobs else { return Receipt(None) };
        let (done, receipt) = oneshot::channel();
        match line.map(encode).transpose() {
            // A writer that is gone drops `done`, and the receipt tells.
            Ok(line) => drop(jobs.send(Job { line, done })),
            Err(error) => {
                tracing::error!(%error, "cannot encode a payment");
                drop(done);
            }
        }
        Receipt(Some(receipt))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

fn encode(line: &Line) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The lock goes with the file it returns, also when the process is killed.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK);
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

struct Lines {
    count: usize,
    /// Whether the last line was cut off by a crash; nobody was answered from it.
    torn: bool,
}

fn read(path: &Path) -> Result<(Book, Lines), OpenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    };
    let mut book = Book::default();
    let mut lines = Lines { count: 0, torn: false };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            tracing::warn!(path = %path.display(), "the last line was cut off and is left out");
            lines.torn = true;
            break;
        }
        lines.count += 1;
        let damaged = |_| OpenError::Damaged { path: path.to_owned(), line: lines.count };
        book.apply(serde_json::from_slice(line).map_err(damaged)?);
    }
    Ok((book, lines))
}

/// Puts the shortest journal of `book` in the place of the file: all of it, or none.
fn rewrite(directory: &Path, path: &Path, book: &Book) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = io::BufWriter::new(File::create(&draft)?);
    for line in book.lines() {
        file.write_all(&encode(&line)?)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&draft, path)?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes what comes until nobody can send any more; what waits together is written together.
fn write_all(mut file: File, waiting: &Receiver<Job>, _lock: File) {
    let mut outcome = Ok(());
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> =
            std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX)).collect();
        let bytes: Vec<u8> =
            jobs.iter().filter_map(|job| job.line.as_deref()).flatten().copied().collect();
        if outcome.is_ok()
            && !bytes.is_empty()
            && let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data())
        {
            // After a failed sync nobody knows what is on disk: only a restart reads it again.
            tracing::error!(%error, "cannot write the journal");
            outcome = Err(Failed);
        }
        for job in jobs {
            // Whoever asked may have gone; the change stays.
            let _gone = job.done.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::book::{Kept, Reply};
    use crate::intent::{Confirmation, Intent, Method, Status};

    fn intent(id: &str) -> Intent {
        Intent {
            id: id.to_owned(),
            client_secret: format!("{id}_secret"),
            idempotency_key: None,
            amount: 100,
            currency: "usd".to_owned(),
            description: None,
            metadata: Default::default(),
            created: 0,
            status: Status::RequiresPaymentMethod,
            method: None,
            charge: None,
            attempts: Vec::new(),
            last_error: None,
            decided_at: None,
            canceled_at: None,
            cancellation_reason: None,
            refunds: Vec::new(),
            disputes: Vec::new(),
        }
    }

    fn line(intent: Intent, key: &str, at: i64) -> Line {
        let kept =
            Kept { key: key.to_owned(), fingerprint: "f".to_owned(), reply: Reply::Intent, at };
        Line { kept: Some(kept), ..Line::standing(Arc::new(intent)) }
    }

    async fn write(directory: &Path, lines: &[Line]) {
        let (_, journal) = Journal::open(directory, 0).unwrap();
        for line in lines {
            journal.submit(Some(line)).wait().await.unwrap();
        }
    }

    fn paid(id: &str) -> Intent {
        let mut paid = intent(id);
        paid.confirm(Some(Method::new("visa", 0)), Confirmation::default(), 0).unwrap();
        paid
    }

    #[tokio::test]
    async fn what_was_answered_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[line(intent("pi_1"), "a", 1), line(paid("pi_1"), "b", 2)]).await;
        let (book, _journal) = Journal::open(dir.path(), 3).unwrap();
        assert_eq!(book.intent("pi_1").unwrap().status, Status::Succeeded);
        let (_, then) = book.kept("a", 3).unwrap();
        assert_eq!(then.status, Status::RequiresPaymentMethod, "as it was when it was answered");
        assert!(book.kept("c", 3).is_none());
    }

    #[tokio::test]
    async fn a_torn_last_line_is_left_out_and_the_file_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[line(intent("pi_1"), "a", 1)]).await;
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(br#"{"intent":{"id":"pi_2"#);
        fs::write(&path, bytes).unwrap();
        write(dir.path(), &[line(intent("pi_3"), "c", 1)]).await;
        let (book, _journal) = Journal::open(dir.path(), 2).unwrap();
        let ids: Vec<_> = book.intents().map(|intent| intent.id.as_str()).collect();
        assert_eq!(ids, ["pi_1", "pi_3"]);
    }

    #[tokio::test]
    async fn damage_before_the_end_is_named_and_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[line(intent("pi_1"), "a", 1), line(intent("pi_2"), "b", 1)]).await;
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("pi_1", "pi\"1", 1)).unwrap();
        assert!(matches!(Journal::open(dir.path(), 2), Err(OpenError::Damaged { line: 1, .. })));
    }

    #[tokio::test]
    async fn keys_end_after_a_day_and_the_file_shrinks_with_them() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[line(intent("pi_1"), "a", 1), line(paid("pi_1"), "b", 2)]).await;
        let day = 24 * 60 * 60;
        let (book, _journal) = Journal::open(dir.path(), day + 10).unwrap();
        assert!(book.kept("b", day + 10).is_none());
        assert_eq!(book.intent("pi_1").unwrap().status, Status::Succeeded);
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 1);
    }

    #[tokio::test]
    async fn a_directory_has_one_sandbox_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (_, first) = Journal::open(dir.path(), 0).unwrap();
        assert!(matches!(Journal::open(dir.path(), 0), Err(OpenError::InUse(_))));
        drop(first);
        assert!(Journal::open(dir.path(), 0).is_ok());
    }
}
