//! Postgres refuses root, so root runs it as another user of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User, geteuid};

use crate::ServiceError;

const CANDIDATES: [&str; 2] = ["postgres", "nobody"];
/// May be passed through by everybody, listed by nobody but its owner.
const PASSABLE: u32 = 0o011;

/// The user whom root becomes for a child process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunAs {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl RunAs {
    /// None for everybody but root. Data that is there already is served by its owner.
    pub(crate) fn for_data(data: &Path) -> Result<Option<Self>, ServiceError> {
        let owner = fs::metadata(data).ok().map(|metadata| metadata.uid());
        if !geteuid().is_root() {
            return match owner {
                Some(owner) if owner != geteuid().as_raw() => {
                    Err(ServiceError::OtherOwner { directory: data.to_owned(), owner })
                }
                Some(_) | None => Ok(None),
            };
        }
        let by_name = || CANDIDATES.iter().find_map(|name| User::from_name(name).ok().flatten());
        let owner = owner.filter(|uid| *uid != 0).map(Uid::from_raw);
        let user = match owner {
            Some(uid) => User::from_uid(uid).ok().flatten(),
            None => by_name(),
        };
        let user = user.ok_or(ServiceError::NoUser)?;
        Ok(Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// The child starts as this user, without root's other groups.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(crate) fn give(&self, path: &Path) -> Result<(), ServiceError> {
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(ServiceError::io("change the owner of", path))
    }

    /// Asks the kernel, by trying: the rights of every folder above count too.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cd \"$1\" 2>/dev/null", "sh"]).arg(folder).current_dir("/");
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}

/// Lets every user pass through the folder to what lies in it.
pub(crate) fn make_passable(folder: &Path) -> Result<(), ServiceError> {
    let failed = |e| ServiceError::io("change the rights of", folder)(e);
    let mut rights = fs::metadata(folder).map_err(failed)?.permissions();
    rights.set_mode(rights.mode() | PASSABLE);
    fs::set_permissions(folder, rights).map_err(failed)
}
