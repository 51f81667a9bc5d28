//! Logs to standard error, metrics for Prometheus, traces for a collector.

mod traces;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use sqlx::PgPool;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Ours in full, of the libraries only what is wrong.
const FILTER: &str = "info,sqlx=warn,kurrentdb=warn,async_nats=warn,fjall=warn,lsm_tree=warn,\
     stripe=error,opentelemetry=warn";

const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How much is logged, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// What to log: a level, or a list such as `info,eventlog=debug`.
    #[arg(long, global = true, env = "RUST_LOG", default_value = FILTER, value_name = "FILTER")]
    log_filter: String,
    /// The form of the log lines.
    #[arg(long, global = true, env = "TICKETING_LOG_FORMAT", value_enum, default_value_t)]
    log_format: Format,
    /// Send traces to this collector, as OTLP over HTTP: http://host:4318. None are made without.
    #[arg(long, global = true, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// What has to be ended with the program.
#[must_use]
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sends what has not been sent yet.
    pub(crate) async fn end(self) {
        if let Some(traces) = self.traces {
            traces::flush(traces).await;
        }
    }
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

    fn filter(&self) -> anyhow::Result<Targets> {
        self.log_filter.parse().with_context(|| format!("--log-filter {}", self.log_filter))
    }
}

/// Starts logging, and tracing where there is a collector.
///
/// # Errors
/// When the filter or the address of the collector cannot be read.
pub(crate) fn start(settings: &Settings, role: &'static str) -> anyhow::Result<Telemetry> {
    let filter = settings.filter()?;
    let traces = settings.otlp_endpoint.as_deref();
    let traces = traces.map(|endpoint| traces::provider(endpoint, role)).transpose()?;
    let tracer = traces.as_ref().map(|provider| provider.tracer("ticketing"));
    let exported = tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match settings.log_format {
        Format::Text => logs.with_target(false).with_ansi(colours).boxed(),
        Format::Json => logs.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(logs).with(exported).init();
    Ok(Telemetry { traces })
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

/// Publishes how many connections to Postgres there are, and how many are at work, until the pool
/// is closed.
pub(crate) async fn watch_pool(pool: PgPool, name: &'static str) {
    let all = metrics::gauge!("postgres_connections", "pool" => name);
    let used = metrics::gauge!("postgres_connections_used", "pool" => name);
    while !pool.is_closed() {
        let size = pool.size();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(size);
        all.set(f64::from(size));
        used.set(f64::from(size.saturating_sub(idle)));
        tokio::time::sleep(WATCH_EVERY).await;
    }
}
