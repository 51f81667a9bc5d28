//! The socket in the directory of a served log, by which another process on the machine asks for a
//! backup or for statistics. Who may open the directory may use it. One question a connection.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::limits::CONTROL_CALLS_MAX;
use crate::operations::backup::Pages;
use crate::operations::{OperationError, frames, stats};
use crate::store::directory::Directory;
use crate::store::{Store, StoreError};

/// Either side gives up on the other after so long without a sign of it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Request {
    Backup,
    Stats,
}

impl Request {
    const ALL: [Self; 2] = [Self::Backup, Self::Stats];

    fn code(self) -> u8 {
        match self {
            Self::Backup => b'b',
            Self::Stats => b's',
        }
    }
}

/// Asks the process that serves `directory`; the answer is there to be read. `None` if nobody serves
/// it.
pub(crate) fn ask(
    directory: &Path,
    request: Request,
) -> Result<Option<BlockingStream>, OperationError> {
    let path = Directory::control(directory);
    let mut stream = match BlockingStream::connect(&path) {
        Ok(stream) => stream,
        // Nobody made the socket, nobody listens on it any more, or its name is too long for one.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            return Ok(None);
        }
        Err(source) => return Err(OperationError::Io { path, source }),
    };
    let asked =
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(&[request.code()]));
    asked.map_err(|source| OperationError::Io { path, source })?;
    Ok(Some(stream))
}

/// The socket, removed when dropped.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// The user who made it.
    owner: u32,
}

impl Control {
    /// Makes the socket. Without it a log is served all the same.
    pub(crate) fn bind(directory: &Path) -> Option<Self> {
        let path = Directory::control(directory);
        // Left behind by a process that was killed: we hold the lock, so nobody listens on it.
        let _ = std::fs::remove_file(&path);
        let bound = UnixListener::bind(&path).and_then(|listener| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok((listener, std::fs::metadata(&path)?.uid()))
        });
        match bound {
            Ok((listener, owner)) => Some(Self { listener, path, owner }),
            Err(error) => {
                let path = path.display();
                tracing::warn!("no backup while the log is served: {path} cannot be made: {error}");
                None
            }
        }
    }

    /// Answers until the log closes.
    pub(crate) async fn serve(self, store: Store) {
        let closing = store.closing().clone();
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                Some(_) = calls.join_next() => {}
                accepted = self.listener.accept(), if calls.len() < CONTROL_CALLS_MAX => {
                    match accepted {
                        Ok((stream, _)) if is_ours(&stream, self.owner) => {
                            calls.spawn(answer(store.clone(), stream));
                        }
                        Ok(_) => {}
                        // Out of file handles, perhaps; the next call frees one.
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether it is asked by who serves the log, or by root. The mode of the socket says the same, but
/// only from a moment after it was made.
fn is_ours(stream: &UnixStream, owner: u32) -> bool {
    const ROOT: u32 = 0;
    stream.peer_cred().is_ok_and(|peer| [ROOT, owner].contains(&peer.uid()))
}

async fn answer(store: Store, mut stream: UnixStream) {
    let answered = match read_request(&mut stream).await {
        Ok(Some(Request::Backup)) => send_backup(&store, &mut stream).await,
        Ok(Some(Request::Stats)) => send_stats(&store, &mut stream).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = answered {
        tracing::warn!("a call on the control socket broke off: {error}");
    }
}

async fn read_request(stream: &mut UnixStream) -> io::Result<Option<Request>> {
    let code = tokio::time::timeout(PATIENCE, stream.read_u8()).await??;
    Ok(Request::ALL.into_iter().find(|request| request.code() == code))
}

async fn send_backup(store: &Store, stream: &mut UnixStream) -> io::Result<()> {
    let mut pages = Pages::up_to(*store.durable().borrow());
    loop {
        let reading = store.read_tables(move |tables| {
            let page = pages.next(&tables.view(), tables.events_about())?;
            Ok((pages, page))
        });
        match reading.await {
            Ok((_, None)) => return Ok(()),
            Ok((read, Some(page))) => {
                pages = read;
                send(stream, &page).await?;
            }
            Err(error) => {
                let mut failure = Vec::new();
                frames::put_failure(&mut failure, &error.to_string())?;
                return send(stream, &failure).await;
            }
        }
    }
}

async fn send_stats(store: &Store, stream: &mut UnixStream) -> io::Result<()> {
    let reading = store.read_tables(|tables| {
        let bytes = stats::disk_bytes(&tables.directory().data());
        let (journal_bytes, table_bytes) = bytes.map_err(fjall::Error::Io)?;
        Ok(stats::Stats { journal_bytes, table_bytes, ..stats::of(tables)? })
    });
    let found: Result<stats::Stats, StoreError> = reading.await;
    let found = found.map_err(io::Error::other)?;
    let (writes_stopped, disk_full) = (store.writes_stopped(), store.disk_full());
    let found = stats::Stats { served: true, writes_stopped, disk_full, ..found };
    send(stream, &serde_json::to_vec(&found)?).await
}

async fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await?
}
