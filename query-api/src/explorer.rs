//! A page to try GraphQL with: questions with completion, answers, subscriptions, and the schema as
//! documentation. Everything it needs comes from here.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where, of what kind, and what.
const ASSETS: [(&str, &str, &str); 4] = [
    ("/graphql/explorer.css", "text/css; charset=utf-8", include_str!("explorer/style.css")),
    ("/graphql/explorer.js", SCRIPT, include_str!("explorer/script.js")),
    ("/graphql/explorer/schema.js", SCRIPT, include_str!("explorer/schema.js")),
    ("/graphql/explorer/complete.js", SCRIPT, include_str!("explorer/complete.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || ([of_kind(kind)], text)))
    })
}

pub(crate) fn page() -> impl IntoResponse {
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    ([of_kind("text/html; charset=utf-8"), policy], include_str!("explorer/page.html"))
}

fn of_kind(value: &'static str) -> (HeaderName, &'static str) {
    (header::CONTENT_TYPE, value)
}
