//! The tools of the checks, installed once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::path;

/// Prints whether this is a Python that they can run in, with what it takes to install them.
const CHECK: &str = "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))";
const NODE_MAJOR_MIN: u32 = 20;

const PIP_INSTALL: &[&str] = &[
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
    "--requirement",
];
const NPM_INSTALL: &[&str] = &[
    "ci",
    "--silent",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=0",
    "--fetch-timeout=30000",
];

/// The folder with the programs of `PyPI`.
///
/// # Errors
/// In one line, why they cannot be installed here.
pub(crate) fn python() -> Result<PathBuf, String> {
    let pinned = path("deploy/checks/requirements.txt");
    let folder = installed("deploy-python", &pinned, |folder| {
        if step(Command::new("python3").args(["-c", CHECK]))? != "True" {
            return Err("python3 is older than 3.11, or comes without venv and pip".to_owned());
        }
        step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        step(Command::new(folder.join("bin/python")).args(PIP_INSTALL).arg(&pinned))
    })?;
    Ok(folder.join("bin"))
}

/// The folder with the packages of npm.
///
/// # Errors
/// In one line, why they cannot be installed here.
pub(crate) fn node() -> Result<PathBuf, String> {
    installed("deploy-node", &path("deploy/checks/package-lock.json"), |folder| {
        let version = step(Command::new("node").arg("--version"))?;
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        if major.parse().map_or(true, |major: u32| major < NODE_MAJOR_MIN) {
            return Err(format!("node is {version}, not {NODE_MAJOR_MIN} or later"));
        }
        for file in ["package.json", "package-lock.json"] {
            fs::copy(path("deploy/checks").join(file), folder.join(file)).unwrap();
        }
        step(Command::new("npm").args(NPM_INSTALL).current_dir(folder))
    })
}

/// Asks the checks that run in Node about documents and workflows.
///
/// # Errors
/// In one line, why they cannot be asked here.
pub(crate) fn asked_of_node(question: &Value) -> Result<Vec<String>, String> {
    let folder = node()?;
    let mut asking = Command::new("node")
        .arg(path("deploy/checks/others.mjs"))
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    asking.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let answer = asking.wait_with_output().unwrap();
    assert!(answer.status.success(), "others.mjs ended with {}", answer.status);
    Ok(serde_json::from_slice(&answer.stdout).unwrap())
}

/// The folder of `name`, filled by `install` unless it was filled from the same `pinned` text before.
fn installed(
    name: &str,
    pinned: &Path,
    install: impl FnOnce(&Path) -> Result<String, String>,
) -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(parent).unwrap();
    // Held to the end of the function: other tests wait here.
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = parent.join(name);
    let made_from = folder.join("made-from");
    let pinned = fs::read(pinned).unwrap();
    if fs::read(&made_from).is_ok_and(|made_from| made_from == pinned) {
        return Ok(folder);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    install(&folder)?;
    // Written last, so that what a stop has left half installed is not taken for whole.
    fs::write(&made_from, pinned).unwrap();
    Ok(folder)
}

/// Runs a step of an installation and gives what it prints.
fn step(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().display().to_string();
    match command.stdin(Stdio::null()).output() {
        Ok(ended) if ended.status.success() => {
            Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
        }
        Ok(ended) => {
            let told = String::from_utf8_lossy(&ended.stderr);
            Err(format!("{name} failed: {}", told.lines().next_back().unwrap_or_default()))
        }
        Err(error) => Err(format!("{name} is not there: {error}")),
    }
}
