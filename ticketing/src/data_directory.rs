//! `.ticketing/`: everything `ticketing up` keeps, and who uses it now.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Raised when what lies in the directory can no longer be read by an older or newer program.
const VERSION: &str = "1";

/// The directory, ours alone as long as this lives.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// Held open: the lock on it goes with the process, however that ends.
    _lock: File,
}

/// Where the parts of a running `ticketing up` are, for `ticketing demo` and for the curious.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) http: String,
    pub(crate) log: String,
    pub(crate) database: String,
    pub(crate) nats: String,
    /// The same for those who look after the relay.
    pub(crate) nats_relay: String,
    /// The sandbox's address; none when real Stripe takes the payments.
    pub(crate) stripe_sandbox: Option<String>,
}

impl DataDirectory {
    /// Takes the directory, and makes it when it is not there.
    ///
    /// # Errors
    /// In use, of another version, or not writable: each with the next step.
    pub(crate) fn claim(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make {shown}; choose another --data"))?;
        let path = path.canonicalize().with_context(|| format!("cannot reach {shown}"))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("cannot write in {shown}; choose another --data"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "{shown} is in use by another `ticketing up`{}; end that one or choose another \
                 --data",
                running(&path).map(|other| format!(" (process {})", other.pid)).unwrap_or_default()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {shown}"));
            }
        }
        check_version(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says where everything is.
    pub(crate) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        // The database's address has its password in it.
        let beside = self.path.join("running.new");
        let mut file = private_file(&beside)?;
        file.write_all(serde_json::to_string_pretty(running)?.as_bytes())?;
        fs::rename(&beside, running_path(&self.path))?;
        Ok(())
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(running_path(&self.path));
    }
}

/// What `ticketing up` said of itself, if one runs on that directory.
pub(crate) fn running(path: &Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(running_path(path)).ok()?).ok()
}

/// A new or emptied file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn running_path(path: &Path) -> PathBuf {
    path.join("running.json")
}

fn check_version(path: &Path) -> anyhow::Result<()> {
    let file = path.join("version");
    match fs::read_to_string(&file) {
        Ok(version) if version.trim() == VERSION => Ok(()),
        Ok(version) => bail!(
            "{} was written by another version of ticketing (data version {}, this program reads \
             {VERSION}); use that version, or choose another --data",
            path.display(),
            version.trim()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fs::write(&file, VERSION)
            .with_context(|| format!("cannot write {}; choose another --data", file.display())),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirectory::claim(directory.path()).unwrap();
        let refused = DataDirectory::claim(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("in use"), "{refused}");
        drop(first);
        DataDirectory::claim(directory.path()).unwrap();
    }

    #[test]
    fn a_directory_of_another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("version"), "7").unwrap();
        let refused = DataDirectory::claim(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("data version 7"), "{refused}");
    }
}
