//! `/livez`, `/readyz`, `/startupz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest that one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Something without which this process cannot do its work.
#[async_trait]
pub trait ReadyCheck: Send + Sync {
    /// One word, shown to whoever asks: `log`, `postgres`.
    fn name(&self) -> &'static str;

    /// # Errors
    /// Why it is not ready: for the log, never for the answer.
    async fn ready(&self) -> Result<(), String>;
}

/// `/livez`: the process answers at all. `/readyz`: it can do its work now, and is not about to
/// end. `/startupz`: it could do its work once.
pub(crate) fn routes(checks: Vec<Arc<dyn ReadyCheck>>, shutdown: CancellationToken) -> Router {
    let health = Arc::new(Health { checks, shutdown, started: AtomicBool::new(false) });
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .with_state(health)
}

struct Health {
    checks: Vec<Arc<dyn ReadyCheck>>,
    shutdown: CancellationToken,
    started: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    /// The names of what is not ready.
    missing: Vec<&'static str>,
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    health.report().await.into_response()
}

async fn startupz(State(health): State<Arc<Health>>) -> Response {
    if health.started.load(Ordering::Relaxed) {
        return Report { ready: true, missing: Vec::new() }.into_response();
    }
    health.report().await.into_response()
}

impl Health {
    async fn report(&self) -> Report {
        let mut missing = Vec::new();
        for check in &self.checks {
            let outcome = timeout(CHECK_TIMEOUT, check.ready()).await;
            if let Err(why) = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                tracing::warn!(check = check.name(), "not ready: {why}");
                missing.push(check.name());
            }
        }
        if missing.is_empty() {
            self.started.store(true, Ordering::Relaxed);
        }
        if self.shutdown.is_cancelled() {
            missing.push("shutting down");
        }
        Report { ready: missing.is_empty(), missing }
    }
}

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}
