//! Installing a client once, however many tests ask for it at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// A registry that does not answer must not hold up the tests.
const STEP_PATIENCE: Duration = Duration::from_secs(120);

/// The folder of `name`, filled by `install` unless it was filled from the same `pinned` text before.
/// An error says in one line why it cannot be.
pub(crate) async fn installed(
    name: &str,
    pinned: &Path,
    install: impl AsyncFn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    fs::create_dir_all(&clients).unwrap();
    // Held to the end of the function.
    let lock = File::create(clients.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = clients.join(name);
    let made_from = folder.join("made-from");
    let pinned = fs::read(pinned).unwrap();
    // Written last, so that what a stop has left half installed is not taken for whole.
    if fs::read(&made_from).is_ok_and(|made_from| made_from == pinned) {
        return Ok(folder);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    install(&folder).await?;
    fs::write(&made_from, pinned).unwrap();
    Ok(folder)
}

/// Runs a step of an installation, in silence.
pub(crate) async fn step(command: &mut Command) -> Result<(), String> {
    let name = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(STEP_PATIENCE, command.output()).await {
        Ok(Ok(ended)) if ended.status.success() => Ok(()),
        Ok(Ok(ended)) => {
            let told = String::from_utf8_lossy(&ended.stderr);
            let last = told.lines().next_back().unwrap_or_default();
            Err(format!("{name} could not install the client ({}): {last}", ended.status))
        }
        Ok(Err(error)) => Err(format!("{name} is not there: {error}")),
        Err(_) => Err(format!("{name} did not install the client within {STEP_PATIENCE:?}")),
    }
}

/// What a program prints, without the white space around it.
pub(crate) async fn told_by(program: &str, arguments: &[&str]) -> Result<String, String> {
    let told = Command::new(program).args(arguments).output().await;
    let told = told.map_err(|error| format!("{program} is not there: {error}"))?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}
