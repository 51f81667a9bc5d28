//! A folder with one owner at a time, and what every service keeps in it: the lock, the log of
//! the server, the port of last time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::ServiceError;

/// How much of the end of a server's log goes into an error message.
const LAST_WORDS_LINES_MAX: usize = 4;
const LAST_WORDS_BYTES_MAX: usize = 1_000;

/// The folder, ours for as long as this value lives. The lock is the kernel's, so it ends with
/// the process, however the process ends.
#[derive(Debug)]
pub(crate) struct ServiceDirectory {
    pub(crate) service: &'static str,
    path: PathBuf,
    _lock: File,
}

impl ServiceDirectory {
    /// Makes the folder if need be and becomes its owner.
    pub(crate) fn claim(path: &Path, service: &'static str) -> Result<Self, ServiceError> {
        fs::create_dir_all(path).map_err(ServiceError::io("make the folder", path))?;
        let path = fs::canonicalize(path).map_err(ServiceError::io("find the folder", path))?;
        let lock_path = path.join("owner.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(ServiceError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The number only helps the reader of the message.
                let _unreadable = lock.read_to_string(&mut pid);
                return Err(ServiceError::InUse { service, directory: path, pid });
            }
            Err(TryLockError::Error(error)) => {
                return Err(ServiceError::io("lock", &lock_path)(error));
            }
        }
        write_owner(&mut lock).map_err(ServiceError::io("write", &lock_path))?;
        Ok(Self { service, path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// An empty log for the next run; the one of the last run is kept beside it.
    pub(crate) fn fresh_log(&self) -> Result<File, ServiceError> {
        let path = self.log_path();
        // The first run has no log to keep.
        let _absent = fs::rename(&path, self.path.join("server.log.1"));
        File::create(&path).map_err(ServiceError::io("write", &path))
    }

    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The port of last time if it is still free, so that an address noted down stays right; else
    /// any free one.
    pub(crate) fn free_port(&self) -> Result<u16, ServiceError> {
        let last =
            fs::read_to_string(self.port_path()).ok().and_then(|text| text.trim().parse().ok());
        let listener = last
            .and_then(|port: u16| TcpListener::bind(("127.0.0.1", port)).ok())
            .map_or_else(|| TcpListener::bind(("127.0.0.1", 0)), Ok);
        let port = listener.and_then(|l| l.local_addr()).map(|address| address.port());
        port.map_err(ServiceError::io("find a free port for", &self.path))
    }

    pub(crate) fn remember_port(&self, port: u16) -> Result<(), ServiceError> {
        let path = self.port_path();
        fs::write(&path, port.to_string()).map_err(ServiceError::io("write", &path))
    }

    /// The server's failure, in one line, with the end of its log.
    pub(crate) fn not_started(&self, what: String) -> ServiceError {
        let last_words = last_words(&self.log());
        ServiceError::NotStarted { service: self.service, what, last_words, log: self.log_path() }
    }

    fn port_path(&self) -> PathBuf {
        self.path.join("port")
    }
}

fn write_owner(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())
}

/// The last lines of a log or of a program's output, on one line.
pub(crate) fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines[lines.len().saturating_sub(LAST_WORDS_LINES_MAX)..].join(" | ");
    if words.is_empty() {
        return "none".to_owned();
    }
    let start = words.ceil_char_boundary(words.len().saturating_sub(LAST_WORDS_BYTES_MAX));
    words[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_one_bounded_line() {
        assert_eq!(last_words(""), "none");
        assert_eq!(last_words("a\n\n b \n"), "a | b");
        assert_eq!(last_words("1\n2\n3\n4\n5"), "2 | 3 | 4 | 5");
        let long = "ä".repeat(LAST_WORDS_BYTES_MAX);
        assert!(last_words(&long).len() <= LAST_WORDS_BYTES_MAX);
    }
}
