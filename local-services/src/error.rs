use std::io;
use std::path::{Path, PathBuf};

/// Why a service is not there. Each message is one line that names the next step.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("no {service} {needed} or newer found; looked in {looked_in}{seen}; {advice}")]
    NotFound {
        service: &'static str,
        needed: &'static str,
        looked_in: &'static str,
        /// What was found but is too old, ready to be put into the sentence, or empty.
        seen: String,
        advice: &'static str,
    },

    #[error(
        "Postgres refuses to run as root, and this machine has no user `postgres` or `nobody` to \
         run it as; make one with `useradd --system postgres`, or set DATABASE_URL"
    )]
    NoUser,

    #[error(
        "user {user}, who runs Postgres for root, cannot enter {}; move the project to a folder \
         that every user may enter, or set DATABASE_URL", directory.display()
    )]
    OutOfReach { user: String, directory: PathBuf },

    #[error(
        "the database in {} was made by Postgres {made_by}, and here is only {found}; install \
         Postgres {made_by} again, or move that folder away to begin with an empty database",
        directory.display()
    )]
    OtherVersion { directory: PathBuf, made_by: String, found: String },

    #[error(
        "the database in {} belongs to another user (id {owner}); run as that user or as root, or \
         move that folder away to begin with an empty database", directory.display()
    )]
    OtherOwner { directory: PathBuf, owner: u32 },

    #[error(
        "{service}'s folder {} is in use by process {pid}; end that process, or use another \
         folder", directory.display()
    )]
    InUse { service: &'static str, directory: PathBuf, pid: String },

    #[error("{service} {what}; its last words were: {last_words} (all of them: {})", log.display())]
    NotStarted { service: &'static str, what: String, last_words: String, log: PathBuf },

    #[error("initdb made no database in {}; its last words were: {last_words}", directory.display())]
    NotMade { directory: PathBuf, last_words: String },

    #[error("the process {pid} that an earlier run left in {} does not end; end it with `kill -9 {pid}`", directory.display())]
    OrphanStays { pid: i32, directory: PathBuf },

    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl ServiceError {
    /// For `map_err`: what was being done, to what.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
