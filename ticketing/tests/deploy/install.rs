//! The tools of the checks.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use local_services::testing::{install_node, install_python};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::path;

/// The folder with the programs of `PyPI`.
///
/// # Errors
/// In one line, why they cannot be installed here.
pub(crate) async fn python() -> Result<PathBuf, String> {
    install_python(&folder("deploy-python"), &path("deploy/checks/requirements.txt"), 11).await
}

/// Asks the checks that run in Node about documents and workflows.
///
/// # Errors
/// In one line, why they cannot be asked here.
pub(crate) async fn asked_of_node(question: &Value) -> Result<Vec<String>, String> {
    let folder = folder("deploy-node");
    install_node(&folder, &path("deploy/checks")).await?;
    let mut asking = Command::new("node")
        .arg(path("deploy/checks/others.mjs"))
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = asking.stdin.take().unwrap();
    stdin.write_all(question.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let answer = asking.wait_with_output().await.unwrap();
    assert!(answer.status.success(), "others.mjs ended with {}", answer.status);
    Ok(serde_json::from_slice(&answer.stdout).unwrap())
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
