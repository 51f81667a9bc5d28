//! `ticketing demo`: buyers compete for tickets over HTTP, then the books are checked.

mod aftermath;
mod bank;
mod books;
mod people;
mod report;
mod shop;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::data_directory::{self, Running};
use bank::Bank;
use futures::stream::{self, StreamExt, TryStreamExt};
use people::{Offer, Person};
use shop::Shop;
use tally::Tally;

const SELLERS: u32 = 3;
/// Sign-ups at once: each hashes a password, which is meant to be work.
const SIGN_UPS_AT_ONCE: usize = 8;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Sellers list tickets; buyers reserve, pay, are declined, are asked by their bank, cancel, or let
/// the time run out. Of what is paid some is refunded, by the seller or at the provider, and some
/// disputed. Every request is a real one, repeated under the same Idempotency-Key when its
/// answer is lost. In the end the log, Postgres, JetStream, the ledger and the payment provider are
/// compared, for every order: exit code 1 if they disagree.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// How many tickets are listed, with 1 to 5 units each.
    #[arg(long, default_value_t = 30, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tickets: u32,
    /// How many people buy.
    #[arg(long, default_value_t = 40, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    buyers: u32,
    /// For how long they buy.
    #[arg(long, default_value_t = 20, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How long an order is held; those that are abandoned expire within the demo.
    #[arg(long, default_value_t = 3, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=900))]
    hold_seconds: u64,
    /// Makes the same choices again; a new one each time when not given.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Where the shop is, if not where `ticketing up` on --data says.
    #[arg(long, env = "TICKETING_URL", value_name = "URL")]
    url: Option<String>,
    /// Where the Stripe sandbox is, if `ticketing up` uses one that it does not run itself.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
    /// The directory of the running `ticketing up`.
    #[arg(long, env = "TICKETING_DATA", default_value = ".ticketing", value_name = "DIRECTORY")]
    data: PathBuf,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let running = where_it_runs(&settings)?;
    let seed = settings.seed.unwrap_or_else(|| rand::rng().random());
    let url = settings.url.clone().unwrap_or(running.http);
    let bank = match (&settings.sandbox, running.stripe_sandbox) {
        (Some(url), _) => Bank::at(url.clone()),
        (None, Some(_)) => Bank::run_in(settings.data.clone()),
        (None, None) => Bank::real(),
    };
    let shop = Shop::new(&url)?;
    shop.check().await?;
    println!(
        "seed {seed}: {} tickets, {} buyers, {} s at {url}",
        settings.tickets, settings.buyers, settings.seconds
    );

    let tally = Arc::new(Tally::default());
    let mut dice = StdRng::seed_from_u64(seed);
    let offers = list_tickets(&shop, &settings, &mut dice, &tally).await?;
    let buyers = sign_up_buyers(&shop, &settings, &mut dice).await?;
    compete(buyers, offers, &settings, &bank, &tally).await?;

    let books = books::settle(&settings.data, &bank, &tally).await?;
    report::print(&tally, &books, shop.asked());
    Ok(if books.agree() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The demo compares what lies behind the shop, so it must know where that is.
fn where_it_runs(settings: &Settings) -> anyhow::Result<Running> {
    data_directory::running(&settings.data).with_context(|| {
        format!(
            "no `ticketing up` runs on {}; start it in another terminal (`make up`), or name its \
             directory with --data",
            settings.data.display()
        )
    })
}

async fn list_tickets(
    shop: &Shop,
    settings: &Settings,
    dice: &mut StdRng,
    tally: &Tally,
) -> anyhow::Result<Vec<Offer>> {
    let bar = counting_bar("listing tickets", settings.tickets.into())?;
    let mut sellers = Vec::new();
    for _ in 0..SELLERS {
        sellers.push(Person::sign_up(shop, dice.random(), settings.hold_seconds).await?);
    }
    let mut offers = Vec::new();
    for (number, seller) in (1..=settings.tickets).zip(sellers.iter().cycle()) {
        offers.push(seller.list(number, dice, tally).await?);
        bar.inc(1);
    }
    bar.finish();
    Ok(offers)
}

async fn sign_up_buyers(
    shop: &Shop,
    settings: &Settings,
    dice: &mut StdRng,
) -> anyhow::Result<Vec<Person>> {
    let bar = counting_bar("signing up", settings.buyers.into())?;
    let seeds: Vec<u64> = (0..settings.buyers).map(|_| dice.random()).collect();
    let buyers = stream::iter(seeds)
        .map(|seed| Person::sign_up(shop, seed, settings.hold_seconds))
        .buffer_unordered(SIGN_UPS_AT_ONCE)
        .inspect(|_| bar.inc(1))
        .try_collect()
        .await?;
    bar.finish();
    Ok(buyers)
}

async fn compete(
    buyers: Vec<Person>,
    offers: Vec<Offer>,
    settings: &Settings,
    bank: &Bank,
    tally: &Arc<Tally>,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(settings.seconds);
    let bar = ProgressBar::new(settings.seconds);
    bar.set_style(ProgressStyle::with_template("{prefix:>16} {bar:30} {pos:>4}/{len} s  {msg}")?);
    bar.set_prefix("buying");
    let (started, offers) = (Instant::now(), Arc::new(offers));
    let mut shoppers = JoinSet::new();
    for buyer in buyers {
        let (offers, bank, tally) = (offers.clone(), bank.clone(), tally.clone());
        shoppers
            .spawn(async move { buyer.buy_until(started + time, &offers, &bank, &tally).await });
    }
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                bar.set_position(started.elapsed().min(time).as_secs());
                bar.set_message(tally.to_string());
            }
            ended = shoppers.join_next() => match ended {
                None => break,
                Some(ended) => ended.context("a buyer panicked")??,
            }
        }
    }
    bar.finish();
    Ok(())
}

fn counting_bar(what: &'static str, length: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix:>16} {bar:30} {pos:>4}/{len}")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(what))
}
