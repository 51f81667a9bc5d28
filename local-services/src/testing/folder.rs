use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::directory::ServiceDirectory;
use crate::postgres;

const PREFIX: &str = "ticketing-test-";
/// No test runs so long, so what is older was left by one that was killed.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(3_600);

/// A temporary folder for a service, removed with all that the service put elsewhere.
#[derive(Debug)]
pub struct TestFolder(TempDir);

impl TestFolder {
    /// Makes one, and clears what killed tests of an hour ago have left.
    ///
    /// # Panics
    /// If the system's temporary folder cannot be written.
    #[must_use]
    pub fn new() -> Self {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir();
        Self(folder.unwrap_or_else(|error| panic!("cannot make a temporary folder: {error}")))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        remove_elsewhere(self.path());
    }
}

fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if named && is_old(&entry.path()) && !is_in_use(&entry.path()) {
            remove_elsewhere(&entry.path());
            // Another test may be sweeping too.
            let _gone = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_old(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > LEFT_BEHIND_AFTER)
}

/// Services lie in the folder itself or one below it.
fn is_in_use(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let services: Vec<PathBuf> = below.chain([folder.to_owned()]).collect();
    services.iter().any(|service| {
        service.join("owner.lock").exists()
            && (ServiceDirectory::claim(service, "test").is_err() || postgres::is_running(service))
    })
}

/// Where root's tests cannot have their data in the temporary folder; see [`crate::Postgres::data`].
fn remove_elsewhere(folder: &Path) {
    let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for service in below.chain([folder.to_owned()]) {
        if let Ok(elsewhere) = fs::read_link(service.join("cluster")) {
            let _gone = fs::remove_dir_all(elsewhere);
        }
    }
}
