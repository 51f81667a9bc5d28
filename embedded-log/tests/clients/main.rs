//! The official clients of other languages against a served log, at the versions and hashes that lie
//! beside their scripts. Where the language or its registry is not there, its test says so and is
//! skipped.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]
#![allow(clippy::print_stdout, reason = "says what is skipped")]

mod node;
mod python;

use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_log::testing::TestLog;
use tokio::process::Command;

/// How long a whole scenario may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What belongs to one language, beside its test.
fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(language)
}

/// Where its client is installed.
fn installed_in(language: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(language)
}

/// Runs a scenario against a log of its own. Its first argument is the connection string, its second
/// that of another log, which takes TLS and a password.
async fn run(program: &Path, script: &Path, arguments: &[&Path]) {
    let (log, guarded) = tokio::join!(TestLog::start(), TestLog::start_guarded());
    let connection_string = format!("kurrentdb://{}?tls=false", log.address());
    let running = Command::new(program)
        .arg(script)
        .arg(connection_string)
        .arg(guarded.connection_string())
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    let [told, failed] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(ended.status.success(), "after: {told}\n{failed}");
}
