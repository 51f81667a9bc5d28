//! A page to try GraphQL with. Everything it needs comes from here.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/graphql/explorer.js", get(script))
        .route("/graphql/explorer.css", get(style))
}

pub(crate) fn page() -> impl IntoResponse {
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    ([kind("text/html; charset=utf-8"), policy], include_str!("explorer/page.html"))
}

async fn script() -> impl IntoResponse {
    ([kind("text/javascript; charset=utf-8")], include_str!("explorer/script.js"))
}

async fn style() -> impl IntoResponse {
    ([kind("text/css; charset=utf-8")], include_str!("explorer/style.css"))
}

fn kind(value: &'static str) -> (HeaderName, &'static str) {
    (header::CONTENT_TYPE, value)
}
