//! One listener, from its first connection to its end.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::health::{self, ReadyCheck};
use crate::layers;
use crate::problem::ApiError;

/// The largest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest that a request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that requests under way may take once the end has come.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers until `shutdown`, then finishes what is under way, for at most ten seconds. `name` is
/// how the log calls this server.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    name: &str,
    listener: TcpListener,
    router: Router,
    checks: Vec<Arc<dyn ReadyCheck>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!("{name} answers on http://{address}");
    let listener = listener.tap_io(|connection| {
        // Answers are small and whole; waiting to send more at once only delays them.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("cannot turn off Nagle's algorithm: {error}");
        }
    });
    let router = router.merge(health::routes(checks, shutdown.clone()));
    let app = layered(router, REQUEST_TIMEOUT);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app);
    let server = server.with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_long = async {
        shutdown.cancelled().await;
        sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        ended = server.into_future() => ended?,
        () = too_long => tracing::warn!("{name} ends with requests under way"),
    }
    tracing::info!("{name} has ended");
    Ok(())
}

/// The router with all that surrounds it; the last layer is the outermost.
fn layered(router: Router, request_timeout: Duration) -> Router {
    router
        .fallback(|| async { ApiError::of_status(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request_timeout))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::protect))
        .layer(from_fn(layers::problems))
        .layer(from_fn(layers::observe))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_answered_with_503() {
        let router = Router::new().route("/", get(|| async { pending::<()>().await }));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = layered(router, Duration::from_millis(10)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "1");
    }
}
