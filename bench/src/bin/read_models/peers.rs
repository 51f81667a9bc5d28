//! The replays of other crates, each a program run on the same Postgres: `bench/peers`.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::place::Place;

pub(crate) const PEERS: [&str; 2] = ["cqrs-es", "disintegrate"];

/// So many tickets, and so many events of each.
const TICKETS: u32 = 1_000;
const HISTORY: u32 = 20;

#[derive(Deserialize)]
struct Replayed {
    seconds: f64,
}

/// How many events a second it puts into a table of its own, a row a ticket.
pub(crate) async fn events_per_second(
    place: &Place,
    program: &Path,
    peer: &str,
) -> anyhow::Result<f64> {
    let database = format!("peer_{}", peer.replace('-', "_"));
    place.create(&database).await?;
    let url = place.postgres.url_of(&database);
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(["--peer", peer, "--database-url", &url]).args(arguments).kill_on_drop(true);
        let output =
            command.output().await.with_context(|| format!("cannot run {}", program.display()))?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{peer} {arguments:?}: {words}");
        anyhow::Ok(String::from_utf8(output.stdout)?)
    };
    run(&["install"]).await?;
    let (tickets, history) = (TICKETS.to_string(), HISTORY.to_string());
    run(&["fill", "--tickets", &tickets, "--history", &history]).await?;
    let said = run(&["replay"]).await?;
    let Replayed { seconds } = serde_json::from_str(&said).with_context(|| said.clone())?;
    Ok(f64::from(TICKETS * HISTORY) / seconds)
}
