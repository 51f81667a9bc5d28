//! A Postgres with the read models' own tables, full of tickets; made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bench::process::Process;
use local_services::{Durability, Postgres};

/// Tickets in the table, of 500 sellers.
const TICKETS: u32 = 100_000;
/// The longest that the tables may take to appear.
const TABLES_WITHIN: Duration = Duration::from_secs(30);

/// Nine of ten in dollars, at 5.00 to 104.99; one of five sold out. `live` is where the view
/// `read.tickets` looks.
const FILL: &str = "
do $$
declare live text;
begin
    select format('tickets_v%s.tickets', version) into live from projector.live
    where name = 'tickets';
    execute format('truncate %s', live);
    execute format('insert into %s (id, seller, title, price_minor, currency, quantity, reserved,
            sold, max_per_order, withdrawn, version, listed_at, listed_commit, listed_prepare,
            changed_commit, changed_prepare)
        select gen_random_uuid(), md5((n %% 500)::text)::uuid, ''Concert in the park '' || n,
            500 + (n * 7919 %% 10000), case when n %% 10 = 0 then ''eur'' else ''usd'' end,
            10, 0, case when n %% 5 = 0 then 10 else n %% 9 end, 10, false, n %% 9,
            now() - n * interval ''1 second'', n, n, n, n
        from generate_series(1, TICKETS) as n', live);
    execute format('analyze %s', live);
end
$$;
";

pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) postgres: Postgres,
    pub(crate) log: Process,
    pub(crate) log_url: String,
}

impl Place {
    pub(crate) async fn open(directory: &Path, ticketing: &Path) -> anyhow::Result<Self> {
        ensure!(ticketing.exists(), "{} is missing: build it, or name it", ticketing.display());
        fs::create_dir_all(directory)?;
        let postgres = Postgres::start(&directory.join("postgres"), Durability::Durable).await?;
        let store = directory.join("log");
        let store = store.to_str().context("a folder whose name is not text")?;
        let serve = ["log", "serve", "--listen", "127.0.0.1:0", "--directory", store];
        let mut log = Process::start(ticketing, &serve, &[], &directory.join("log.log"))?;
        let said = log.says("log: ").await?;
        let log_url = said.split(',').next().unwrap_or_default().to_owned();
        let place = Self { directory: directory.to_owned(), postgres, log, log_url };
        place.fill(ticketing).await?;
        Ok(place)
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.log.stop().await?;
        self.postgres.stop().await;
        Ok(())
    }

    /// The projectors make the tables; then they are filled as if by events.
    async fn fill(&self, ticketing: &Path) -> anyhow::Result<()> {
        let filled = self.directory.join("filled");
        if filled.exists() {
            return Ok(());
        }
        eprintln!("bench: filling a table with {TICKETS} tickets");
        let url = self.postgres.url();
        let run = ["projectors", "run", "--log-url", &self.log_url, "--database-url", &url];
        let projectors =
            Process::start(ticketing, &run, &[], &self.directory.join("projectors.log"))?;
        let appear = async {
            while self.sql("select from read.tickets, read.timeline limit 0").await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(TABLES_WITHIN, appear).await.is_err() {
            bail!("the projectors made no tables; see {}", self.directory.display());
        }
        projectors.stop().await?;
        self.sql(&FILL.replace("TICKETS", &TICKETS.to_string())).await?;
        fs::write(filled, "")?;
        Ok(())
    }

    /// By the `psql` that came with the server.
    async fn sql(&self, text: &str) -> anyhow::Result<()> {
        let program = self.postgres.program().path.with_file_name("psql");
        let mut command = tokio::process::Command::new(&program);
        command.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", text]);
        let output = command.arg(self.postgres.url()).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
