//! Every route asked in many good and bad ways, made from the description of the API: nothing makes
//! the program fail, and every answer is one that is described.
//!
//! The asking is done by `schemathesis` of `PyPI`, installed once, at the versions and hashes that
//! lie beside this file, into a folder of its own under `target/`. Where Python or the registry is
//! not there, the test says so and is skipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use local_services::testing::TestFolder;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::openapi;
use crate::program::{Program, address, up};

/// Prints whether this is a Python that it can run in, with what it takes to install it.
const CHECK: &str = "import sys, venv, ensurepip; print(sys.version_info >= (3, 10))";
/// A registry that does not answer must not hold up the tests.
const STEP_PATIENCE: Duration = Duration::from_secs(180);
/// How long a run may take on a busy machine.
const RUN_PATIENCE: Duration = Duration::from_secs(300);

const INSTALL: &[&str] = &[
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

const RUN: &[&str] = &[
    "run",
    "--checks",
    "not_a_server_error,status_code_conformance,content_type_conformance,\
     response_headers_conformance,response_schema_conformance",
    "--continue-on-failure",
    "--generation-deterministic",
    "--request-timeout",
    "30",
    "--warnings",
    "off",
    "--no-color",
];

/// What ends the session or the person that asks.
const ENDING: &str = "^/api/users/(signout|me|me/password)$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_as_it_is_described_whatever_it_is_asked() {
    let program = match installed().await {
        Ok(program) => program,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let data = TestFolder::new();
    let mut command = up(data.path());
    command.env("TICKETING_LIMITS", "off");
    let shop = Program::up(command).await;
    let url = address(data.path());
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let served: Value = Client::new()
        .get(format!("{url}/openapi.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(served, openapi::committed(), "what is served is not what is committed");

    let token = format!("Authorization: Bearer {}", token(&url).await);
    let signed_in = ["--header", &token, "--exclude-path-regex", ENDING, "--max-examples", "10"];
    run(&program, &url, &signed_in, &shop, data.path()).await;
    let anonymous = ["--phases", "examples,fuzzing", "--max-examples", "4"];
    run(&program, &url, &anonymous, &shop, data.path()).await;
}

async fn token(url: &str) -> String {
    let client = Client::new();
    let body = json!({"email": "ann@example.com", "password": "correct horse"});
    for path in ["/api/users/signup", "/api/users/token"] {
        let answer = client.post(format!("{url}{path}")).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        if let Some(token) = answer["accessToken"].as_str() {
            return token.to_owned();
        }
    }
    panic!("no token");
}

async fn run(program: &Path, url: &str, arguments: &[&str], shop: &Program, folder: &Path) {
    let running = Command::new(program)
        .args(RUN)
        .args(arguments)
        .arg(format!("{url}/openapi.json"))
        // It writes down what it did.
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(RUN_PATIENCE, running).await.unwrap().unwrap();
    let [told, failed] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(ended.status.success(), "{told}\n{failed}\n{}", shop.output());
}

/// The program, installed unless it was at the same versions before. An error says in one line why
/// it cannot be.
async fn installed() -> Result<PathBuf, String> {
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemathesis/requirements.txt");
    let pinned = fs::read(&requirements).unwrap();
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(parent).unwrap();
    // Held to the end of the function: other runs of this test wait here.
    let lock = File::create(parent.join("schemathesis.lock")).unwrap();
    lock.lock().unwrap();
    let folder = parent.join("schemathesis");
    let program = folder.join("bin/schemathesis");
    let made_from = folder.join("made-from");
    if fs::read(&made_from).is_ok_and(|made_from| made_from == pinned) {
        return Ok(program);
    }
    if step(Command::new("python3").args(["-c", CHECK])).await? != "True" {
        return Err("python3 is older than 3.10, or comes without venv and pip".to_owned());
    }
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).await?;
    step(Command::new(folder.join("bin/python")).args(INSTALL).arg(&requirements)).await?;
    // Written last, so that what a stop has left half installed is not taken for whole.
    fs::write(&made_from, pinned).unwrap();
    Ok(program)
}

/// Runs a step of the installation and gives what it prints.
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
