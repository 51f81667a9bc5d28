//! Clients of other languages, each installed once, at the versions and hashes that lie beside its
//! example, into a folder of its own under `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

const NODE_MAJOR_MIN: u32 = 20;
/// A registry that does not answer must not hold up the tests.
const STEP_PATIENCE: Duration = Duration::from_secs(120);
const CHECK_PYTHON: &str = "import sys, venv, ensurepip; print(sys.version_info >= (3, 9))";

/// A folder with the example and its client.
pub(crate) async fn node() -> Result<PathBuf, String> {
    let version = step(Command::new("node").arg("--version")).await?;
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse().is_ok_and(|major: u32| major < NODE_MAJOR_MIN) {
        return Err(format!("node is {version}, not {NODE_MAJOR_MIN} or later"));
    }
    let example = example("node");
    let folder = installed("node", &example.join("package-lock.json"), async |folder| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(example.join(file), folder.join(file)).unwrap();
        }
        let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"];
        step(Command::new("npm").args(options).current_dir(folder)).await.map(drop)
    })
    .await?;
    fs::copy(example.join("consumer.mjs"), folder.join("consumer.mjs")).unwrap();
    Ok(folder)
}

/// The Python that has the client, and the example.
pub(crate) async fn python() -> Result<(PathBuf, PathBuf), String> {
    if step(Command::new("python3").args(["-c", CHECK_PYTHON])).await? != "True" {
        return Err("python3 is older than 3.9, or comes without venv and pip".to_owned());
    }
    let requirements = example("python").join("requirements.txt");
    let folder = installed("python", &requirements, async |folder| {
        step(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(folder))
            .await?;
        let options = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary"];
        let mut install = Command::new(folder.join("venv/bin/python"));
        install.args(options).args([":all:", "--retries", "0", "--requirement"]).arg(&requirements);
        step(&mut install).await.map(drop)
    })
    .await?;
    Ok((folder.join("venv/bin/python"), example("python").join("consumer.py")))
}

fn example(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(language)
}

/// The folder of `name`, filled by `install` unless it was filled from the same `pinned` text before.
async fn installed(
    name: &str,
    pinned: &Path,
    install: impl AsyncFn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("consumers");
    fs::create_dir_all(&parent).unwrap();
    // Held to the end of the function.
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = parent.join(name);
    let made_from = folder.join("made-from");
    let pinned = fs::read(pinned).unwrap();
    // Written last, so that what a stop has left half installed is not taken for whole.
    if fs::read(&made_from).is_ok_and(|made_from| made_from == pinned) {
        return Ok(folder);
    }
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    install(&folder).await?;
    fs::write(&made_from, pinned).unwrap();
    Ok(folder)
}

/// Runs a step and gives what it prints; an error says in one line what is missing.
async fn step(command: &mut Command) -> Result<String, String> {
    let name = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(STEP_PATIENCE, command.output()).await {
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
