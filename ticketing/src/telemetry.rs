//! Logs to standard error and metrics for Prometheus.

use std::io::IsTerminal;
use std::net::SocketAddr;

use anyhow::Context;
use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;

/// Ours in full, of the libraries only what is wrong.
const FILTER: &str = "info,sqlx=warn,kurrentdb=warn,async_nats=warn,fjall=warn,lsm_tree=warn,tower_http=warn,\
     stripe=error";

/// How much is logged, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// What to log: a level, or a list such as `info,eventlog=debug`.
    #[arg(long, global = true, env = "RUST_LOG", default_value = FILTER, value_name = "FILTER")]
    log_filter: String,
    /// The form of the log lines.
    #[arg(long, global = true, env = "TICKETING_LOG_FORMAT", value_enum, default_value_t)]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

impl Settings {
    /// # Errors
    /// When the filter cannot be read.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.filter().map(drop)
    }

    fn filter(&self) -> anyhow::Result<EnvFilter> {
        EnvFilter::try_new(&self.log_filter)
            .with_context(|| format!("--log-filter {}", self.log_filter))
    }
}

/// Starts logging.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<()> {
    let filter = settings.filter()?;
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        Format::Text => logs.with_target(false).with_ansi(colours).init(),
        Format::Json => logs.json().init(),
    }
    Ok(())
}

/// Serves what `metrics` records at `http://<address>/metrics`.
///
/// # Errors
/// When the address is taken.
pub(crate) fn serve_metrics(address: SocketAddr) -> anyhow::Result<()> {
    PrometheusBuilder::new().with_http_listener(address).install().with_context(|| {
        format!("cannot serve metrics at {address}; choose another address with --metrics")
    })
}
