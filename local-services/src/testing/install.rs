//! Programs of other languages that tests ask, from `PyPI` and npm. Each set is installed once, at
//! the versions and hashes of a file beside its test, into a folder of its own below `target/`,
//! however many tests want it at once. Where that cannot be, the error says why in one line, and the
//! test says that it is skipped.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// A registry that does not answer must not hold up the tests.
const STEP_PATIENCE: Duration = Duration::from_secs(180);
const NODE_MAJOR_MIN: u32 = 20;
/// What it takes to install anything is not in every Python.
const PYTHON_MINOR: &str =
    "import sys, venv, ensurepip; print(sys.version_info.major == 3 and sys.version_info.minor)";
const PIP_INSTALL: [&str; 11] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--require-hashes",
    "--only-binary",
    ":all:",
    "--retries",
    "0",
    "--timeout",
    "30",
];
const NPM_INSTALL: [&str; 7] = [
    "ci",
    "--silent",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=0",
    "--fetch-timeout=30000",
];

/// Installs what a `requirements.txt` with hashes names, for Python 3 of this minor version or later.
/// Gives the folder of the programs, `python` among them.
///
/// # Errors
/// In one line, why it cannot be installed here.
pub async fn install_python(
    folder: &Path,
    requirements: &Path,
    minor_min: u32,
) -> Result<PathBuf, String> {
    let install = async || {
        let minor = step(Command::new("python3").args(["-c", PYTHON_MINOR])).await?;
        if minor.parse().map_or(true, |minor: u32| minor < minor_min) {
            return Err(format!("python3 is older than 3.{minor_min}"));
        }
        step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder)).await?;
        let mut pip = Command::new(folder.join("bin/python"));
        step(pip.args(PIP_INSTALL).arg("--requirement").arg(requirements)).await
    };
    once(folder, requirements, "bin/python", install).await?;
    Ok(folder.join("bin"))
}

/// Installs what the `package-lock.json` in the folder `pinned` names, below `folder`.
///
/// # Errors
/// In one line, why it cannot be installed here.
pub async fn install_node(folder: &Path, pinned: &Path) -> Result<(), String> {
    let lock = pinned.join("package-lock.json");
    let install = async || {
        let version = step(Command::new("node").arg("--version")).await?;
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        if major.parse().map_or(true, |major: u32| major < NODE_MAJOR_MIN) {
            return Err(format!("node is {version}, not {NODE_MAJOR_MIN} or later"));
        }
        for file in ["package.json", "package-lock.json"] {
            fs::copy(pinned.join(file), folder.join(file)).map_err(unwritable(folder))?;
        }
        step(Command::new("npm").args(NPM_INSTALL).current_dir(folder)).await
    };
    once(folder, &lock, "node_modules", install).await
}

/// Fills a folder, unless it was filled from the same `pinned` text before and `filled` is in it.
async fn once(
    folder: &Path,
    pinned: &Path,
    filled: &str,
    install: impl AsyncFn() -> Result<String, String>,
) -> Result<(), String> {
    let unwritable = unwritable(folder);
    fs::create_dir_all(folder).map_err(&unwritable)?;
    // Held to the end of the function: others wait here.
    let lock = File::create(folder.with_extension("lock")).map_err(&unwritable)?;
    lock.lock().map_err(&unwritable)?;
    let made_from = folder.join("made-from");
    let pinned = fs::read(pinned).map_err(|error| format!("{}: {error}", pinned.display()))?;
    if fs::read(&made_from).is_ok_and(|made_from| made_from == pinned)
        && folder.join(filled).exists()
    {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(&unwritable)?;
    fs::create_dir_all(folder).map_err(&unwritable)?;
    install().await?;
    // Written last, so that what a stop has left half installed is not taken for whole.
    fs::write(&made_from, pinned).map_err(&unwritable)
}

fn unwritable(folder: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", folder.display())
}

/// Runs a step of an installation and gives what it prints.
async fn step(command: &mut Command) -> Result<String, String> {
    let name = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).kill_on_drop(true);
    match timeout(STEP_PATIENCE, command.output()).await {
        Ok(Ok(ended)) if ended.status.success() => {
            Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
        }
        Ok(Ok(ended)) => {
            let told = String::from_utf8_lossy(&ended.stderr);
            Err(format!("{name} failed: {}", told.lines().next_back().unwrap_or_default()))
        }
        Ok(Err(error)) => Err(format!("{name} is not there: {error}")),
        Err(_) => Err(format!("{name} took longer than {STEP_PATIENCE:?}")),
    }
}
