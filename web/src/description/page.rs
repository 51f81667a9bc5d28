//! `/openapi.json`, and `/docs/`: Swagger UI. Everything it needs comes from here.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::problem::ApiError;

/// Scripts and styles only from here and none in the page; Swagger UI draws its arrows as `data:`
/// images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// The files change only with the program.
const CACHED: &str = "public, max-age=3600";

pub(super) fn routes(document: Bytes) -> Router {
    // Its own validator is a service on the internet, and the bar at the top of its other layout asks
    // for descriptions from elsewhere.
    let config = Config::from("/openapi.json").validator_url("none").use_base_layout();
    let config = Arc::new(config);
    let index = Arc::clone(&config);
    Router::new()
        .route("/openapi.json", get(async move || (kind("application/json"), document)))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async move || file("index.html", index)))
        .route("/docs/{file}", get(async move |Path(name): Path<String>| file(&name, config)))
}

fn file(name: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let headers = [
                (header::CONTENT_TYPE, file.content_type.as_str()),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::CACHE_CONTROL, CACHED),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => ApiError::of_status(StatusCode::NOT_FOUND).into_response(),
        Err(error) => ApiError::internal(error.as_ref()).into_response(),
    }
}

fn kind(value: &'static str) -> [(header::HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, value)]
}
