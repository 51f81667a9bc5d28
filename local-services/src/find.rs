//! Where the programs may be, and which of them are new enough.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ServiceError;

const POSTGRES_OLDEST: Version = Version { major: 15, minor: 0 };
/// Atomic batches came with NATS 2.12.
const NATS_OLDEST: Version = Version { major: 2, minor: 12 };

/// Folders that hold one folder per version of Postgres: where, what its name begins with, and
/// where in it the programs are.
const POSTGRES_FOLDERS: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];
const HOMEBREW_FOLDERS: [&str; 2] = ["/opt/homebrew/bin", "/usr/local/bin"];

/// A server's program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub version: Version,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.version, self.path.display())
    }
}

/// The first two numbers of a version; no decision of ours needs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// The first word of a `--version` line that begins with a number, with or without a `v`.
    fn parse(line: &str) -> Option<Self> {
        line.split_whitespace().find_map(|word| {
            let mut numbers = word
                .trim_start_matches('v')
                .split(|c: char| !c.is_ascii_digit())
                .map(str::parse::<u32>);
            let major = numbers.next()?.ok()?;
            let minor = numbers.next().and_then(Result::ok).unwrap_or(0);
            Some(Self { major, minor })
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The `postgres` program to use for a new database: 15 or newer, with its `initdb` beside it.
/// The `PATH` goes first, then the newest of the usual folders.
///
/// # Errors
/// [`ServiceError::NotFound`], with how to install it.
pub fn find_postgres() -> Result<Found, ServiceError> {
    let all = all_postgres()?;
    all.into_iter().next().ok_or_else(|| postgres_not_found(&[]))
}

/// Every usable Postgres of this machine, the preferred one first; never empty.
pub(crate) fn all_postgres() -> Result<Vec<Found>, ServiceError> {
    let mut beside_path: Vec<Found> =
        postgres_folders().iter().filter_map(|f| postgres_in(f)).collect();
    beside_path.sort_by_key(|found| std::cmp::Reverse(found.version));
    let mut all: Vec<Found> = path_folders().iter().filter_map(|f| postgres_in(f)).collect();
    for found in beside_path {
        if !all.contains(&found) {
            all.push(found);
        }
    }
    let (usable, too_old): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|found| found.version >= POSTGRES_OLDEST);
    if usable.is_empty() { Err(postgres_not_found(&too_old)) } else { Ok(usable) }
}

/// The `nats-server` program: 2.12 or newer, from the `PATH`, from `.tools/bin` of the current
/// folder, of this program's folder or of any folder above them, or from Homebrew.
///
/// # Errors
/// [`ServiceError::NotFound`], with how to install it.
pub fn find_nats() -> Result<Found, ServiceError> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let tools = starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(".tools/bin"));
    let mut too_old = Vec::new();
    for folder in path_folders().into_iter().chain(tools).chain(HOMEBREW_FOLDERS.map(PathBuf::from))
    {
        match version_of(&folder.join("nats-server")) {
            Some(found) if found.version >= NATS_OLDEST => return Ok(found),
            Some(found) if !too_old.contains(&found) => too_old.push(found),
            Some(_) | None => {}
        }
    }
    Err(ServiceError::NotFound {
        service: "NATS server",
        needed: "2.12",
        looked_in: "PATH, .tools/bin and Homebrew's folders",
        seen: seen(&too_old),
        advice: "install it with `bin/setup` (into .tools/) or `brew install nats-server` \
                 (macOS), or set NATS_URL",
    })
}

/// The program of that name on the `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    path_folders().into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn postgres_not_found(too_old: &[Found]) -> ServiceError {
    ServiceError::NotFound {
        service: "Postgres",
        needed: "15",
        looked_in: "PATH, `pg_config --bindir`, /usr/lib/postgresql and Homebrew's folders",
        seen: seen(too_old),
        advice: "install it with `sudo apt-get install postgresql` (Debian, Ubuntu) or `brew \
                 install postgresql@17` (macOS), or set DATABASE_URL",
    }
}

fn seen(too_old: &[Found]) -> String {
    if too_old.is_empty() {
        return String::new();
    }
    let list: Vec<String> = too_old.iter().map(Found::to_string).collect();
    format!(" (too old: {})", list.join(", "))
}

fn path_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = HOMEBREW_FOLDERS.map(PathBuf::from).to_vec();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    for (parent, prefix, bin) in POSTGRES_FOLDERS {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        let wanted = versions.filter(|v| v.file_name().to_string_lossy().starts_with(prefix));
        folders.extend(wanted.map(|version| version.path().join(bin)));
    }
    folders
}

/// The Postgres of a folder, if `initdb` is beside it. A link on the `PATH` is followed to the
/// folder where the two are together.
fn postgres_in(folder: &Path) -> Option<Found> {
    let path = fs::canonicalize(folder.join("postgres")).ok()?;
    if path.with_file_name("initdb").is_file() { version_of(&path) } else { None }
}

/// What the program says of itself; none if it is not there or does not run.
fn version_of(path: &Path) -> Option<Found> {
    if !path.is_file() {
        return None;
    }
    let output = Command::new(path).arg("--version").output().ok()?;
    let version = Version::parse(&String::from_utf8_lossy(&output.stdout))?;
    Some(Found { path: path.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn reads_the_versions_that_servers_print() {
        let parsed = |line| Version::parse(line).map(|v| (v.major, v.minor));
        assert_eq!(parsed("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert_eq!(parsed("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(parsed("postgres (PostgreSQL) 17devel"), Some((17, 0)));
        assert_eq!(parsed("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(parsed("nats-server: v2.12.0-RC.1"), Some((2, 12)));
        assert_eq!(parsed("command not found"), None);
    }
}
