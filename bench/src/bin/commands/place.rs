//! What is made once and used by every run: a Postgres, people who are signed in, a store with
//! tickets and their histories, and the same histories in a database for each peer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use bench::http::Connection;
use chrono::Utc;
use domain::id::CommandId;
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Actor, Cause, Ticket};
use eventlog::EventLog;
use futures::future::try_join_all;
use futures::{TryStreamExt, stream};
use local_services::{Durability, Postgres};
use uuid::Uuid;

use crate::plan::{Histories, Person, write_request};
use crate::shop::Shop;
use crate::{Settings, peers, sale};

/// All of them sell and buy.
const PEOPLE: usize = 256;
/// So few events that loading them is next to nothing, and so many that it is not.
pub(crate) const HISTORIES: [Histories; 2] =
    [Histories { events: 10, tickets: 5_000 }, Histories { events: 1_000, tickets: 500 }];
/// Tickets whose histories are written at the same time.
const FILL_IN_FLIGHT: usize = 8;
const MAX_PER_ORDER: u32 = 10;

/// So that the peers have the memory of a server and not that of a laptop, and are not measured while
/// Postgres writes checkpoints.
const POSTGRES_SETTINGS: [&str; 3] =
    ["shared_buffers = '1GB'", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'"];

pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) postgres: Postgres,
    pub(crate) people: Arc<Vec<Person>>,
}

impl Place {
    /// Makes what is not there yet.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let directory = settings.directory.clone();
        let mut postgres = start_postgres(&directory).await?;
        let tuned = directory.join("postgres-is-tuned");
        if !tuned.exists() {
            for setting in POSTGRES_SETTINGS {
                sql(&postgres, "postgres", &format!("alter system set {setting}")).await?;
            }
            postgres.stop().await;
            postgres = start_postgres(&directory).await?;
            fs::write(tuned, "")?;
        }
        let known = directory.join("people.json");
        if !settings.only_peers && !known.exists() {
            let people = make_shop(&directory, &postgres, settings).await?;
            fs::write(&known, serde_json::to_vec(&people)?)?;
        }
        let people = match fs::read(&known) {
            Ok(people) => serde_json::from_slice(&people)?,
            Err(_) => Vec::new(),
        };
        if !settings.no_peers {
            peers::prepare(&directory, &postgres, &settings.peers).await?;
        }
        Ok(Self { directory, postgres, people: Arc::new(people) })
    }

    pub(crate) async fn close(self) {
        self.postgres.stop().await;
    }

    /// A copy of the filled store, on the disk.
    pub(crate) fn copy_of_store(&self) -> anyhow::Result<PathBuf> {
        let copy = self.directory.join("store-of-round");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        copy_directory(&self.directory.join("store"), &copy)?;
        Ok(copy)
    }
}

/// Runs a statement in a database, by the `psql` that came with the server.
pub(crate) async fn sql(postgres: &Postgres, database: &str, text: &str) -> anyhow::Result<()> {
    let program = postgres.program().path.with_file_name("psql");
    let mut command = tokio::process::Command::new(&program);
    command.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", text]);
    let output = command.arg(postgres.url_of(database)).output().await;
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn start_postgres(directory: &Path) -> anyhow::Result<Postgres> {
    Ok(Postgres::start(&directory.join("postgres"), Durability::Durable).await?)
}

async fn make_shop(
    directory: &Path,
    postgres: &Postgres,
    settings: &Settings,
) -> anyhow::Result<Vec<Person>> {
    let store = directory.join("store");
    if store.exists() {
        fs::remove_dir_all(&store)?;
    }
    // Keys of people from an attempt that did not end well.
    sql(postgres, "postgres", "drop schema if exists vault cascade").await?;
    let shop = Shop::start(&settings.ticketing()?, &store, &postgres.url(), directory).await?;
    eprintln!("bench: signing up {PEOPLE} people");
    let mut people = Vec::with_capacity(PEOPLE);
    let mut connection = Connection::open(shop.address).await?;
    for number in 0..PEOPLE {
        people.push(sign_up(&mut connection, number).await?);
    }
    let log = sale::open(&shop.log_url)?;
    for histories in HISTORIES {
        let Histories { events, tickets } = histories;
        eprintln!("bench: writing {tickets} tickets with {events} events each");
        let numbers = stream::iter((0..tickets).map(anyhow::Ok));
        numbers
            .try_for_each_concurrent(FILL_IN_FLIGHT, |number| {
                write(&log, histories, number, &people)
            })
            .await?;
    }
    shop.stop().await?;
    Ok(people)
}

async fn sign_up(connection: &mut Connection, number: usize) -> anyhow::Result<Person> {
    let body = format!(r#"{{"email":"person-{number}@example.com","password":"correct horse"}}"#);
    let mut request = Vec::new();
    write_request(&mut request, "POST /api/users/signup", "", body.as_bytes())?;
    let answer = connection.ask(&request).await?;
    ensure!(answer.status == 201, "cannot sign up: {}", answer.text());
    let cookie = answer.cookie("session").context("a sign-up without a cookie")?;
    let id = answer.json()?["id"].as_str().context("a sign-up without an id")?.parse()?;
    Ok(Person { id, cookie })
}

/// A whole history, by the very code that writes them for the shop.
async fn write(
    log: &EventLog,
    histories: Histories,
    number: u64,
    people: &[Person],
) -> anyhow::Result<()> {
    let (id, seller) = (histories.id(number), histories.seller(number, people).id);
    let cause = || Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: Some(format!("{:064x}", Uuid::new_v4().as_u128())),
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Person(seller),
        trace: None,
        now: Utc::now(),
    };
    let title = Title::parse("Concert in the park")?;
    let price = |minor| Money { minor, currency: Currency::USD };
    let listing = TicketCommand::List {
        seller,
        title: title.clone(),
        price: price(1),
        quantity: Quantity::ONE,
        max_per_order: Quantity::new(MAX_PER_ORDER)?,
    };
    log.execute::<Ticket>(&id, listing, &cause()).await?;
    let edits = (1..histories.events).map(async |at| {
        let price = price(i64::try_from(at)? + 1);
        let edit = TicketCommand::Edit { by: seller, title: title.clone(), price };
        log.execute::<Ticket>(&id, edit, &cause()).await?;
        anyhow::Ok(())
    });
    try_join_all(edits).await?;
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            // So that the system does not write it out while something is measured.
            fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}
