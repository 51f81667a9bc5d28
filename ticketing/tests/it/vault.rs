//! `ticketing vault rewrap`: the key that wraps the keys of persons is changed while people are
//! there, as the handbook says.

use std::path::Path;
use std::process::Output;

use local_services::testing::TestFolder;
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::program::{Program, address, outcome, ticketing, up};
use crate::shopper::Shopper;

const PASSWORD: &str = "correct horse";

/// Puts other keys into the file of the data directory.
fn set_vault_key(data: &Path, keys: &str) {
    let path = data.join("secrets.json");
    let mut secrets: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    secrets["vault_key"] = keys.into();
    std::fs::write(&path, secrets.to_string()).unwrap();
}

async fn told(arguments: &[&str], data: &Path) -> Output {
    let mut command = ticketing(arguments.iter().copied());
    command.arg("--data").arg(data);
    outcome(command).await
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

async fn stop(mut shop: Program) {
    shop.signal(Signal::SIGTERM);
    assert!(shop.ended().await.success(), "{}", shop.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_key_is_changed_and_everybody_still_signs_in() {
    let data = TestFolder::new();
    let shop = Program::up(up(data.path())).await;
    let url = address(data.path());
    Shopper::sign_up_as(&url, &url, "ann@example.com", PASSWORD).await;
    stop(shop).await;

    let secrets = std::fs::read(data.path().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&secrets).unwrap();
    let (old, new) = (secrets["vault_key"].as_str().unwrap(), "7b".repeat(32));
    set_vault_key(data.path(), &format!("{new},{old}"));
    let shop = Program::up(up(data.path())).await;
    let url = address(data.path());
    Shopper::sign_up_as(&url, &url, "bob@example.com", PASSWORD).await;
    let doctor = told(&["doctor"], data.path()).await;
    assert!(said(&doctor).contains("2 of 3 are wrapped under an older key"), "{}", said(&doctor));
    // Without the old key, what it wraps is out of reach; nothing is changed.
    set_vault_key(data.path(), &new);
    for refused in [told(&["doctor"], data.path()).await, rewrapped(data.path()).await] {
        assert!(!refused.status.success(), "{}", said(&refused));
    }
    set_vault_key(data.path(), &format!("{new},{old}"));
    let done = rewrapped(data.path()).await;
    assert!(done.status.success() && said(&done).contains("wrapped anew: 2"), "{}", said(&done));
    set_vault_key(data.path(), &new);
    let doctor = told(&["doctor"], data.path()).await;
    assert!(doctor.status.success() && !said(&doctor).contains("older"), "{}", said(&doctor));
    stop(shop).await;

    let shop = Program::up(up(data.path())).await;
    let url = address(data.path());
    let eve = Shopper::sign_up(&url, &url).await;
    for email in ["ann@example.com", "bob@example.com"] {
        let body = json!({"email": email, "password": PASSWORD});
        let (status, taken) = eve.post("/api/users/signup", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "the address is taken: {taken}");
        let (status, body) = eve.post("/api/users/signin", body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["email"], email);
    }
    stop(shop).await;
}

async fn rewrapped(data: &Path) -> Output {
    told(&["vault", "rewrap"], data).await
}
