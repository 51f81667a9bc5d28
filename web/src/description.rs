//! The description of an API (`OpenAPI` 3.1), and a page to read and try it with.
//!
//! Each route says what is its own: its path, body, answers and refusals. What holds for all of
//! them, or for all that change something, is said here once.

mod common;
mod page;

use axum::Router;
use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

#[cfg(feature = "testing")]
pub(crate) use common::may_be_anonymous;

/// Routes together with their description.
pub type Api<S = ()> = utoipa_axum::router::OpenApiRouter<S>;

const TAGS: [(&str, &str); 4] = [
    ("accounts", "Who one is: signing up, in and out, tokens for programs, and being forgotten."),
    ("tickets", "What is for sale."),
    ("orders", "Holds on units of a ticket, for a limited time."),
    ("payments", "Paying for orders, and giving the money back."),
];

const ABOUT: &str = "Sell tickets: people list them, others reserve them for a limited time and pay. \
    Every error is a problem (RFC 9457). Every change may carry an `Idempotency-Key` and then takes \
    effect once, and answers with the position of what it wrote; a read that carries that position \
    shows it.";

/// The whole description of some routes, from what each says of itself.
#[must_use]
pub fn described(mut routes: OpenApi) -> OpenApi {
    let license = LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build();
    routes.info = InfoBuilder::new()
        .title("ticketing")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build();
    let tag = |(name, about)| TagBuilder::new().name(name).description(Some(about)).build();
    routes.tags = Some(TAGS.into_iter().map(tag).collect());
    for (path, item) in &mut routes.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(&method, path));
            common::complete(path, !method.is_safe(), operation);
        }
    }
    let components = routes.components.get_or_insert_default();
    common::define(components);
    routes
}

/// `/openapi.json` and `/docs/`.
pub(crate) fn routes(described_routes: OpenApi) -> serde_json::Result<Router> {
    let document = serde_json::to_vec(&described(described_routes))?;
    Ok(page::routes(document.into()))
}

/// `put_tickets_id`. Two functions of the same name may serve two routes; no two operations may have
/// the same id, or the page would ask for one when the other is meant.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|at: char| !at.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "api");
    words.fold(method.as_str().to_ascii_lowercase(), |id, word| id + "_" + word)
}

/// What can be asked of a path, by method.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let by_method = [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ];
    by_method.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
