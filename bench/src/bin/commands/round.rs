//! Everything that is measured, once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bench::disk;
use bench::http::Connection;
use bench::process::Process;
use bench::processor::own_cpu;
use bench::rate::Rate;
use domain::id::TicketId;

use crate::load::{Clients, Outcome};
use crate::peers::{self, PEERS, Peer};
use crate::place::{HISTORIES, Place};
use crate::plan::{Plan, write_request};
use crate::results::{Round, key};
use crate::sale::Sold;
use crate::shop::Shop;
use crate::{Settings, limits};

pub(crate) const SHOP: &str = "the shop";
pub(crate) const LIMITS: &str = "limits";
/// Clients at a time.
pub(crate) const CLIENTS: [u64; 4] = [1, 16, 64, 256];
/// As many as the goals are about.
pub(crate) const MANY: u64 = 64;
/// Units of the ticket that everybody wants.
const HOT_UNITS: u32 = 100_000;

pub(crate) async fn measure(place: &Place, settings: &Settings) -> anyhow::Result<Round> {
    let mut round = Round::new();
    if !settings.only_peers {
        shop(&mut round, place, settings).await?;
    }
    if !settings.no_peers {
        for peer in PEERS {
            peer.begin(&place.postgres).await?;
            let measured = measure_peer(&mut round, place, settings, &peer).await;
            peer.end(&place.postgres).await?;
            measured?;
        }
    }
    Ok(round)
}

async fn measure_peer(
    round: &mut Round,
    place: &Place,
    settings: &Settings,
    peer: &Peer,
) -> anyhow::Result<()> {
    let edits = HISTORIES.map(|histories| (edit(histories.events), peers::Load::Edit(histories)));
    let loads = [("list".to_owned(), peers::Load::List), ("hot".to_owned(), peers::Load::Hot)];
    for (name, load) in loads.into_iter().chain(edits) {
        if !settings.wants(&name) {
            continue;
        }
        // With snapshots only what the goals are about: the rest would take as long again.
        for clients in CLIENTS.into_iter().filter(|clients| !peer.snapshots || *clients == MANY) {
            let (program, postgres) = (&settings.peers, &place.postgres);
            let measured = peer.measure(program, postgres, load, clients, settings.seconds).await?;
            eprintln!(
                "bench:   {}, {name}, {clients} clients: {:.0}/s",
                peer.name, measured.per_second
            );
            let mut note = |what, number| {
                round.insert(key(peer.name, &name, clients, what), number);
            };
            note("per second", measured.per_second);
            note("p50 ms", measured.p50_micros / 1_000.0);
            note("p99 ms", measured.p99_micros / 1_000.0);
            note("conflicts", measured.conflicts);
        }
    }
    Ok(())
}

async fn shop(round: &mut Round, place: &Place, settings: &Settings) -> anyhow::Result<()> {
    let time = settings.measurement();
    let folder = place.directory.clone();
    let syncs = tokio::task::spawn_blocking(move || disk::sync_rate(&folder, time / 2)).await??;
    note(round, LIMITS, "fdatasync", 1, syncs);
    let store = place.copy_of_store()?;
    let program = settings.ticketing()?;
    let shop = Shop::start(&program, &store, &place.postgres.url(), &place.directory).await?;
    let clients = Clients::new(shop.address, Arc::clone(&place.people));
    let appends = limits::appends(&shop.log_url, usize::try_from(MANY)?, time).await?;
    note(round, LIMITS, "BatchAppend", MANY, appends);
    nothing(round, place, &clients, time / 2).await?;

    let mut run = Run { round, shop: &shop, clients: &clients, time };
    if settings.wants("list") {
        run.at_all_sizes("list", Plan::List).await?;
    }
    for histories in HISTORIES {
        let load = edit(histories.events);
        if settings.wants(&load) {
            run.cold(&format!("first {load}"), Plan::EditOnce(histories)).await?;
            run.at_all_sizes(&load, Plan::Edit(histories)).await?;
        }
    }
    if settings.wants("hot") {
        run.hot(place).await?;
    }
    if settings.wants("sell-out") {
        run.sell_out(place).await?;
    }
    shop.stop().await?;
    std::fs::remove_dir_all(store)?;
    Ok(())
}

pub(crate) fn edit(events: u64) -> String {
    format!("edit-{events}")
}

/// The clients' own cost: what they reach against a server that does nothing.
async fn nothing(
    round: &mut Round,
    place: &Place,
    clients: &Clients,
    time: Duration,
) -> anyhow::Result<()> {
    let words = place.directory.join("idle.log");
    let mut idle = Process::start(&std::env::current_exe()?, &["idle"], &[], &words)?;
    let clients = clients.elsewhere(idle.says("idle: ").await?.parse()?);
    for number in CLIENTS {
        let before = own_cpu()?;
        let outcome = clients.run(Plan::Nothing, number, Some(time)).await?;
        let micros = micros_each(own_cpu()? - before, outcome.succeeded);
        note(round, LIMITS, "a bare axum handler", number, outcome.rate);
        round.insert(key(LIMITS, "a bare axum handler", number, "client µs"), micros);
    }
    idle.stop().await
}

struct Run<'a> {
    round: &'a mut Round,
    shop: &'a Shop,
    clients: &'a Clients,
    time: Duration,
}

impl Run<'_> {
    async fn at_all_sizes(&mut self, load: &str, plan: Plan) -> anyhow::Result<()> {
        for clients in CLIENTS {
            self.measure(load, plan, clients, Some(self.time)).await?;
        }
        Ok(())
    }

    /// Every ticket once, none of them known to the shop yet.
    async fn cold(&mut self, load: &str, plan: Plan) -> anyhow::Result<()> {
        self.measure(load, plan, MANY, None).await?;
        Ok(())
    }

    async fn hot(&mut self, place: &Place) -> anyhow::Result<()> {
        for clients in CLIENTS {
            let ticket = self.put_on_sale(place).await?;
            let plan = Plan::Order(ticket);
            let outcome = self.measure("hot", plan, clients, Some(self.time)).await?;
            self.check_sale("hot", clients, ticket, outcome.succeeded).await?;
        }
        Ok(())
    }

    /// The whole sale, from the first unit to the last.
    async fn sell_out(&mut self, place: &Place) -> anyhow::Result<()> {
        let ticket = self.put_on_sale(place).await?;
        let outcome = self.measure("sell-out", Plan::Order(ticket), MANY, None).await?;
        self.check_sale("sell-out", MANY, ticket, outcome.succeeded).await?;
        let all = u64::from(HOT_UNITS);
        ensure!(outcome.succeeded == all, "{} of {all} units were sold", outcome.succeeded);
        Ok(())
    }

    async fn check_sale(
        &mut self,
        load: &str,
        clients: u64,
        ticket: TicketId,
        confirmed: u64,
    ) -> anyhow::Result<()> {
        let sold = Sold::read(&self.shop.log_url, ticket).await?;
        sold.check(confirmed)?;
        let oversold = f64::from(sold.oversold());
        self.round.insert(key(SHOP, load, clients, "oversold"), oversold);
        Ok(())
    }

    async fn put_on_sale(&self, place: &Place) -> anyhow::Result<TicketId> {
        let seller = place.people.first().context("nobody is there")?;
        let body = format!(r#"{{"title":"Concert","price":19.99,"quantity":{HOT_UNITS}}}"#);
        let mut request = Vec::new();
        write_request(&mut request, "POST /api/tickets", &seller.cookie, body.as_bytes())?;
        let mut connection = Connection::open(self.shop.address).await?;
        let answer = connection.ask(&request).await?;
        ensure!(answer.status == 201, "cannot list: {}", answer.text());
        Ok(answer.json()?["id"].as_str().context("a ticket without an id")?.parse()?)
    }

    async fn measure(
        &mut self,
        load: &str,
        plan: Plan,
        clients: u64,
        time: Option<Duration>,
    ) -> anyhow::Result<Outcome> {
        let cpu = [self.shop.api.cpu()?, self.shop.log.cpu()?, own_cpu()?];
        let outcome = self.clients.run(plan, clients, time).await;
        let outcome = outcome.with_context(|| format!("{load}, {clients} clients"))?;
        let after = [self.shop.api.cpu()?, self.shop.log.cpu()?, own_cpu()?];
        note(self.round, SHOP, load, clients, outcome.rate);
        let of = ["shop µs", "log µs", "client µs"];
        for (what, (after, before)) in of.into_iter().zip(after.into_iter().zip(cpu)) {
            let micros = micros_each(after - before, outcome.succeeded);
            self.round.insert(key(SHOP, load, clients, what), micros);
        }
        let memory = [("shop MiB", &self.shop.api), ("log MiB", &self.shop.log)];
        for (what, process) in memory {
            self.round.insert(key(SHOP, load, clients, what), process.memory_mib()?);
        }
        Ok(outcome)
    }
}

fn note(round: &mut Round, subject: &str, load: &str, clients: u64, rate: Rate) {
    let Rate { per_second, p50, p99 } = rate;
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (p50, p99) = (millis(p50), millis(p99));
    eprintln!(
        "bench:   {subject}, {load}, {clients} clients: {per_second:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms"
    );
    round.insert(key(subject, load, clients, "per second"), per_second);
    round.insert(key(subject, load, clients, "p50 ms"), p50);
    round.insert(key(subject, load, clients, "p99 ms"), p99);
}

fn micros_each(cpu: Duration, count: u64) -> f64 {
    cpu.as_secs_f64() * 1_000_000.0 / count.max(1) as f64
}
