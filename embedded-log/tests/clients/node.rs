//! `@kurrent/kurrentdb-client` of npm.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::install::{installed, step, told_by};
use crate::{run, source};

/// The client asks for it.
const NODE_MAJOR_MIN: u32 = 20;

const INSTALL: [&str; 6] = [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=0",
    "--fetch-timeout=30000",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_javascript_client_does_all_a_program_needs() {
    match client().await {
        Ok(folder) => {
            run(Path::new("node"), &source("node").join("scenario.mjs"), &[&folder]).await;
        }
        Err(why) => println!("skipped: {why}"),
    }
}

/// The folder it is installed in.
async fn client() -> Result<PathBuf, String> {
    let version = told_by("node", &["--version"]).await?;
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse().is_ok_and(|major: u32| major < NODE_MAJOR_MIN) {
        return Err(format!("node is {version}, not {NODE_MAJOR_MIN} or later"));
    }
    let lock = source("node").join("package-lock.json");
    let install = async |folder: &Path| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source("node").join(file), folder.join(file)).unwrap();
        }
        step(Command::new("npm").args(INSTALL).current_dir(folder)).await
    };
    installed("node", &lock, install).await
}
