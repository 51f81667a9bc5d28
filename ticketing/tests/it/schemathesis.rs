//! Every route asked in many good and bad ways, made from the description of the API: nothing makes
//! the program fail, and every answer is one that is described.
//!
//! The asking is done by `schemathesis` of `PyPI`. Where Python or the registry is not there, the test
//! says so and is skipped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local_services::testing::{TestFolder, install_python};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::openapi;
use crate::program::{Program, address, up};

/// How long a run may take on a busy machine.
const RUN_PATIENCE: Duration = Duration::from_secs(300);

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
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let pinned =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemathesis/requirements.txt");
    let program = match install_python(&folder, &pinned, 10).await {
        Ok(programs) => programs.join("schemathesis"),
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
