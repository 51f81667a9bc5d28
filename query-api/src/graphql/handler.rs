//! From an HTTP request to an answer of the schema.

use async_graphql::http::parse_query_string;
use async_graphql::{Request, Response as Answer};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{RawQuery, State as Shared};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use web::{ApiError, MaybeSignedIn, ReadPosition, Session};

use super::error::{self, Code};
use super::reader;
use crate::State;
use crate::explorer;
use crate::freshness::ReadModel;

/// When to ask again while something that an answer needs is away.
const RETRY_AFTER_SECONDS: u32 = 1;

pub(crate) async fn post(
    Shared(state): Shared<State>,
    MaybeSignedIn(session): MaybeSignedIn,
    wanted: ReadPosition,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(members) = body.map_err(unreadable)?;
    let request = serde_json::from_value(Value::Object(members)).map_err(|_| malformed())?;
    answer(&state, session, wanted, request).await
}

/// With a query in the address its answer; a browser that only came to look gets the explorer.
pub(crate) async fn get(
    Shared(state): Shared<State>,
    MaybeSignedIn(session): MaybeSignedIn,
    wanted: ReadPosition,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    if query.is_empty() {
        return Ok(explorer::page().into_response());
    }
    let request = parse_query_string(&query)
        .map_err(|_| ApiError::bad_request("The query in the address cannot be read"))?;
    answer(&state, session, wanted, request).await
}

async fn answer(
    state: &State,
    session: Option<Session>,
    ReadPosition(wanted): ReadPosition,
    request: Request,
) -> Result<Response, ApiError> {
    let seen = state.freshness.wait(ReadModel::ALL, wanted).await;
    let viewer = session.map(|session| session.account);
    let reader = reader::for_request(state.database.clone(), viewer);
    let request = request.data(reader).data(state.web.clone());
    let mut answer: Answer = state.schema.execute(request).await;
    if answer.errors.iter().any(|error| error::has_code(error, Code::Unavailable)) {
        return Err(ApiError::unavailable(RETRY_AFTER_SECONDS));
    }
    answer.errors.iter_mut().for_each(error::give_code);
    Ok((seen, Json(answer)).into_response())
}

fn unreadable(rejection: JsonRejection) -> ApiError {
    match rejection.status().as_u16() {
        413 => ApiError::too_large(),
        415 => ApiError::unsupported_media_type(),
        _ => malformed(),
    }
}

fn malformed() -> ApiError {
    ApiError::bad_request("The body must be {\"query\": …, \"variables\": {…}}")
}
