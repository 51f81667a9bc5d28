//! A Postgres data directory: where it is, who may run it, how it is made.
//!
//! In the service's directory `cluster/` holds `data/` and `password`. Where the user who runs
//! Postgres for root cannot get there (a project under `/root`), `cluster` is a link to a folder
//! in `/var/lib/ticketing`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::directory::{ServiceDirectory, last_words};
use crate::find::{Found, all_postgres};
use crate::run_as::{RunAs, make_passable};
use crate::{Durability, ServiceError};

pub(crate) const SUPERUSER: &str = "ticketing";
/// Where data goes that cannot stay in the project's folder.
const ELSEWHERE: &str = "/var/lib/ticketing";
const UNFINISHED: &str = "unfinished-";

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) data: PathBuf,
    pub(crate) password: Option<String>,
    pub(crate) program: Found,
    pub(crate) run_as: Option<RunAs>,
}

impl Cluster {
    /// Opens the data directory, or makes it if there is none. A kill at any point leaves either
    /// none or a whole one: it is made beside its place and moved there.
    pub(crate) async fn open(
        directory: &ServiceDirectory,
        durability: Durability,
    ) -> Result<Self, ServiceError> {
        let home = directory.path().join("cluster");
        let run_as = RunAs::for_data(&home.join("data"))?;
        let home = settle(directory.path(), home, run_as.as_ref())?;
        let data = home.join("data");
        let password = password(&home, run_as.as_ref(), durability)?;
        let program = if data.exists() {
            program_for(&data)?
        } else {
            let program = crate::find_postgres()?;
            sweep_unfinished(&home);
            let maker = Maker { home: &home, program: &program, run_as: run_as.as_ref() };
            maker.make(&data, durability).await?;
            program
        };
        Ok(Self { data, password, program, run_as })
    }

    /// The process that `postmaster.pid` names, and whether it says that it accepts connections.
    pub(crate) fn postmaster(&self) -> Option<(i32, bool)> {
        postmaster(&self.data)
    }
}

/// See [`Cluster::postmaster`]. The first line is the process, the eighth its state.
pub(crate) fn postmaster(data: &Path) -> Option<(i32, bool)> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    Some((pid, lines.nth(6).is_some_and(|state| state.trim() == "ready")))
}

/// The folder of `data/` and `password`, whatever lies between it and us, made if need be.
fn settle(
    directory: &Path,
    home: PathBuf,
    run_as: Option<&RunAs>,
) -> Result<PathBuf, ServiceError> {
    if !home.is_dir() {
        // A link whose target somebody removed.
        let _absent = fs::remove_file(&home);
        if run_as.is_some() {
            make_passable(directory)?;
        }
        match run_as {
            Some(user) if !user.can_enter(directory) => {
                let elsewhere = Path::new(ELSEWHERE).join(random_name());
                fs::create_dir_all(&elsewhere)
                    .map_err(ServiceError::io("make the folder", &elsewhere))?;
                symlink(&elsewhere, &home).map_err(ServiceError::io("make the link", &home))?;
                tracing::info!(
                    "user {} cannot enter {}, so the database lives in {}",
                    user.name,
                    directory.display(),
                    elsewhere.display(),
                );
            }
            Some(_) | None => {
                fs::create_dir(&home).map_err(ServiceError::io("make the folder", &home))?;
            }
        }
    }
    let home = fs::canonicalize(&home).map_err(ServiceError::io("find the folder", &home))?;
    if let Some(user) = run_as {
        make_passable(&home)?;
        if !user.can_enter(&home) {
            return Err(ServiceError::OutOfReach { user: user.name.clone(), directory: home });
        }
    }
    Ok(home)
}

/// The superuser's password, drawn once. The user who runs Postgres may read it too: `initdb` does.
fn password(
    home: &Path,
    run_as: Option<&RunAs>,
    durability: Durability,
) -> Result<Option<String>, ServiceError> {
    if durability == Durability::Throwaway {
        return Ok(None);
    }
    let path = home.join("password");
    match fs::read_to_string(&path) {
        Ok(password) => return Ok(Some(password.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !home.join("data").exists() => {}
        Err(error) => return Err(ServiceError::io("read", &path)(error)),
    }
    let password = random_name();
    let unfinished = home.join(format!("{UNFINISHED}{}", random_name()));
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(password.as_bytes())?;
        file.sync_all()
    };
    write().map_err(ServiceError::io("write", &unfinished))?;
    if let Some(user) = run_as {
        user.give(&unfinished)?;
    }
    fs::rename(&unfinished, &path).map_err(ServiceError::io("write", &path))?;
    Ok(Some(password))
}

/// The installed Postgres of the version that made the data.
fn program_for(data: &Path) -> Result<Found, ServiceError> {
    let path = data.join("PG_VERSION");
    let made_by = fs::read_to_string(&path).map_err(ServiceError::io("read", &path))?;
    let made_by = made_by.trim().to_owned();
    let all = all_postgres()?;
    let versions: Vec<String> = all.iter().map(Found::to_string).collect();
    all.into_iter().find(|found| found.version.major.to_string() == made_by).ok_or_else(|| {
        ServiceError::OtherVersion {
            directory: data.to_owned(),
            made_by,
            found: versions.join(", "),
        }
    })
}

struct Maker<'a> {
    home: &'a Path,
    program: &'a Found,
    run_as: Option<&'a RunAs>,
}

impl Maker<'_> {
    async fn make(&self, data: &Path, durability: Durability) -> Result<(), ServiceError> {
        let unfinished = self.home.join(format!("{UNFINISHED}{}", random_name()));
        fs::create_dir(&unfinished).map_err(ServiceError::io("make the folder", &unfinished))?;
        if let Some(user) = self.run_as {
            user.give(&unfinished)?;
        }
        self.initdb(&unfinished, durability).await?;
        fs::rename(&unfinished, data).map_err(ServiceError::io("write", data))?;
        let synced = File::open(self.home).and_then(|home| home.sync_all());
        synced.map_err(ServiceError::io("write", self.home))
    }

    async fn initdb(&self, data: &Path, durability: Durability) -> Result<(), ServiceError> {
        let mut command = Command::new(self.program.path.with_file_name("initdb"));
        command.arg("-D").arg(data).args([
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            &format!("--username={SUPERUSER}"),
        ]);
        match durability {
            Durability::Durable => {
                command.args(["--auth=scram-sha-256", "--pwfile"]).arg(self.home.join("password"));
            }
            Durability::Throwaway => {
                command.args(["--auth=trust", "--no-sync"]);
            }
        }
        command.current_dir("/").env("LC_ALL", "C");
        if let Some(user) = self.run_as {
            user.apply(&mut command);
        }
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true).process_group(0);
        let output = command.output().await;
        let output = output.map_err(ServiceError::io("run initdb for", data))?;
        if output.status.success() {
            return Ok(());
        }
        let words = last_words(&String::from_utf8_lossy(&output.stderr));
        Err(ServiceError::NotMade { directory: data.to_owned(), last_words: words })
    }
}

/// What a killed run left half made.
fn sweep_unfinished(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What stays is only in the way of nobody.
            let _folder = fs::remove_dir_all(entry.path());
            let _file = fs::remove_file(entry.path());
        }
    }
}

/// 128 random bits, for names and passwords.
fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}
