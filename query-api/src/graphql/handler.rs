//! From an HTTP request to answers of the schema.

use async_graphql::Request;
use async_graphql::http::parse_query_string;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use serde_json::Value;
use web::{ApiError, MaybeSignedIn, ReadPosition, SameOrigin, Session};

use super::error::{self, Code};
use super::{events, request, socket};
use crate::State;
use crate::explorer;

/// When to ask again while something that an answer needs is away.
const RETRY_AFTER_SECONDS: u32 = 1;
/// The most requests in one body.
const BATCH_MAX: usize = 10;

pub(crate) async fn post(
    Shared(state): Shared<State>,
    MaybeSignedIn(session): MaybeSignedIn,
    wanted: ReadPosition,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(body) = body.map_err(unreadable)?;
    match body {
        Value::Object(_) => answer(&state, session, wanted, &headers, read(body)?).await,
        Value::Array(requests) => answer_all(&state, session, wanted, requests).await,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(malformed()),
    }
}

/// With a query in the address its answer; a WebSocket for subscriptions; a browser that only came to
/// look gets the explorer.
pub(crate) async fn get(
    Shared(state): Shared<State>,
    MaybeSignedIn(session): MaybeSignedIn,
    wanted: ReadPosition,
    request: HttpRequest,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key(header::UPGRADE) {
        // A browser sends cookies along with a WebSocket that another site's page opens.
        SameOrigin::from_request_parts(&mut parts, &state).await?;
        return match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
            Ok(upgrade) => socket::open(state, session, parts.extensions.remove(), upgrade),
            Err(rejection) => Ok(rejection.into_response()),
        };
    }
    let query = parts.uri.query().unwrap_or_default();
    if query.is_empty() {
        return Ok(explorer::page().into_response());
    }
    let request = parse_query_string(query)
        .map_err(|_| ApiError::bad_request("The query in the address cannot be read"))?;
    answer(&state, session, wanted, &parts.headers, request).await
}

async fn answer(
    state: &State,
    session: Option<Session>,
    ReadPosition(wanted): ReadPosition,
    headers: &HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    if events::are_asked_for(headers) {
        return events::open(state, session, headers, request);
    }
    let (answer, seen) = request::answer(state, session, wanted, request).await;
    if answer.errors.iter().any(|error| error::has_code(error, Code::Unavailable)) {
        return Err(ApiError::unavailable(RETRY_AFTER_SECONDS));
    }
    Ok((seen, Json(answer)).into_response())
}

/// Several requests at once; each is bounded as if it came alone.
async fn answer_all(
    state: &State,
    session: Option<Session>,
    ReadPosition(wanted): ReadPosition,
    requests: Vec<Value>,
) -> Result<Response, ApiError> {
    if requests.is_empty() || requests.len() > BATCH_MAX {
        return Err(ApiError::bad_request(format!("A batch has 1 to {BATCH_MAX} requests")));
    }
    let requests: Vec<Request> = requests.into_iter().map(read).collect::<Result<_, _>>()?;
    let answers =
        requests.into_iter().map(|request| request::answer(state, session, wanted, request));
    let (answers, seen): (Vec<_>, Vec<_>) = join_all(answers).await.into_iter().unzip();
    let mut errors = answers.iter().flat_map(|answer| &answer.errors);
    if errors.any(|error| error::has_code(error, Code::Unavailable)) {
        return Err(ApiError::unavailable(RETRY_AFTER_SECONDS));
    }
    let seen = seen.into_iter().reduce(|all, seen| all.and(seen));
    let seen = seen.unwrap_or_else(|| state.freshness.now());
    Ok((seen, Json(answers)).into_response())
}

fn read(body: Value) -> Result<Request, ApiError> {
    let Value::Object(_) = body else { return Err(malformed()) };
    serde_json::from_value(body).map_err(|_| malformed())
}

fn unreadable(rejection: JsonRejection) -> ApiError {
    match rejection.status().as_u16() {
        413 => ApiError::too_large(),
        415 => ApiError::unsupported_media_type(),
        _ => malformed(),
    }
}

fn malformed() -> ApiError {
    ApiError::bad_request("The body must be {\"query\": …, \"variables\": {…}}, or a list of those")
}

/// What a header says, if it can be read.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
