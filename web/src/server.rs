//! A server of ours: routes, with all that surrounds them.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::limited;
use crate::description::{self, Api};
use crate::health::{self, ReadyCheck};
use crate::problem::ApiError;
use crate::serve::{self, Bounds};
use crate::session::Web;
use crate::{cors, layers};

/// What is served at one address.
pub struct Server {
    /// How the log calls it.
    pub name: &'static str,
    /// Every request to these is counted.
    pub api: Api,
    pub web: Web,
    /// What has to answer before this server is ready.
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    pub bounds: Bounds,
}

impl Server {
    /// Answers until `shutdown`, then finishes what is under way.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { name, api, web, checks, bounds } = self;
        let (routes, described) = api.split_for_parts();
        let router = limited(routes, &web)
            .merge(health::routes(checks, shutdown.clone()))
            .merge(description::routes(described)?);
        let app = layered(router, &web, &bounds);
        serve::serve(name, listener, app, &bounds, &shutdown).await
    }
}

/// The router with all that surrounds it; the last layer is the outermost. They are few: each copies
/// all that is within it for every request.
fn layered(router: Router, web: &Web, bounds: &Bounds) -> Router {
    let router = router
        .fallback(|| async { ApiError::of_status(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(from_fn_with_state(*bounds, layers::bounded));
    // Without it an `OPTIONS` is a method like any other that is not known.
    let router = match web.origins() {
        [] => router,
        origins => router.layer(cors::layer(origins)),
    };
    router.layer(from_fn(layers::around))
}

#[cfg(test)]
mod tests;
