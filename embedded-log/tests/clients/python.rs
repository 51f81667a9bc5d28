//! `kurrentdbclient` of `PyPI`.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::install::{installed, step, told_by};
use crate::{run, source};

/// Prints whether this is a Python the client can run in, with what it takes to install it.
const CHECK: &str = "import sys, venv, ensurepip; print(sys.version_info >= (3, 10))";

const INSTALL: [&str; 11] = [
    "-m",
    "pip",
    "install",
    "--require-hashes",
    "--only-binary",
    ":all:",
    "--retries",
    "0",
    "--timeout",
    "30",
    "--requirement",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_does_all_a_program_needs() {
    match client().await {
        Ok(folder) => {
            let python = folder.join("venv/bin/python");
            run(&python, &source("python").join("scenario.py"), &[]).await;
        }
        Err(why) => println!("skipped: {why}"),
    }
}

/// The folder it is installed in.
async fn client() -> Result<PathBuf, String> {
    if told_by("python3", &["-c", CHECK]).await? != "True" {
        return Err("python3 is older than 3.10, or comes without venv and pip".to_owned());
    }
    let requirements = source("python").join("requirements.txt");
    let install = async |folder: &Path| {
        let make = ["-m", "venv", "--clear", "venv"];
        step(Command::new("python3").args(make).current_dir(folder)).await?;
        let python = folder.join("venv/bin/python");
        step(Command::new(python).args(INSTALL).arg(&requirements)).await
    };
    installed("python", &requirements, install).await
}
