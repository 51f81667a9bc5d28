//! The examples in Rust, Node and Python, each against a real stream: killed in the middle and begun
//! again, nothing is handled twice or left out, and what cannot be handled is set aside. Where a
//! language or its registry is not there, its test says so and is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what fails here fails the test, which is its use"
)]

mod install;
mod shop;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use local_services::testing::TestFolder;
use tokio::process::{Child, Command};

use install::{node, python};
use shop::Shop;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const TICKETS: usize = 30;
/// Of these there is one for each ticket; no example can handle them.
const POISON: &str = "ticketing.ticket.withdrawn.v1";

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_rust() {
    check(&[PathBuf::from(env!("CARGO_BIN_EXE_consumer-example"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_node() {
    match node().await {
        Ok(folder) => check(&["node".into(), folder.join("consumer.mjs")]).await,
        Err(why) => println!("skipped: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_python() {
    match python().await {
        Ok((python, script)) => check(&[python, script]).await,
        Err(why) => println!("skipped: {why}"),
    }
}

async fn check(program: &[PathBuf]) {
    let shop = Shop::open(TICKETS).await;
    let folder = TestFolder::new();
    let handled = folder.path().join("handled.txt");
    let run = |group: &str| start(program, &shop, group, &handled);

    let first = run("g");
    until("something is handled", async || !lines(&handled).is_empty()).await;
    kill(first).await;
    let _second = run("g");
    // Each ticket was listed and withdrawn.
    until("everything else is handled", async || lines(&handled).len() >= TICKETS).await;
    until("what cannot be is set aside", async || shop.set_aside("g").await == TICKETS).await;

    // Another group gets everything again, and finds that it was done.
    let _other = run("h");
    until("it is set aside again", async || shop.set_aside("h").await == TICKETS).await;
    let handled = lines(&handled);
    let ids: HashSet<_> = handled.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!((handled.len(), ids.len()), (TICKETS, TICKETS), "{handled:#?}");
    assert!(handled.iter().all(|line| line.contains("ticketing.ticket.listed.v1")), "{handled:#?}");
}

fn start(program: &[PathBuf], shop: &Shop, group: &str, handled: &Path) -> Child {
    let (program, arguments) = program.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.env("NATS_URL", shop.nats.url()).env("GROUP", group).env("POISON", POISON);
    command.env("HANDLED", handled).spawn().unwrap()
}

async fn kill(mut child: Child) {
    child.kill().await.unwrap();
}

/// Whole lines; the last may be being written.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(str::to_owned)
        .collect()
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
