//! The shop: the embedded log and `ticketing command-api`, as people run them.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use bench::http::Connection;
use bench::process::{KEYS, Process};

pub(crate) struct Shop {
    pub(crate) api: Process,
    pub(crate) log: Process,
    pub(crate) address: SocketAddr,
    /// As KurrentDB's clients take it.
    pub(crate) log_url: String,
}

impl Shop {
    /// Starts both on a store and waits until the shop is ready.
    pub(crate) async fn start(
        ticketing: &Path,
        store: &Path,
        database_url: &str,
        words: &Path,
    ) -> anyhow::Result<Self> {
        let store = store.to_str().context("a folder whose name is not text")?;
        let serve = ["log", "serve", "--listen", "127.0.0.1:0", "--directory", store];
        let mut log = Process::start(ticketing, &serve, &[], &words.join("log.log"))?;
        let said = log.says("log: ").await?;
        let log_url = said.split(',').next().unwrap_or_default().to_owned();
        let mut arguments = vec!["command-api", "--listen", "127.0.0.1:0", "--limits", "off"];
        // Counted and timed as in production.
        arguments.extend(["--metrics", "127.0.0.1:0"]);
        arguments.extend(["--log-url", &log_url, "--database-url", database_url]);
        let mut api = Process::start(ticketing, &arguments, &KEYS, &words.join("api.log"))?;
        let address = api.says("command-api: http://").await?.parse()?;
        let shop = Self { api, log, address, log_url };
        shop.is_ready().await?;
        Ok(shop)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.api.stop().await?;
        self.log.stop().await
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.ask(b"GET /readyz HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
        ensure!(answer.status == 200, "the shop is not ready: {}", answer.text());
        Ok(())
    }
}
