//! The other crates: a program of their own, on the same Postgres.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use local_services::Postgres;
use serde::Deserialize;
use tokio::process::Command;

use crate::place::{HISTORIES, sql};
use crate::plan::Histories;

/// A crate, with or without its snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    program_name: &'static str,
    database: &'static str,
    pub(crate) snapshots: bool,
}

pub(crate) const PEERS: [Peer; 4] = [
    peer("cqrs-es", "cqrs-es", "cqrs_es", false),
    peer("disintegrate", "disintegrate", "disintegrate", false),
    peer("cqrs-es with snapshots", "cqrs-es", "cqrs_es_snapshots", true),
    peer("disintegrate with snapshots", "disintegrate", "disintegrate_snapshots", true),
];

/// The load of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    List,
    Edit(Histories),
    Hot,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) conflicts: f64,
}

/// Fills a database for each, unless that has been done.
pub(crate) async fn prepare(
    directory: &Path,
    postgres: &Postgres,
    program: &Path,
) -> anyhow::Result<()> {
    for peer in PEERS {
        let database = peer.database;
        let filled = directory.join(format!("{database}-is-filled"));
        if filled.exists() {
            continue;
        }
        eprintln!("bench: filling the database of {}", peer.name);
        sql(postgres, "postgres", &format!("drop database if exists {database}")).await?;
        sql(postgres, "postgres", &format!("create database {database}")).await?;
        peer.run(program, postgres, database, &["install"]).await?;
        for Histories { events, tickets } in HISTORIES {
            let (events, tickets) = (events.to_string(), tickets.to_string());
            let arguments = ["fill", "--tickets", &tickets, "--history", &events];
            peer.run(program, postgres, database, &arguments).await?;
        }
        sql(postgres, database, "vacuum (analyze, freeze)").await?;
        fs::write(filled, "")?;
    }
    sql(postgres, "postgres", "checkpoint").await
}

impl Peer {
    /// A database as it was filled, for one round.
    pub(crate) async fn begin(&self, postgres: &Postgres) -> anyhow::Result<()> {
        self.end(postgres).await?;
        let (round, filled) = (self.round(), self.database);
        let create = format!("create database {round} template {filled} strategy file_copy");
        sql(postgres, "postgres", &create).await?;
        sql(postgres, "postgres", "checkpoint").await
    }

    pub(crate) async fn measure(
        &self,
        program: &Path,
        postgres: &Postgres,
        load: Load,
        clients: u64,
        seconds: u64,
    ) -> anyhow::Result<Measured> {
        let (clients, seconds) = (clients.to_string(), seconds.to_string());
        let (name, Histories { events, tickets }) = match load {
            Load::List => ("list", Histories { events: 0, tickets: 0 }),
            Load::Edit(histories) => ("edit", histories),
            Load::Hot => ("hot", Histories { events: 0, tickets: 0 }),
        };
        let (events, tickets) = (events.to_string(), tickets.to_string());
        let arguments = [
            ["measure", "--load", name],
            ["--clients", &clients, "--seconds"],
            [&seconds, "--history", &events],
        ];
        let mut arguments = arguments.concat();
        arguments.extend(["--tickets", &tickets]);
        let said = self.run(program, postgres, &self.round(), &arguments).await?;
        serde_json::from_str(&said).with_context(|| format!("{}: {said}", self.name))
    }

    pub(crate) async fn end(&self, postgres: &Postgres) -> anyhow::Result<()> {
        let drop = format!("drop database if exists {} with (force)", self.round());
        sql(postgres, "postgres", &drop).await
    }

    async fn run(
        &self,
        program: &Path,
        postgres: &Postgres,
        database: &str,
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        command.args(["--peer", self.program_name, "--database-url", &postgres.url_of(database)]);
        if self.snapshots {
            command.arg("--snapshots");
        }
        let output = command.args(arguments).kill_on_drop(true).output().await;
        let output = output.with_context(|| {
            format!("cannot run {}; build it, or leave it out: --no-peers", program.display())
        })?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {arguments:?}: {words}", self.name);
        Ok(String::from_utf8(output.stdout)?)
    }

    fn round(&self) -> String {
        format!("{}_round", self.database)
    }
}

const fn peer(
    name: &'static str,
    program_name: &'static str,
    database: &'static str,
    snapshots: bool,
) -> Peer {
    Peer { name, program_name, database, snapshots }
}
